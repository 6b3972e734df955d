// What stands in Authentication-Results (RFC 8601 2.2) and ARC-Authentication-Results: the authserv-id, and results with their properties.
// Comments do not count. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mailauth {

struct MethodResult {
  std::string method, result;  // in lower case
  std::vector<std::pair<std::string, std::string>> properties;  // "header.from" and its value, without quotes
  std::string_view property(std::string_view name) const;
};

struct ResultsField {
  std::string authserv_id;
  std::vector<MethodResult> results;  // at most 64
  bool valid = false;                 // there is an authserv-id
};

// `value`: behind the name of the field, and without i= of ARC.
ResultsField read_results(std::string_view value);

}  // namespace mailauth
