// One check under way: what it knows, what it has spent, what it tells. Used by the coroutines of evaluate.cc and mechanisms.cc, on one loop.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mailauth/spf/macro.h"
#include "mailauth/spf/record.h"
#include "mailauth/spf/spf.h"

namespace mailauth::spf {

// Of a record, or of a look-up that failed.
struct Outcome {
  SpfResult result = SpfResult::none;
  std::string mechanism, problem;
};

// Where a term stands.
struct Place {
  std::string domain;  // whose record it is
  uint32_t depth = 0;
};

class Check {
 public:
  Check(Dns& with, const SpfQuery& asked, const SpfLimits& bounds, SpfAnswer& out);
  Check(const Check&) = delete;

  Dns& dns;
  const SpfLimits& limits;
  SpfAnswer& answer;
  Address client;
  bool good_client = false;
  std::string sender, local, sender_domain;
  std::optional<std::vector<std::string>> client_names;     // of the PTR records, once asked for
  std::optional<std::vector<std::string>> confirmed_names;  // those that lead back to the client, once %{p} has asked for all
  size_t record_octets = 0;

  // Counts a term that asks DNS, or a question without an answer. False: one too many.
  bool may_look_up() { return ++answer.lookups <= limits.lookups; }
  bool may_be_void() { return ++answer.void_lookups <= limits.void_lookups; }

  // The step is told if steps are wanted.
  void tell(const Place& place, std::string_view term, std::string text);
  bool tells() const { return limits.steps && answer.steps.size() < kMostSteps; }

  MacroValues values(const std::string& domain, const std::string& validated) const;

 private:
  static constexpr size_t kMostSteps = 500;
  std::string ip_, readable_ip_, helo_, receiver_, time_;
};

// What a mechanism says.
struct Match {
  bool matches = false;
  std::optional<Outcome> failed;  // the check ends with it
};

// Whether a term matches, `include` excepted.
vrd::Task<Match> match_term(Check& check, const Term& term, const Place& place);

// A domain-spec as a name; %{p} is asked for. Nothing: no name that DNS can have.
vrd::Task<std::optional<std::string>> name_of(Check& check, std::string_view spec, const Place& place);

// A name of the client that DNS confirms, the best one for %{p} of this domain, or "unknown".
vrd::Task<std::string> validated_name(Check& check, std::string domain);

// "the A records of a.test cannot be looked up now: no answer in time".
std::string failed_look_up(std::string_view type, const std::string& name, vrd_status status);

// A status that says nothing about the name, as opposed to one that says it cannot exist.
bool is_failure(const vrd::DnsResult& result);

}  // namespace mailauth::spf
