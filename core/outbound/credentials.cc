// Finding passwords and tokens.
#include "outbound/credentials.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace veredus {

namespace {

constexpr Millis kTablePatience{10'000}, kTokenPatience{20'000};
constexpr size_t kLongestLine = 8'192;
constexpr int64_t kDefaultLife = 300, kLongestLife = 86'400;  // seconds, of a token whose life is not told, and of any
constexpr int64_t kMargin = 60;                               // fetched anew so long before its end

Result<std::string> read_first_line(const std::string& file, const char* setting) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Errc::not_found, std::string(setting) + " " + file + " cannot be read: " + std::generic_category().message(errno));
  std::string line;
  std::getline(in, line);
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty() || line.size() > kLongestLine) return fail(Errc::invalid, std::string(setting) + " " + file + " has nothing usable in its first line");
  return line;
}

// The file under its name is whole at any moment, and keeps its mode. Where this process may not write, it stays as it is.
Result<bool> write_first_line(const std::string& file, const std::string& line) {
  struct stat old{};
  std::string beside = file + ".new";
  if (stat(file.c_str(), &old) != 0) return fail(Errc::not_found, file);
  int out = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (out < 0) return fail(Errc::refused, std::generic_category().message(errno));
  std::string text = line + "\n";
  bool written = write(out, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(out) == 0 && fchmod(out, old.st_mode & 07777) == 0;
  close(out);
  if (written && rename(beside.c_str(), file.c_str()) == 0) return true;
  std::string why = std::generic_category().message(errno);
  unlink(beside.c_str());
  return fail(Errc::refused, why);
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

}  // namespace

Task<Result<std::string>> CredentialStore::first_line(std::string file, const char* setting) {
  if (!pool_) co_return read_first_line(file, setting);
  std::function<Result<std::string>()> work = [file = std::move(file), setting] { return read_first_line(file, setting); };
  co_return co_await run_on(loop_, *pool_, std::move(work));
}

Task<Result<SaslCredentials>> CredentialStore::find(SettingsPtr settings, std::string name, std::string host) {
  auto place = settings->credentials.find(name);
  if (place == settings->credentials.end()) co_return fail(Errc::not_found, "there are no credentials " + name);
  CredentialSettings entry = place->second;
  if (!entry.table.empty()) co_return co_await from_table(entry, std::move(host));
  SaslCredentials out;
  out.account = entry.user;
  out.acting_as = entry.acting_as;
  Result<std::string> secret = entry.password;
  if (!entry.password_file.empty()) secret = co_await first_line(entry.password_file, "password_file");
  if (!entry.token_file.empty()) secret = co_await first_line(entry.token_file, "token_file");
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

// RFC 6749 6 with a refresh token, 4.4 without.
Task<Result<std::string>> CredentialStore::token_form(CredentialSettings entry, std::string name) {
  std::string form;
  add_field(form, "grant_type", entry.refresh_token_file.empty() ? "client_credentials" : "refresh_token");
  if (!entry.refresh_token_file.empty()) {
    auto token = co_await refresh_token(entry.refresh_token_file, name);
    if (!token) co_return token.error();
    add_field(form, "refresh_token", *token);
  }
  add_field(form, "client_id", entry.client_id);
  if (!entry.client_secret_file.empty()) {
    auto secret = co_await first_line(entry.client_secret_file, "client_secret_file");
    if (!secret) co_return secret.error();
    add_field(form, "client_secret", *secret);
  }
  add_field(form, "scope", entry.scope);
  co_return form;
}

// What the file holds; or what the endpoint gave in its stead, until somebody writes another into the file.
Task<Result<std::string>> CredentialStore::refresh_token(std::string file, std::string name) {
  auto there = co_await first_line(std::move(file), "refresh_token_file");
  if (!there) co_return there.error();
  Token& known = tokens_[name];
  if (known.refresh.empty() || known.instead_of != *there) {
    known.refresh.clear();
    known.instead_of = *there;
    co_return there;
  }
  co_return known.refresh;
}

Task<void> CredentialStore::keep_refresh_token(CredentialSettings entry, std::string name, std::string fresh) {
  tokens_[name].refresh = fresh;
  Result<bool> written = fail(Errc::unsupported, "there is no pool");
  std::function<Result<bool>()> work = [file = entry.refresh_token_file, fresh] { return write_first_line(file, fresh); };
  if (pool_) written = co_await run_on(loop_, *pool_, std::move(work));
  if (written) tokens_[name].instead_of = fresh;
}

Task<Status> CredentialStore::fetch(CredentialSettings entry, std::string name) {
  auto form = co_await token_form(entry, name);
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
  std::string fresh_refresh;
  Status taken = take_answer(*response, entry, tokens_[name], fresh_refresh);
  if (taken && !fresh_refresh.empty()) co_await keep_refresh_token(std::move(entry), std::move(name), std::move(fresh_refresh));
  co_return taken;
}

Status CredentialStore::take_answer(const HttpResponse& response, const CredentialSettings& entry, Token& token, std::string& fresh_refresh) {
  auto json = nlohmann::json::parse(response.body, nullptr, false);
  auto text = [&](const char* key) { return json.is_object() && json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : ""; };
  if (response.status != 200 || text("access_token").empty()) {
    std::string said = text("error").empty() ? "" : " (" + printable(text("error"), 100) + ")";
    return fail(Errc::refused, "the token endpoint answered " + std::to_string(response.status) + said);
  }
  int64_t life = json.contains("expires_in") && json["expires_in"].is_number_integer() ? json["expires_in"].get<int64_t>() : kDefaultLife;
  life = std::clamp<int64_t>(life, 1, kLongestLife);
  token.value = text("access_token");
  token.source = source_of(entry);
  token.until = loop_.now() + Millis(1'000 * (life > 2 * kMargin ? life - kMargin : life / 2));
  std::string refresh = text("refresh_token");
  bool usable = refresh.size() <= kLongestLine && std::none_of(refresh.begin(), refresh.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; });
  if (!entry.refresh_token_file.empty() && usable) fresh_refresh = std::move(refresh);
  return Status();
}

}  // namespace veredus
