// Keys in files: made, published, compared with what is published. DIR/DOMAIN/SELECTOR.pem, which only its owner may read. Blocks; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mailauth/dkim/crypto.h"
#include "mailauth/dkim/key_record.h"

namespace mail_dkim {

constexpr const char* kKeyDirectory = "/etc/veredus/dkim";

std::string key_path(const std::string& directory, const std::string& domain, const std::string& selector);

// Null and a sentence in `problem`.
std::shared_ptr<const mailauth::PrivateKey> read_key(const std::string& path, std::string& problem);

// Makes a key in a new file of mode 0600, with the directories that are missing; never over an old one.
std::shared_ptr<const mailauth::PrivateKey> make_key(const std::string& path, mailauth::KeyKind kind, uint32_t bits, std::string& problem);

// Written beside and renamed. Empty: it worked.
std::string write_file(const std::string& path, std::string_view text, unsigned mode);

// What others may do with the file, as a sentence; empty: nothing.
std::string loose_mode(const std::string& path);

// SELECTOR._domainkey.DOMAIN. IN TXT ( "..." "..." ), in strings of at most 255 octets.
std::string zone_line(const std::string& domain, const std::string& selector, std::string_view record);

// How what is published fits the key: the word pass, fail, none, temperror or permerror, and a sentence.
struct Published {
  std::string word, text;
  std::vector<std::string> advice;
};
Published compare(const mailauth::FoundKey& found, const mailauth::PrivateKey& key);

}  // namespace mail_dkim
