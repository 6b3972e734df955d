// What `veredus check spf` and `check spf-record` print. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/report.hpp"
#include "mailauth/spf/spf.h"

namespace spf {

// The result; on fail the explanation; then what was checked, each step, what to mend.
std::string check_text(const mailauth::SpfAnswer& answer, const std::string& client, const mailauth::SpfLimits& limits);
std::string check_json(const mailauth::SpfAnswer& answer, const std::string& client);

// What a valid record still does wrong, as advice.
std::vector<std::string> advice_on(std::string_view record);

// "valid" or "invalid"; problems, warnings, what each term costs.
common::Report check_record(std::string_view text);

}  // namespace spf
