// Finding passwords and tokens.
#include "outbound/credentials.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace veredus {

namespace {

constexpr Millis kTablePatience{10'000}, kTokenPatience{20'000};
constexpr size_t kLongestLine = 8'192;
constexpr int64_t kDefaultLife = 300, kLongestLife = 86'400;  // seconds, of a token whose life is not told, and of any
constexpr int64_t kMargin = 60;                               // fetched anew so long before its end

Result<std::string> first_line(const std::string& file, const char* setting) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Errc::not_found, std::string(setting) + " " + file + " cannot be read: " + std::generic_category().message(errno));
  std::string line;
  std::getline(in, line);
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty() || line.size() > kLongestLine) return fail(Errc::invalid, std::string(setting) + " " + file + " has nothing usable in its first line");
  return line;
}

std::string form_encoded(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) out += static_cast<char>(c);
    else out += {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};
  }
  return out;
}

void add_field(std::string& form, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  form += (form.empty() ? "" : "&") + std::string(name) + "=" + form_encoded(value);
}

std::string source_of(const CredentialSettings& entry) {
  return entry.token_url + "\n" + entry.client_id + "\n" + entry.client_secret_file + "\n" + entry.refresh_token_file + "\n" + entry.scope;
}

// RFC 6749 6 with a refresh token, 4.4 without.
Result<std::string> token_form(const CredentialSettings& entry) {
  std::string form;
  add_field(form, "grant_type", entry.refresh_token_file.empty() ? "client_credentials" : "refresh_token");
  if (!entry.refresh_token_file.empty()) {
    auto token = first_line(entry.refresh_token_file, "refresh_token_file");
    if (!token) return token.error();
    add_field(form, "refresh_token", *token);
  }
  add_field(form, "client_id", entry.client_id);
  if (!entry.client_secret_file.empty()) {
    auto secret = first_line(entry.client_secret_file, "client_secret_file");
    if (!secret) return secret.error();
    add_field(form, "client_secret", *secret);
  }
  add_field(form, "scope", entry.scope);
  return form;
}

}  // namespace

Task<Result<SaslCredentials>> CredentialStore::find(SettingsPtr settings, std::string name, std::string host) {
  auto place = settings->credentials.find(name);
  if (place == settings->credentials.end()) co_return fail(Errc::not_found, "there are no credentials " + name);
  const CredentialSettings& entry = place->second;
  if (!entry.table.empty()) co_return co_await from_table(entry, std::move(host));
  SaslCredentials out;
  out.account = entry.user;
  out.acting_as = entry.acting_as;
  Result<std::string> secret = entry.password;
  if (!entry.password_file.empty()) secret = first_line(entry.password_file, "password_file");
  if (!entry.token_file.empty()) secret = first_line(entry.token_file, "token_file");
  if (!entry.token_url.empty()) secret = co_await token(entry, name);
  if (!secret) co_return fail(secret.error().code, "credentials." + name + ": " + secret.error().text);
  bool bearer = !entry.token_file.empty() || !entry.token_url.empty();
  (bearer ? out.token : out.password) = std::move(*secret);
  co_return out;
}

Task<Result<SaslCredentials>> CredentialStore::from_table(CredentialSettings entry, std::string host) {
  if (!tables_) co_return fail(Errc::not_found, "there are no tables");
  TableAnswer answer = co_await tables_->look_up(loop_, entry.table, lowered(host), Deadline::in(loop_, kTablePatience));
  if (answer.kind == TableAnswer::Kind::temporary) co_return fail(Errc::busy, "the table " + entry.table + " cannot be asked: " + answer.problem);
  size_t space = answer.value.find(' ');
  bool found = answer.kind == TableAnswer::Kind::found && space != std::string::npos && space > 0;
  if (!found) co_return fail(Errc::not_found, "the table " + entry.table + " has no account and password for " + printable(host, 255));
  SaslCredentials out;
  out.account = answer.value.substr(0, space);
  out.password = answer.value.substr(space + 1);
  out.acting_as = entry.acting_as;
  co_return out;
}

// Whoever comes while somebody fetches waits for that.
Task<Result<std::string>> CredentialStore::token(CredentialSettings entry, std::string name) {
  for (int round = 0; round < 2; ++round) {
    Token& known = tokens_[name];
    if (!known.value.empty() && loop_.now() < known.until && known.source == source_of(entry)) co_return known.value;
    if (!known.fetching) {
      auto mine = std::make_shared<Event>(loop_);
      known.fetching = mine;
      Status fetched = co_await fetch(std::move(entry), name);
      tokens_[name].fetching.reset();
      mine->set();
      if (!fetched) co_return fetched.error();
      co_return tokens_[name].value;
    }
    std::shared_ptr<Event> theirs = known.fetching;
    bool ended = co_await theirs->wait(Deadline::in(loop_, kTokenPatience));
    if (!ended) break;
  }
  co_return fail(Errc::timeout, "no token was fetched in time");
}

Task<Status> CredentialStore::fetch(CredentialSettings entry, std::string name) {
  auto form = token_form(entry);
  if (!form) co_return form.error();
  if (!http_) co_return fail(Errc::unsupported, "there is no HTTP here");
  HttpRequest request(entry.token_url);
  request.method = "POST";
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  request.body = std::move(*form);
  request.timeout = kTokenPatience;
  request.max_response = 65'536;
  auto response = co_await http_->request(std::move(request));
  if (!response) co_return fail(response.error().code, "the token endpoint gave no answer: " + response.error().text);
  auto json = nlohmann::json::parse(response->body, nullptr, false);
  if (response->status != 200 || !json.is_object() || !json.contains("access_token") || !json["access_token"].is_string()) {
    std::string said = json.is_object() && json.contains("error") && json["error"].is_string() ? " (" + printable(json["error"].get<std::string>(), 100) + ")" : "";
    co_return fail(Errc::refused, "the token endpoint answered " + std::to_string(response->status) + said);
  }
  int64_t life = json.contains("expires_in") && json["expires_in"].is_number_integer() ? json["expires_in"].get<int64_t>() : kDefaultLife;
  life = std::clamp<int64_t>(life, 1, kLongestLife);
  Token& fresh = tokens_[name];
  fresh.value = json["access_token"].get<std::string>();
  fresh.source = source_of(entry);
  fresh.until = loop_.now() + Millis(1'000 * (life > 2 * kMargin ? life - kMargin : life / 2));
  co_return Status();
}

}  // namespace veredus
