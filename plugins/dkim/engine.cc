#include "engine.h"

namespace mail_dkim {

std::unique_ptr<mailauth::Verifier> NativeEngine::verifier(std::string_view header, const mailauth::DkimPolicy& policy, int64_t now) const {
  return std::make_unique<mailauth::Verifier>(header, policy, now);
}

std::vector<mailauth::NewField> NativeEngine::sign(const Source& source, const mailauth::SignOptions& options, std::span<const mailauth::SigningKey> keys) const {
  mailauth::Signer signer(options);
  source.body([&](std::string_view piece) { signer.body(piece); });
  return signer.finish(mailauth::read_header(source.header), keys);
}

#ifndef VEREDUS_OPENDKIM
std::unique_ptr<Engine> opendkim_engine(Ed25519) { return nullptr; }
#endif

}  // namespace mail_dkim
