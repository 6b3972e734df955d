// Credentials: how this host proves who it is to a next hop, from settings, files, tables, or a token endpoint (OAuth 2.0, RFC 6749). Tokens
// are kept until shortly before they run out, and fetched once for all who wait. Files are read on the pool. Belongs to one loop.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "config/settings.h"
#include "loop/loop.h"
#include "loop/table_port.h"
#include "loop/work_pool.h"
#include "net/http_client.h"
#include "sasl/sasl.h"

namespace veredus {

class CredentialStore {
 public:
  explicit CredentialStore(Loop& loop) : loop_(loop) {}
  CredentialStore(const CredentialStore&) = delete;
  void use(TablePort* tables, HttpClient* http, WorkPool* pool) {
    tables_ = tables;
    http_ = http;
    pool_ = pool;
  }

  // Those of the entry `name` for a next hop. The error is a sentence for an administrator, without a secret.
  Task<Result<SaslCredentials>> find(SettingsPtr settings, std::string name, std::string host);
  // A token that the next hop refuses is fetched anew the next time.
  void refused(const std::string& name) {
    if (auto place = tokens_.find(name); place != tokens_.end()) place->second.value.clear();
  }

 private:
  struct Token {
    std::string value, source;  // source: the endpoint and who asked; other settings want another token
    MonoTime until{};
    std::shared_ptr<Event> fetching;  // set when somebody's fetch has ended
    // An endpoint may answer with another refresh token, which takes the place of the one that the file had when it was asked.
    std::string refresh, instead_of;
  };
  Task<Result<std::string>> first_line(std::string file, const char* setting);
  Task<Result<std::string>> token_form(CredentialSettings entry, std::string name);
  Task<Result<std::string>> refresh_token(std::string file, std::string name);
  Task<void> keep_refresh_token(CredentialSettings entry, std::string name, std::string fresh);
  Status take_answer(const HttpResponse& response, const CredentialSettings& entry, Token& token, std::string& fresh_refresh);
  Task<Result<SaslCredentials>> from_table(CredentialSettings entry, std::string host);
  Task<Result<std::string>> token(CredentialSettings entry, std::string name);
  Task<Status> fetch(CredentialSettings entry, std::string name);

  Loop& loop_;
  TablePort* tables_ = nullptr;
  HttpClient* http_ = nullptr;
  WorkPool* pool_ = nullptr;
  std::map<std::string, Token> tokens_;
};

}  // namespace veredus
