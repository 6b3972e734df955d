// Names and passwords by SASLprep.
#include "sasl/names.h"

#include <gsasl.h>
#include <string.h>

#include <algorithm>

#include "base/text.h"

namespace veredus {

namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

Result<std::string> prepared(std::string_view text, Gsasl_saslprep_flags flags, std::string_view what) {
  std::string in(text);
  char* out = nullptr;
  int status = gsasl_saslprep(in.c_str(), flags, &out, nullptr);
  wipe(in);
  if (status != GSASL_OK) return fail(Errc::invalid, std::string(what) + " has characters that SASLprep (RFC 4013) does not allow");
  std::string text_out(out);
  explicit_bzero(out, text_out.size());
  gsasl_free(out);
  if (text_out.empty()) return fail(Errc::invalid, std::string(what) + " is empty");
  return text_out;
}

}  // namespace

Result<std::string> sasl_name(std::string_view name, std::string_view what) {
  std::string who(what);
  if (name.empty()) return fail(Errc::invalid, who + " is empty");
  if (name.size() > kMostSaslName) return fail(Errc::limit, who + " has more than " + std::to_string(kMostSaslName) + " octets");
  if (std::any_of(name.begin(), name.end(), is_control)) return fail(Errc::invalid, who + " has control characters");
  if (!is_utf8(name)) return fail(Errc::invalid, who + " is not UTF-8");
  auto out = prepared(name, GSASL_ALLOW_UNASSIGNED, what);
  if (out && out->size() > kMostSaslName) return fail(Errc::limit, who + " has more than " + std::to_string(kMostSaslName) + " octets");
  return out;
}

Result<std::string> sasl_password(std::string_view password) {
  if (password.size() > kMostSaslPassword) return fail(Errc::limit, "the password has more than " + std::to_string(kMostSaslPassword) + " octets");
  if (password.find('\0') != password.npos) return fail(Errc::invalid, "the password has a NUL octet");
  if (!is_utf8(password)) return fail(Errc::invalid, "the password is not UTF-8");
  return prepared(password, Gsasl_saslprep_flags{}, "the password");
}

void wipe(std::string& secret) {
  explicit_bzero(secret.data(), secret.capacity());
  secret.clear();
}

}  // namespace veredus
