// SPF (RFC 7208): whether a client may use a domain in MAIL or HELO. check_spf() asks as few questions as the record allows, within limits; it
// runs on the loop that calls it and never throws for what strangers publish.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mailauth/base/dns.h"

namespace mailauth {

struct SpfQuery {
  std::string ip;        // of the client, IPv4 or IPv6; "::ffff:192.0.2.1" counts as IPv4
  std::string helo;      // as the client gave it
  std::string sender;    // without brackets; empty: the null sender, whose identity is postmaster@HELO
  std::string receiver;  // our name, for %{r}; empty: "unknown"
  int64_t now = 0;       // seconds since 1970, for %{t}
};

enum class SpfResult { none, neutral, pass, fail, softfail, temperror, permerror };

std::string_view spf_word(SpfResult result);

// What happened at one term or look-up, in the order of evaluation, for people.
struct SpfStep {
  uint32_t depth = 0;  // 0: the record of the checked domain; includes and redirects are deeper
  std::string domain;  // whose record it is
  std::string term;    // as published; empty: about the record as a whole
  std::string text;    // what came of it
  uint32_t lookups = 0, void_lookups = 0;  // counted so far
};

struct SpfAnswer {
  SpfResult result = SpfResult::none;
  std::string domain;       // that was checked, in lower case
  std::string identity;     // "mailfrom" or "helo"
  std::string explanation;  // the domain's own, on fail; empty: it gives none that can be used. Printable ASCII
  std::string mechanism;    // the directive that decided, as published: "-all"; "default" when the record ended without a match
  std::string problem;      // temperror, permerror: a sentence. none: why
  uint32_t lookups = 0, void_lookups = 0;
  std::vector<SpfStep> steps;  // with SpfLimits::steps
};

// More than any of these is permerror, as RFC 7208 4.6.4 says. Time is the caller's: the Dns answers VRD_E_TIMEOUT when it is over.
struct SpfLimits {
  uint32_t lookups = 10;       // terms that ask DNS
  uint32_t void_lookups = 2;   // questions without an answer
  uint32_t mx_hosts = 10;      // of one `mx`; more is permerror
  uint32_t ptr_names = 10;     // of one `ptr`; the rest is not looked at
  uint32_t explanation = 400;  // octets of it; a longer one is cut
  bool steps = false;          // tell them
};

vrd::Task<SpfAnswer> check_spf(Dns& dns, SpfQuery query, SpfLimits limits);

}  // namespace mailauth
