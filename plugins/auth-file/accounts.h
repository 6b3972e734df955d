// Accounts: the contents of one file, immutable once loaded; read by all loops at once. Knows files only, nothing of plugins. load() blocks:
// for a worker thread, or for the start.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/file_identity.hpp"
#include "hashes.h"

namespace auth_file {

struct Account {
  std::string name;  // as the file writes it
  std::string tenant;
  Hash hash;
  std::vector<std::string> certificates;  // SHA-256 of them, 64 hexadecimal digits
  std::vector<std::string> acts_as;       // accounts; "*": every one
  size_t line = 0;
};

struct Options {
  std::string file;
  bool fold = true;  // names are compared without regard to the case of ASCII letters
};

class Accounts {
 public:
  const Account* find(std::string_view name) const;
  const Account* owner(std::string_view fingerprint) const;  // of a certificate, in any spelling
  bool may_act(const Account& account, std::string_view as) const;
  // The hash to try a password with that can fit nothing: one of the file's, always the same for a name, so that accounts that do not exist
  // take the time of those that do. Null: the file has no passwords.
  const Hash* decoy(std::string_view name) const;

  size_t size() const { return accounts_.size(); }
  size_t passwords() const { return passwords_.size(); }
  size_t scram_secrets() const { return scram_secrets_; }
  size_t certificates() const { return owners_.size(); }

  // The loader's. What is wrong with the account; empty: nothing.
  std::string add(Account account);
  common::FileIdentity identity;
  Options options;

 private:
  std::string key(std::string_view name) const;
  std::unordered_map<std::string, Account> accounts_;
  std::unordered_map<std::string, const Account*> owners_;
  std::vector<const Account*> passwords_;
  size_t scram_secrets_ = 0;
};

// `error` is set when there are none: "FILE:LINE: what is wrong".
std::shared_ptr<const Accounts> load(const Options& options, std::string& error);

// "SHA256:AB:CD...", "sha256:abcd...", "abcd...": 64 hexadecimal digits in lower case; empty when it is no fingerprint.
std::string plain_fingerprint(std::string_view text);

// One line. What is wrong with it; empty: nothing.
std::string read_account(std::string_view line, Account& out);

}  // namespace auth_file
