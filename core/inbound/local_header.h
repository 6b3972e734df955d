// What is mended in the header of mail that a program of this host hands in (RFC 6409 8, and what sendmail
// programs have always done). Values; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hooks/hooks.h"

namespace veredus {

struct LocalHeaderRules {
  std::string_view hostname, origin;  // origin: domain of addresses without one
  std::string_view user, name;        // who hands it in; name may be empty
};

// Date, From and Message-ID where they are missing; no Bcc, Return-Path, Content-Length; addresses without a domain get the origin's.
// `wanted`: edits of the header that are made before these.
Result<std::vector<Edit>> local_edits(std::string_view header, const Envelope& envelope, const LocalHeaderRules& rules, std::span<const Edit> wanted);
// The value of an address field with the origin's domain where there is none; everything else as it was. A value that cannot be
// read stays as it is.
std::string qualified(std::string_view value, std::string_view origin);

}  // namespace veredus
