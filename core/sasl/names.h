// What may stand for an account or a password, and how secrets go. Values without I/O.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sasl/sasl.h"

namespace veredus {

constexpr size_t kMostSaslName = 255, kMostSaslPassword = 1024, kMostSaslToken = 8192;

// A name as it is compared (SASLprep, RFC 4013): not empty, UTF-8, at most 255 octets, no control characters. `what`: for the error.
Result<std::string> sasl_name(std::string_view name, std::string_view what);
// A password as SCRAM hashes it. Other mechanisms pass it on as it came.
Result<std::string> sasl_password(std::string_view password);

}  // namespace veredus
