// The DSN parameters of RFC 3461 and RFC 6533: xtext, ENVID and ORCPT. Whatever is decoded is checked again
// for what must not reach a log, a record or a header. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace veredus {

std::string encode_xtext(std::string_view octets);
Result<std::string> decode_xtext(
    std::string_view text);  // refuses what decodes to a control character or NUL

// ENVID: at most 100 characters of xtext, printable ASCII when decoded.
Result<std::string> decode_envid(std::string_view text);
inline std::string encode_envid(std::string_view envid) {
  return encode_xtext(envid);
}

// ORCPT: "rfc822;" or another type with an xtext address, or "utf-8;" with an address in any form of RFC
// 6533; at most 500 characters. Decoded: "type;address", the address in UTF-8 for the type utf-8. Raw UTF-8
// needs `allow_utf8` (SMTPUTF8 was declared).
Result<std::string> decode_orcpt(std::string_view text, bool allow_utf8 = true);
// `utf8`: the next hop takes SMTPUTF8. Without it a utf-8 address travels in its ASCII form.
std::string encode_orcpt(std::string_view orcpt, bool utf8);

// The ASCII form of a utf-8 address type: "\x{FC}" for what is not ASCII; for message/delivery-status as
// well.
std::string utf8_address_ascii(std::string_view address);

}  // namespace veredus
