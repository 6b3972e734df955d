#include "srs/settings.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace srs {

namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr size_t kSecretOctets = 32, kShortestSecret = 16, kLongestSecret = 1024;

std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> out;
  while (!list.empty()) {
    size_t end = std::min(list.find(','), list.size());
    if (end) out.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return out;
}

class File {
 public:
  File(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::string read_secret(const std::string& path) {
  File file(path, O_RDONLY);
  char octets[kLongestSecret];
  ssize_t got = file.fd() >= 0 ? read(file.fd(), octets, sizeof octets) : -1;
  return got > 0 ? std::string(octets, static_cast<size_t>(got)) : std::string();
}

// Whole or not at all: written beside, then given its name.
std::string make_secret(const std::string& path) {
  std::array<unsigned char, kSecretOctets> octets{};
  if (RAND_bytes(octets.data(), static_cast<int>(octets.size())) != 1) throw vrd::Error(VRD_E_IO, "no random octets for a secret");
  std::string secret, fresh = path + ".new";
  for (unsigned char octet : octets) secret += "0123456789abcdef"[octet >> 4], secret += "0123456789abcdef"[octet & 15];
  File file(fresh, O_WRONLY | O_CREAT | O_TRUNC);
  bool good = file.fd() >= 0 && write(file.fd(), secret.data(), secret.size()) == static_cast<ssize_t>(secret.size()) && fsync(file.fd()) == 0 && rename(fresh.c_str(), path.c_str()) == 0;
  if (!good) throw vrd::Error(VRD_E_IO, path + " cannot be written: " + std::strerror(errno) + "; or give `secrets`");
  return secret;
}

std::vector<std::unique_ptr<common::Conditions>> rules_of(const vrd::Conf& conf, const char* key, common::Tables& tables) {
  std::vector<std::unique_ptr<common::Conditions>> out;
  for (const vrd::Conf& rule : conf.list(key)) {
    out.push_back(std::make_unique<common::Conditions>(rule, tables));
    if (out.back()->empty()) rule.refuse("a rule has `when`, `not` or both");
  }
  return out;
}

}  // namespace

std::vector<std::string> secrets_of(const vrd::Setup& setup) {
  std::vector<std::string> out;
  for (const vrd::Conf& one : setup.conf.list("secrets")) {
    out.emplace_back(one.text());
    if (out.back().size() < kShortestSecret) one.refuse("a secret has at least 16 octets");
  }
  if (!out.empty()) return out;
  std::string path = std::string(setup.host.state_dir()) + "/secret", kept = read_secret(path);
  out.push_back(kept.size() >= kShortestSecret ? kept : make_secret(path));
  return out;
}

Options::Options(const vrd::Setup& setup)
    : scheme(secrets_of(setup), static_cast<size_t>(setup.conf.number("hash_length")), static_cast<uint32_t>(setup.conf.number("max_age") / kDayMs)),
      bounces_only(setup.conf.flag("bounces_only")),
      redirected(setup.conf.flag("redirected")),
      max_age(setup.conf.duration("max_age")) {
  read_domains(setup);
  for (std::string_view network : words_of(setup.host.core("relay_networks"))) inside.emplace_back(network);
  common::Tables tables(setup);
  forward = rules_of(setup.conf, "forward", tables);
  except = rules_of(setup.conf, "except", tables);
}

void Options::read_domains(const vrd::Setup& setup) {
  for (const char* name : {"relay_domains", "hostname"})
    for (std::string_view one : words_of(setup.host.core(name))) ours_.emplace_back(one);
  for (const vrd::Conf& one : setup.conf.list("ours")) ours_.emplace_back(one.text());
  std::vector<common::DomainPattern> taken;
  for (std::string_view one : words_of(setup.host.core("relay_domains"))) {
    taken.emplace_back(one);
    if (!setup.conf["domains"] && domains_.empty() && one.front() != '.' && one != "*") domains_.push_back(common::lowered(one));
  }
  for (const vrd::Conf& one : setup.conf.list("domains")) {
    domains_.push_back(common::lowered(one.text()));
    if (!common::any_matches(taken, domains_.back())) one.refuse("'" + domains_.back() + "' is not in core.relay_domains, so bounces to it would be refused: add it there");
  }
  if (domains_.empty()) throw vrd::Error(VRD_E_CONFIG, "srs needs a domain for the addresses it makes: set `domains`, with names that are in core.relay_domains");
}

bool Options::ours(std::string_view domain) const {
  std::string name = common::lowered(domain);
  return takes(name) || common::any_matches(ours_, name);
}

bool Options::takes(std::string_view domain) const {
  std::string name = common::lowered(domain);
  return std::any_of(domains_.begin(), domains_.end(), [&](const std::string& one) { return one == name; });
}

}  // namespace srs
