// Reading the reports of others (RFC 9990, RFC 7489, and what is sent in their name), with libxml2: no entity, no DTD, no network; depth,
// texts and number of records are bounded. Any thread, one document at a time each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mailauth/dmarc/aggregate.h"

namespace mailauth {

struct ReadLimits {
  size_t records = 200'000;
  int depth = 32;
  size_t text = 4'096;  // octets of one element; more is cut
};

struct ReadReport {
  bool readable = false;              // false: no report at all; problems say why
  AggregateReport report;
  std::string version, space;         // namespace of the root element
  std::vector<std::string> problems;  // what does not fit the standard, at most 50, with the line
  size_t problem_count = 0;
};

ReadReport read_report(std::string_view xml, const ReadLimits& limits);

}  // namespace mailauth
