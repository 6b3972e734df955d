// Trace fields (RFC 5321 4.4): Received for what comes in, Return-Path for final delivery, and counting hops.
// Any thread.
#pragma once

#include <string>
#include <string_view>

#include "mail/envelope.h"

namespace veredus {

// One Received field with its line end. Names given by clients are made printable. The recipient is named
// only when there is one.
// `hide_client`: it does not say from whom the message came.
std::string received_field(const Envelope& envelope, std::string_view hostname, bool hide_client = false);
std::string return_path_field(const Address& sender);
// Number of Received fields in a header block, at most `enough`.
size_t count_received(std::string_view header_block, size_t enough);

}  // namespace veredus
