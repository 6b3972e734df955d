#include "keyring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace mail_dkim {

namespace {

std::string because(const std::string& what) { return what + ": " + std::strerror(errno); }

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    ssize_t done = write(file, text.data(), text.size());
    if (done < 0 && errno != EINTR) return false;
    if (done > 0) text.remove_prefix(static_cast<size_t>(done));
  }
  return fsync(file) == 0;
}

// Whoever owns the directory owns what is put there, so that root may make keys for the user that the daemon runs as.
void give_to_owner_of(const std::filesystem::path& directory, const std::string& path) {
  struct stat found{};
  if (geteuid() == 0 && stat(directory.c_str(), &found) == 0 && chown(path.c_str(), found.st_uid, found.st_gid) != 0) errno = 0;
}

// Empty: it worked. `flags`: O_EXCL for a file that must be new.
std::string put(const std::string& path, std::string_view text, unsigned mode, int flags) {
  int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode);
  if (file < 0 && errno == EEXIST) return "the file " + path + " is there already; it is not written over";
  if (file < 0) return because("the file " + path + " cannot be made");
  bool good = write_all(file, text);
  std::string problem = good ? "" : because("the file " + path + " cannot be written");
  close(file);
  give_to_owner_of(std::filesystem::path(path).parent_path(), path);
  if (!good) unlink(path.c_str());
  return problem;
}

}  // namespace

std::string key_path(const std::string& directory, const std::string& domain, const std::string& selector) { return directory + "/" + domain + "/" + selector + ".pem"; }

std::shared_ptr<const mailauth::PrivateKey> read_key(const std::string& path, std::string& problem) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    problem = because("the key file " + path + " cannot be read");
    return nullptr;
  }
  std::string pem(65'536, '\0');
  file.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<size_t>(file.gcount()));
  auto out = mailauth::PrivateKey::from_pem(pem, &problem);
  if (!out) problem = "the key file " + path + " " + problem;
  return out;
}

std::shared_ptr<const mailauth::PrivateKey> make_key(const std::string& path, mailauth::KeyKind kind, uint32_t bits, std::string& problem) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty() && !std::filesystem::exists(parent, error)) {
    const std::filesystem::path above = parent.parent_path();
    std::filesystem::create_directories(parent, error);
    if (!error) give_to_owner_of(above, parent.string());
    if (error) problem = "the directory " + parent.string() + " cannot be made: " + error.message();
    if (error) return nullptr;
  }
  auto out = mailauth::PrivateKey::generate(kind, bits);
  if (!out) problem = "no key could be made";
  else problem = put(path, out->pem(), 0600, O_EXCL);
  return problem.empty() ? out : nullptr;
}

std::string write_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string beside = path + ".new";
  std::string problem = put(beside, text, mode, O_TRUNC);
  if (problem.empty() && rename(beside.c_str(), path.c_str()) != 0) problem = because("the file " + path + " cannot be written");
  return problem;
}

std::string loose_mode(const std::string& path) {
  struct stat found{};
  if (stat(path.c_str(), &found) != 0 || (found.st_mode & 0007) == 0) return {};
  return "everybody on this host can read " + path + ": chmod o= " + path;
}

std::string zone_line(const std::string& domain, const std::string& selector, std::string_view record) {
  constexpr size_t kLongestString = 255;
  std::string out = selector + "._domainkey." + domain + ". 3600 IN TXT (";
  for (; !record.empty(); record.remove_prefix(std::min(kLongestString, record.size()))) {
    out += " \"" + std::string(record.substr(0, kLongestString)) + "\"";
  }
  return out + " )";
}

Published compare(const mailauth::FoundKey& found, const mailauth::PrivateKey& key) {
  if (found.temporary) return {"temperror", found.problem, {"ask again; if it stays so, look at the name servers of the domain"}};
  if (found.text.empty()) return {"none", found.problem, {"publish the record below"}};
  if (found.record.revoked) return {"fail", "the key is revoked (p= is empty)", {"publish the record below, or use another selector"}};
  if (!found.record.problem.empty()) return {"permerror", "the record " + found.record.problem, {"publish the record below in its place"}};
  const mailauth::Digest probe = mailauth::sha256("veredus dkim test");
  const bool same = found.record.key && found.record.kind == key.kind() && found.record.key->verify(probe, key.sign(probe));
  if (!same) return {"fail", "the record has another key than the private key", {"publish the record below in its place, or sign with the key that is published"}};
  Published out{"pass", "the record fits the private key", {}};
  if (found.record.testing) out.advice.emplace_back("the record says t=y (testing): receivers do not count on it; remove it when all is well");
  if (key.kind() == mailauth::KeyKind::rsa && key.bits() < 2048) out.advice.push_back("the key has " + std::to_string(key.bits()) + " bits; 2048 are usual");
  return out;
}

}  // namespace mail_dkim
