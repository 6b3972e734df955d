// GsaslSession: one exchange within libgsasl. It asks for properties while it works; they are given before, and what it wants to have
// validated is taken down for later. Belongs to one session.
#pragma once

#include <gsasl.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sasl/base64.h"

namespace veredus {

class GsaslSession {
 public:
  enum class Side : uint8_t { server, client };
  GsaslSession(Side side, const char* mechanism);  // failed(): libgsasl has no such mechanism, or no memory
  ~GsaslSession();
  GsaslSession(const GsaslSession&) = delete;
  GsaslSession& operator=(const GsaslSession&) = delete;

  void give(Gsasl_property property, std::string value) { given_[property] = std::move(value); }

  struct Step {
    int status = GSASL_OK;  // GSASL_NEEDS_MORE: `octets` are to be sent and answered
    std::string octets;
  };
  Step step(std::string_view input);
  bool failed() const { return session_ == nullptr; }
  bool validated() const { return validated_; }  // libgsasl wanted to know whether names and password are right; that is to be found out
  std::string property(Gsasl_property property) const;  // what the peer has said; empty when nothing

 private:
  static int asked(Gsasl* context, Gsasl_session* session, Gsasl_property property);
  int answer(Gsasl_session* session, Gsasl_property property);

  Gsasl* context_ = nullptr;
  Gsasl_session* session_ = nullptr;
  std::map<int, std::string> given_;
  bool validated_ = false;
};

}  // namespace veredus
