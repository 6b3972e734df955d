// What domains publish for MTA-STS (RFC 8461): the TXT record and the policy file, read strictly. No I/O; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/text.hpp"

namespace mta_sts {

constexpr int64_t kLongestAge = 31'557'600;  // seconds: RFC 8461 3.2
constexpr size_t kMostPatterns = 1'000;

struct Finding {
  bool error = true;  // else something to know that spoils nothing
  size_t line = 0;    // from 1; 0: of the whole
  std::string text;
  std::string sentence() const { return line == 0 ? text : "line " + std::to_string(line) + ": " + text; }
};

struct Record {
  bool valid = false;
  std::string id;
  std::vector<Finding> findings;
};
Record read_record(std::string_view text);
bool begins_as_record(std::string_view text);  // "v=STSv1;": others at that name are not meant

enum class Mode : uint8_t { none, testing, enforce };
std::string_view mode_name(Mode mode);

struct Policy {
  Mode mode = Mode::none;
  std::vector<std::string> mx;  // lower case: "mx.a.test", "*.a.test"
  int64_t max_age = 0;          // seconds
  std::string text() const;     // as it is published, unknown keys left out; lines end with LF
  bool allows(std::string_view host) const;
};
bool matches(std::string_view pattern, std::string_view host);  // "*." stands for exactly one label

struct ReadPolicy {
  bool valid = false;
  Policy policy;
  std::vector<Finding> findings;
  std::string first_problem() const;
};
ReadPolicy read_policy(std::string_view text);

bool is_domain(std::string_view text);  // of letters, digits and hyphens, no dot at the end
using common::lowered;

}  // namespace mta_sts
