// Writing and reading JSON.
#include "exchange.h"

#include <veredus/svc_auth.h>

#include <nlohmann/json.hpp>

namespace auth_http {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostBody = 256 * 1024;

struct Kind {
  const char* name;
  const char* secret;  // key of what is to be checked; null: nothing is
};
constexpr Kind kKinds[] = {{"password", "password"}, {"secret", nullptr}, {"token", "token"}, {"external", "certificate"}};

Outcome failed(std::string problem) { return {std::nullopt, std::move(problem)}; }

// Absent and null are empty; anything but a text is a mistake.
bool take_text(const Json& document, const char* key, std::string& out) {
  auto found = document.find(key);
  if (found == document.end() || found->is_null()) return true;
  if (!found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

std::string_view host_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  if (size_t at = authority.rfind('@'); at != authority.npos) authority.remove_prefix(at + 1);
  return authority.starts_with('[') ? authority.substr(0, authority.find(']') + 1) : authority.substr(0, authority.find(':'));
}

// An address, not a name that begins like one.
bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

}  // namespace

std::string request_body(const Question& question) {
  if (question.kind < VRD_AUTH_PASSWORD || question.kind > VRD_AUTH_EXTERNAL) return {};
  const Kind& kind = kKinds[question.kind - 1];
  Json out = {{"kind", kind.name}, {"mechanism", question.mechanism}, {"account", question.account}, {"acting_as", question.acting_as}, {"client", question.client}};
  if (kind.secret) out[kind.secret] = question.secret;
  try {
    return out.dump();
  } catch (const Json::type_error&) {
    return {};
  }
}

Outcome read_response(uint32_t kind, uint32_t code, std::string_view body) {
  if (code != 200) return failed("status " + std::to_string(code));
  if (body.size() > kMostBody) return failed("the response is larger than 256 KiB");
  Json document = Json::parse(body, nullptr, false);
  if (document.is_discarded() || !document.is_object()) return failed("the response is no JSON object");
  auto ok = document.find("ok");
  if (ok == document.end() || !ok->is_boolean()) return failed("the response has no 'ok' that is true or false");
  if (!ok->get<bool>()) return {};
  Known known;
  bool texts = take_text(document, "account", known.account) && take_text(document, "tenant", known.tenant) && take_text(document, "secret", known.secret);
  if (!texts) return failed("account, tenant or secret of the response is not a text");
  if (kind == VRD_AUTH_SECRET && known.secret.empty()) return failed("the response has no 'secret'");
  return {std::move(known), {}};
}

std::string url_problem(std::string_view url, bool clear_text, bool unix_socket) {
  if (url.starts_with("https://")) return {};
  if (!url.starts_with("http://")) return "must begin with https:// or http://";
  if (clear_text || unix_socket || is_loopback(host_of(url))) return {};
  return "would send passwords in clear over the network; use https, or write 'clear_text: true'";
}

}  // namespace auth_http
