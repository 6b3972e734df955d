// TLS for streams of plugins: the handshake, and the server's certificate judged against `tls.ca` and the host's name. [loop]
#pragma once

#include <memory>
#include <string>

#include "net/tls.h"
#include "plugin/loop_services.h"

namespace veredus {

// Errors: the certificate is not accepted, or the handshake failed (io); closed; timeout.
Task<Result<std::unique_ptr<Stream>>> secure_stream(LoopServices& services, std::unique_ptr<Stream> plain, std::string host, Deadline deadline);

}  // namespace veredus
