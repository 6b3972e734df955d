// Engine: who computes signatures: our own code, or libopendkim. One object serves all threads.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mailauth/dkim/sign.h"
#include "mailauth/dkim/verify.h"

namespace mail_dkim {

using Take = std::function<void(std::string_view)>;

// What is signed. `body` gives the octets of the body from its beginning, piece by piece; it may be asked several times.
struct Source {
  std::string_view header;  // the block, with or without the empty line
  std::function<void(const Take&)> body;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::unique_ptr<mailauth::Verifier> verifier(std::string_view header, const mailauth::DkimPolicy& policy, int64_t now) const = 0;
  // One field a key, in their order; one without a value failed.
  virtual std::vector<mailauth::NewField> sign(const Source& source, const mailauth::SignOptions& options, std::span<const mailauth::SigningKey> keys) const = 0;
};

class NativeEngine : public Engine {
 public:
  std::unique_ptr<mailauth::Verifier> verifier(std::string_view header, const mailauth::DkimPolicy& policy, int64_t now) const override;
  std::vector<mailauth::NewField> sign(const Source& source, const mailauth::SignOptions& options, std::span<const mailauth::SigningKey> keys) const override;
};

// libopendkim does not free the key of an ed25519 signature: a daemon has these computed natively, a test that ends soon may not.
enum class Ed25519 { natively, by_library };

// Null: this build has no libopendkim.
std::unique_ptr<Engine> opendkim_engine(Ed25519 edwards = Ed25519::natively);

}  // namespace mail_dkim
