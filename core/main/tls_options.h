// What the settings say of TLS towards clients, for the worker and for `veredus config check`. Values; any thread.
#pragma once

#include "config/settings.h"
#include "net/tls.h"

namespace veredus {

TlsServerOptions tls_server_options(const Settings& settings);  // without a pool

}  // namespace veredus
