// A summary of reports for people: one line a source address, and what to look at. Values; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "mailauth/dmarc/report_read.h"

namespace mailauth {

// What came from one address.
struct SourceSummary {
  std::string address;
  uint64_t messages = 0, passed = 0, dkim_aligned = 0, spf_aligned = 0;
  std::map<std::string, uint64_t> dispositions, reasons;
  std::map<std::string, uint64_t> from;        // header_from
  std::map<std::string, uint64_t> signatures;  // "d=a.test s=x: pass"
  std::map<std::string, uint64_t> spf;         // "a.test: fail"
  std::vector<std::string> advice;
};

struct ReportSummary {
  uint64_t messages = 0, passed = 0;
  std::vector<SourceSummary> sources;  // those whose mail failed first, then by number
};

ReportSummary summarise(const AggregateReport& report);

std::string summary_text(const ReadReport& read, const std::string& name);  // lines "NAME: text"
nlohmann::ordered_json summary_json(const ReadReport& read, const std::string& name);

}  // namespace mailauth
