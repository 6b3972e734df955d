// Reading files and finding accounts.
#include "accounts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "common/text.hpp"

namespace auth_file {

namespace {

constexpr uint64_t kMostOctets = uint64_t{1} << 30;
constexpr size_t kMostLine = 4096, kMostName = 255;
constexpr std::string_view kSpace = " \t\r";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view take_until(std::string_view& rest, std::string_view ends) {
  size_t end = std::min(rest.find_first_of(ends), rest.size());
  std::string_view out = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return out;
}

bool good_name(std::string_view name) {
  auto odd = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
  return !name.empty() && name.size() <= kMostName && std::none_of(name.begin(), name.end(), odd);
}

std::string read_list(std::string_view list, std::vector<std::string>& out) {
  while (!list.empty()) {
    std::string_view one = take_until(list, ",");
    if (!good_name(one)) return "acts_as has an empty or overlong name";
    out.emplace_back(one);
  }
  return {};
}

std::string read_attribute(std::string_view word, Account& out) {
  size_t sign = word.find('=');
  std::string_view key = word.substr(0, sign), value = sign == word.npos ? std::string_view() : word.substr(sign + 1);
  if (key == "acts_as" && !value.empty()) return read_list(value, out.acts_as);
  if (key != "certificate") return "unknown attribute '" + std::string(word.substr(0, 60)) + "'; there are certificate=SHA256:... and acts_as=NAME,...";
  std::string fingerprint = plain_fingerprint(value);
  if (fingerprint.empty()) return "certificate= wants the SHA-256 fingerprint of a certificate, 64 hexadecimal digits";
  out.certificates.push_back(std::move(fingerprint));
  return {};
}

// A SCRAM secret has colons of its own: two, in front of the one that ends it.
std::string_view take_hash(std::string_view& rest) {
  bool colons = rest.find("SCRAM-SHA-256$") < std::min(rest.find(':'), rest.find(' ')) ||
                (rest.starts_with("{SCRAM-SHA-256}") && rest.substr(0, rest.find(':')).find(',') == rest.npos);
  size_t end = rest.find(':');
  for (int more = colons ? 2 : 0; more > 0 && end != rest.npos; --more) end = rest.find(':', end + 1);
  end = std::min({end, rest.find_first_of(" \t"), rest.size()});
  std::string_view out = rest.substr(0, end);
  rest.remove_prefix(end);
  return out;
}

std::string read_error(const std::string& what) { return what + ": " + std::strerror(errno); }

std::string mode_problem(mode_t mode) {
  if ((mode & 0007) == 0) return {};
  char octal[16];
  std::snprintf(octal, sizeof octal, "%04o", static_cast<unsigned>(mode & 07777));
  return "everybody on this host can read or change it (mode " + std::string(octal) + "); chmod 0640 it, and give it to the group of the daemon's user";
}

struct Descriptor {
  explicit Descriptor(const std::string& file) : fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  int fd;
};

std::string read_text(int fd, size_t size, std::string& text) {
  text.resize(size);
  size_t at = 0;
  while (at < text.size()) {
    ssize_t got = read(fd, text.data() + at, text.size() - at);
    if (got < 0) return std::strerror(errno);
    if (got == 0) break;
    at += static_cast<size_t>(got);
  }
  text.resize(at);
  return {};
}

std::string read_file(const Options& options, std::string& text, common::FileIdentity& identity) {
  Descriptor file(options.file);
  struct stat info{};
  if (file.fd < 0 || fstat(file.fd, &info) != 0) return read_error(options.file);
  std::string problem = !S_ISREG(info.st_mode) ? "not a file" : mode_problem(info.st_mode);
  if (problem.empty() && static_cast<uint64_t>(info.st_size) > kMostOctets) problem = "larger than 1 GiB";
  if (problem.empty()) problem = read_text(file.fd, static_cast<size_t>(info.st_size), text);
  identity = common::identity_from(info);
  return problem.empty() ? "" : options.file + ": " + problem;
}

std::string read_line(Accounts& out, std::string_view line, size_t number) {
  if (line.size() > kMostLine) return "a line of more than 4096 octets";
  if (line.find('\0') != line.npos) return "a NUL octet";
  Account account;
  account.line = number;
  std::string problem = read_account(line, account);
  return problem.empty() ? out.add(std::move(account)) : problem;
}

std::string read_lines(Accounts& out, std::string_view text, const std::string& file) {
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = common::trimmed(take_until(text, "\n"), kSpace);
    if (line.empty() || line.front() == '#') continue;
    std::string problem = read_line(out, line, number);
    if (!problem.empty()) return file + ":" + std::to_string(number) + ": " + problem;
  }
  return {};
}

}  // namespace

