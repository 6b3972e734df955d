// What a domain publishes, with all that its record leads to, whoever the client is. Loop thread.
#pragma once

#include <string>

#include "common/report.hpp"
#include "mailauth/base/dns.h"

namespace spf {

// "valid", "invalid", "none" or "unknown"; each record, what it costs, what names nothing, what to mend. At most 100 questions.
vrd::Task<common::Report> check_published(mailauth::Dns& dns, std::string domain);

}  // namespace spf
