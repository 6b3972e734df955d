// What DailyReports needs to know of reports about DMARC: who wants them, how they are made from what was counted. Loop 0 only.
#pragma once

#include "collector.hpp"
#include "common/reports/daily.h"
#include "mailauth/dmarc/destinations.h"
#include "settings.h"

namespace dmarc {

class ReportKind : public common::ReportKind {
 public:
  ReportKind(const vrd::Host& host, const Options& options) : host_(host), options_(options) {}
  std::string index() const override { return "p"; }
  vrd::Task<common::Addressees> addressees(std::string domain) override;
  vrd::Task<common::Making> make(common::ReportName name, std::string policy) override;

 private:
  vrd::Task<bool> gather(std::string prefix, mailauth::AggregateReport* into);
  vrd::Task<std::unique_ptr<common::MadeReport>> packed(mailauth::AggregateReport report);

  const vrd::Host& host_;
  const Options& options_;
};

}  // namespace dmarc
