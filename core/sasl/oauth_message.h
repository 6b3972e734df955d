// The one message of OAUTHBEARER (RFC 7628) and of XOAUTH2, read and written. Values without I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace veredus {

struct OauthMessage {
  std::string account;  // OAUTHBEARER: may be empty, the token says it
  std::string token;
};

Result<OauthMessage> read_oauthbearer(std::string_view message);
Result<OauthMessage> read_xoauth2(std::string_view message);
std::string write_oauthbearer(std::string_view account, std::string_view token, std::string_view host, uint16_t port);
std::string write_xoauth2(std::string_view account, std::string_view token);

}  // namespace veredus
