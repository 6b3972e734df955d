// What DailyReports needs to know of TLS reports: who wants them (RFC 8460 3), how they are made from what was counted. Loop 0 only.
#pragma once

#include "collector.hpp"
#include "report.h"

namespace tls_report {

struct Options {
  Author author;
  std::string ca_file;
  common::ReportTimes times;
  milliseconds timeout{60'000};  // of one HTTPS request
};

class ReportKind : public common::ReportKind {
 public:
  ReportKind(const vrd::Host& host, const Options& options) : host_(host), options_(options) {}
  std::string index() const override { return "i"; }
  vrd::Task<common::Addressees> addressees(std::string domain) override;
  vrd::Task<common::Making> make(common::ReportName name, std::string indexed) override;

 private:
  const vrd::Host& host_;
  const Options& options_;
};

}  // namespace tls_report
