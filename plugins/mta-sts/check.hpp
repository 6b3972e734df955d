// `veredus check mta-sts`, `check mta-sts-record`, `check mta-sts-policy`: what a colleague who knows MTA-STS would say.
#pragma once

#include "fetch.hpp"
#include "common/report.hpp"

namespace mta_sts {

common::Report check_record(std::string_view input);  // one record as `dig +short TXT` or a zone file shows it, or bare
common::Report check_policy(std::string_view input);
vrd::Task<common::Report> check_domain(const vrd::Host& host, std::string domain, Source source);

}  // namespace mta_sts
