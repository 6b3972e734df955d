// Extensions: what EHLO and LHLO offer, as one list. Values; any thread.
#pragma once

#include <string>

#include "smtp/server_steps.h"

namespace veredus {

// The whole reply with CRLFs. STARTTLS is offered before TLS only, AUTH while nobody is authenticated.
std::string extension_list(const ServerOptions& options, bool tls, bool authenticated);

}  // namespace veredus
