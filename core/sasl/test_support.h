// For tests: a server with one account, and whole exchanges with a client.
#pragma once

#include <doctest/doctest.h>

#include "sasl/sasl.h"

namespace veredus::sasl_test {

struct Accounts {
  std::string account = "tim", password = "tanstaaftanstaaf", token = "vF9dft4qmT", fingerprint = "SHA256:AB";
  std::string delegate;  // may act as this one
  bool broken = false;
  AuthAnswer answer(const AuthQuestion& question) const {
    if (broken) return {AuthAnswer::Kind::temporary, {}, {}, {}};
    bool mine = question.account == account && (question.acting_as.empty() || question.acting_as == delegate);
    bool good = mine && (question.kind == AuthKind::secret || question.secret == password || question.secret == token || question.secret == fingerprint);
    if (!good) return {AuthAnswer::Kind::denied, {}, {}, {}};
    std::string secret = question.kind == AuthKind::secret ? scram_secret(password, "0123456789abcdef", 4096) : std::string();
    return {AuthAnswer::Kind::ok, account, "acme", secret};
  }
};

inline SaslServerOptions options(std::string binding = {}) {
  SaslServerOptions out;
  out.hostname = "mx.example.test";
  if (!binding.empty()) out.binding = {"tls-exporter", std::move(binding)};
  return out;
}

// Answers questions until something else is to be done.
inline SaslServerStep settled(SaslServer& server, SaslServerStep step, const Accounts& accounts) {
  while (step.kind == SaslServerStep::Kind::ask) step = server.told(accounts.answer(step.question));
  return step;
}

struct Outcome {
  SaslServerStep server;
  Status client;  // finish(), or what stopped it
};

inline Outcome exchange(SaslServer& server, SaslClient& client, const Accounts& accounts, bool initial = true) {
  bool first = initial && client.speaks_first();
  std::string octets;
  if (first) {
    auto said = client.initial();
    if (!said) return {{}, said.error()};
    octets = *said;
  }
  SaslServerStep step = settled(server, server.begin(octets, first), accounts);
  while (step.kind == SaslServerStep::Kind::challenge) {
    auto said = client.answer(step.octets);
    if (!said) return {step, said.error()};
    step = settled(server, server.answer(*said), accounts);
  }
  return {step, client.finish()};
}

}  // namespace veredus::sasl_test