std::string plain_fingerprint(std::string_view text) {
  std::string out;
  if (common::lowered(text.substr(0, 7)) == "sha256:") text.remove_prefix(7);
  for (char c : text) {
    if (c == ':') continue;
    c = lower(c);
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return {};
    out += c;
  }
  return out.size() == 64 ? out : std::string();
}

std::string read_account(std::string_view line, Account& out) {
  out.name = take_until(line, ":");
  if (!good_name(out.name)) return "a line begins with a name of 1 to 255 octets without spaces, and a colon";
  if (std::string problem = read_hash(take_hash(line), out.hash); !problem.empty()) return problem;
  if (line.starts_with(':')) {
    line.remove_prefix(1);
    std::string_view tenant = line.substr(0, line.find_first_of(" \t"));
    if (tenant.size() > kMostName || tenant.find(':') != tenant.npos) return "behind the hash stands a tenant of at most 255 octets, and no other field";
    out.tenant = tenant;
    line.remove_prefix(tenant.size());
  }
  for (line = common::trimmed(line, kSpace); !line.empty(); line = common::trimmed(line, kSpace))
    if (std::string problem = read_attribute(take_until(line, " \t"), out); !problem.empty()) return problem;
  return {};
}

std::string Accounts::key(std::string_view name) const { return options.fold ? common::lowered(name) : std::string(name); }

std::string Accounts::add(Account account) {
  auto [place, fresh] = accounts_.try_emplace(key(account.name), std::move(account));
  const Account& added = place->second;
  if (!fresh) return "the account '" + added.name + "' stands in line " + std::to_string(added.line) + " too";
  for (const std::string& certificate : added.certificates) {
    auto [owner, new_owner] = owners_.try_emplace(certificate, &added);
    if (!new_owner) return "the certificate is also that of '" + owner->second->name + "' in line " + std::to_string(owner->second->line);
  }
  if (added.hash.scheme == Scheme::none) return {};
  passwords_.push_back(&added);
  scram_secrets_ += added.hash.scheme == Scheme::scram ? 1 : 0;
  return {};
}

const Account* Accounts::find(std::string_view name) const {
  auto found = accounts_.find(key(name));
  return found == accounts_.end() ? nullptr : &found->second;
}

const Account* Accounts::owner(std::string_view fingerprint) const {
  auto found = owners_.find(plain_fingerprint(fingerprint));
  return found == owners_.end() ? nullptr : found->second;
}

bool Accounts::may_act(const Account& account, std::string_view as) const {
  if (as.empty() || key(as) == key(account.name)) return true;
  return std::any_of(account.acts_as.begin(), account.acts_as.end(), [&](const std::string& one) { return one == "*" || key(one) == key(as); });
}

const Hash* Accounts::decoy(std::string_view name) const {
  if (passwords_.empty()) return nullptr;
  return &passwords_[std::hash<std::string>()(key(name)) % passwords_.size()]->hash;
}

std::shared_ptr<const Accounts> load(const Options& options, std::string& error) {
  auto out = std::make_shared<Accounts>();
  out->options = options;
  std::string text;
  error = read_file(options, text, out->identity);
  if (error.empty()) error = read_lines(*out, text, options.file);
  wipe(text);
  return error.empty() ? out : nullptr;
}

}  // namespace auth_file
