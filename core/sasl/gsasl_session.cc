// libgsasl's callback and life times. A context costs 10 microseconds, so that each exchange has its own and threads share nothing.
#include "sasl/gsasl_session.h"

#include <string.h>

#include "sasl/names.h"

namespace veredus {

namespace {

constexpr Gsasl_property kSecrets[] = {GSASL_PASSWORD, GSASL_SCRAM_SALTED_PASSWORD, GSASL_SCRAM_SERVERKEY, GSASL_SCRAM_STOREDKEY};

}  // namespace

GsaslSession::GsaslSession(Side side, const char* mechanism) {
  if (gsasl_init(&context_) != GSASL_OK) {
    context_ = nullptr;
    return;
  }
  gsasl_callback_hook_set(context_, this);
  gsasl_callback_set(context_, &asked);
  auto start = side == Side::server ? gsasl_server_start : gsasl_client_start;
  if (start(context_, mechanism, &session_) != GSASL_OK) session_ = nullptr;
}

GsaslSession::~GsaslSession() {
  for (Gsasl_property secret : kSecrets) {
    const char* value = session_ ? gsasl_property_fast(session_, secret) : nullptr;
    if (value) explicit_bzero(const_cast<char*>(value), strlen(value));
  }
  for (auto& [property, value] : given_) wipe(value);
  if (session_) gsasl_finish(session_);
  if (context_) gsasl_done(context_);
}

int GsaslSession::asked(Gsasl* context, Gsasl_session* session, Gsasl_property property) {
  return static_cast<GsaslSession*>(gsasl_callback_hook_get(context))->answer(session, property);
}

int GsaslSession::answer(Gsasl_session* session, Gsasl_property property) {
  if (property == GSASL_VALIDATE_SIMPLE || property == GSASL_VALIDATE_EXTERNAL) {
    validated_ = true;
    return GSASL_OK;
  }
  auto found = given_.find(property);
  return found == given_.end() ? GSASL_NO_CALLBACK : gsasl_property_set(session, property, found->second.c_str());
}

GsaslSession::Step GsaslSession::step(std::string_view input) {
  Step out;
  char* octets = nullptr;
  size_t count = 0;
  out.status = gsasl_step(session_, input.data(), input.size(), &octets, &count);
  if (out.status != GSASL_OK && out.status != GSASL_NEEDS_MORE) return out;
  if (octets) {
    out.octets.assign(octets, count);
    explicit_bzero(octets, count);
    gsasl_free(octets);
  }
  return out;
}

std::string GsaslSession::property(Gsasl_property property) const {
  const char* value = gsasl_property_fast(session_, property);
  return value ? value : "";
}

std::string base64_of(std::string_view octets) {
  char* out = nullptr;
  if (gsasl_base64_to(octets.data(), octets.size(), &out, nullptr) != GSASL_OK) return {};
  std::string text(out);
  gsasl_free(out);
  return text;
}

std::optional<std::string> octets_of_base64(std::string_view text) {
  char* out = nullptr;
  size_t count = 0;
  if (gsasl_base64_from(text.data(), text.size(), &out, &count) != GSASL_OK) return std::nullopt;
  std::string octets(out, count);
  explicit_bzero(out, count);
  gsasl_free(out);
  return octets;
}

}  // namespace veredus
