// The two questions: is there a record, and what does the policy say. Coroutines of whoever asks; one loop.
#pragma once

#include <veredus/plugin_co.hpp>

#include "policy.h"

namespace mta_sts {

using vrd::milliseconds;

struct Source {
  int64_t port = 443;
  std::string ca_file;  // empty: the system's authorities
  milliseconds timeout{60'000}, dns_timeout{10'000};
};

struct Announced {
  enum class State : uint8_t { failed, absent, several, malformed, present } state = State::absent;
  std::string id;
  std::string problem;  // unless present
  std::vector<std::string> texts;  // of all TXT records at the name
  bool announces() const { return state == State::present; }
};

struct Fetched {
  std::string result;   // empty: done; else a result type of RFC 8460 4.3.2.2
  std::string problem;
  Policy policy;
  std::vector<Finding> findings;
  uint32_t code = 0;    // of HTTP; 0: no answer
  std::string body;
  bool done() const { return result.empty(); }
};

std::string policy_url(const std::string& domain, int64_t port);
vrd::Task<Announced> look_up(const vrd::Host& host, std::string domain, milliseconds timeout);
vrd::Task<Fetched> fetch(const vrd::Host& host, std::string domain, Source source);

}  // namespace mta_sts
