// Authentication-Results (RFC 8601): what was found out about a message's origin, one header field composed of it, and finding
// fields of the same name that claim to be ours. Values come from strangers; whatever they hold, the field stays one field. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace veredus {

// "spf", "pass", a remark for people, and what was looked at: "smtp.mailfrom" with its value.
struct AuthResult {
  std::string method, result, reason;
  std::vector<std::pair<std::string, std::string>> properties;
  bool operator==(const AuthResult&) const = default;
};

constexpr size_t kMostAuthResults = 64;  // of one message

// Why a field cannot be made of it; empty when it can. Names must fit the grammar; values need not, they are quoted and cut.
std::string_view auth_result_problem(const AuthResult& result);

// The value of the field, folded, without name and last line end. `utf8`: octets above 127 may stay, where they are UTF-8.
std::string auth_results_value(std::string_view authserv_id, std::span<const AuthResult> results, bool utf8);

// Does the value of an Authentication-Results field carry this authserv-id? Case, comments, folds, quotes and a version do not matter.
bool claims_authserv_id(std::string_view value, std::string_view authserv_id);

// Which of the Authentication-Results fields of a header block do: 1-based occurrences, in order.
std::vector<uint32_t> claimed_results(std::string_view header_block, std::string_view authserv_id);

}  // namespace veredus
