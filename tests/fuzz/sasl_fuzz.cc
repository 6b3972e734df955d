// SASL mechanisms of both sides: the first octet chooses the mechanism and the side, the second what the provider says; then messages,
// each behind an octet with its length (above 128: times 16).
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sasl/sasl.h"

using namespace veredus;

namespace {

struct Input {
  const uint8_t* at;
  size_t left;
  uint8_t octet() {
    if (left == 0) return 0;
    --left;
    return *at++;
  }
  std::string message() {
    size_t count = octet();
    if (count > 128) count *= 16;
    if (count > left) count = left;
    std::string out(reinterpret_cast<const char*>(at), count);
    at += count;
    left -= count;
    return out;
  }
};

void require(bool condition) {
  if (!condition) abort();
}

AuthAnswer answer_of(const AuthQuestion& question, uint8_t choice) {
  static const std::string secret = scram_secret("pencil", "0123456789abcdef", 4096);
  require(question.account.size() <= 255 && question.acting_as.size() <= 255 && question.secret.size() <= 8192);
  require(question.account.find('\0') == std::string::npos);
  if (choice % 3 == 0) return {AuthAnswer::Kind::denied, {}, {}, {}};
  if (choice % 3 == 1) return {AuthAnswer::Kind::temporary, {}, {}, {}};
  return {AuthAnswer::Kind::ok, "user", "tenant", choice & 0x80 ? std::string("nonsense") : secret};
}

void serve(std::string_view mechanism, Input input, uint8_t choice) {
  SaslServerOptions options;
  options.hostname = "mx.test";
  if (choice & 0x40) options.binding = {"tls-exporter", "0123456789abcdef0123456789abcdef"};
  if (choice & 0x20) options.certificate = "SHA256:00";
  auto server = SaslServer::make(mechanism, options);
  if (!server) return;
  bool initial = (choice & 0x10) != 0;
  SaslServerStep step = server->begin(initial ? input.message() : std::string(), initial);
  for (int steps = 0; steps < 8; ++steps) {
    if (step.kind == SaslServerStep::Kind::ask) step = server->told(answer_of(step.question, choice));
    else if (step.kind == SaslServerStep::Kind::challenge && input.left > 0) step = server->answer(input.message());
    else break;
    require(step.kind != SaslServerStep::Kind::accepted || choice % 3 == 2);
    // Nobody proves a password by chance.
    require(step.kind != SaslServerStep::Kind::accepted || !mechanism.starts_with("SCRAM"));
    require(step.kind != SaslServerStep::Kind::refused || !step.problem.empty());
  }
}

void speak(std::string_view mechanism, Input input) {
  SaslCredentials credentials{.account = "user", .acting_as = {}, .password = "pencil", .token = "token"};
  auto client = SaslClient::make(mechanism, credentials, "mx.test", 587, {"tls-exporter", "0123456789abcdef"});
  if (!client) return;
  if (client->speaks_first() && !client->initial()) return;
  for (int steps = 0; steps < 4 && input.left > 0; ++steps)
    if (!client->answer(input.message())) break;
  require(!mechanism.starts_with("SCRAM") || !client->finish());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input{data, size};
  uint8_t first = input.octet(), choice = input.octet();
  std::string_view mechanism = sasl_mechanisms()[first / 2 % sasl_mechanisms().size()];
  if (first % 2 == 0) serve(mechanism, input, choice);
  else speak(mechanism, input);
  return 0;
}
