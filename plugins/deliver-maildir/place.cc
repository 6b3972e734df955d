// From an address to directory names.
#include "maildir.h"

#include <algorithm>

#include "common/text.hpp"

namespace maildir {

namespace {

using common::lowered;
constexpr size_t kMaxName = 128;

// "odd name" in quotes is the mailbox of the same name without them.
std::string unquoted(std::string_view local) {
  if (local.size() < 2 || local.front() != '"' || local.back() != '"') return std::string(local);
  std::string out;
  for (size_t i = 1; i + 1 < local.size(); ++i) out += local[local[i] == '\\' && i + 2 < local.size() ? ++i : i];
  return out;
}

Failure not_a_mailbox() { return {550, {5, 1, 3}, "The address cannot be the name of a mailbox here"}; }

// One part of the template; false: something in braces that is neither {local} nor {domain}.
bool expand(std::string_view part, std::string_view local, std::string_view domain, std::string& out) {
  while (!part.empty()) {
    size_t open = part.find('{');
    out += part.substr(0, open);
    if (open == part.npos) return true;
    size_t close = part.find('}', open);
    if (close == part.npos) return false;
    std::string_view word = part.substr(open + 1, close - open - 1);
    if (word != "local" && word != "domain") return false;
    out += word == "local" ? local : domain;
    part.remove_prefix(close + 1);
  }
  return true;
}

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    out.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

bool good_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName || name == "." || name == "..") return false;
  for (char c : name)
    if (c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}

std::string template_problem(std::string_view path) {
  for (std::string_view part : parts_of(path)) {
    std::string out;
    if (!expand(part, "local", "domain", out)) return "only {local} and {domain} may stand in braces";
    if (!good_name(out)) return "it must be directory names below the root, with / between";
  }
  if (path.find("{local}") == path.npos) return "without {local} all users would share one mailbox";
  return {};
}

std::optional<Failure> find_place(const Options& options, std::string_view address, std::string_view domain, std::string_view folder, Place& out) {
  std::string local = unquoted(address), user = lowered(local);
  out.folder_asked = !folder.empty();
  out.folder = folder;
  if (size_t at = options.extension.empty() ? user.npos : user.find(options.extension); at != user.npos && at > 0) {
    if (folder.empty()) out.folder = local.substr(at + options.extension.size());
    user.resize(at);
  }
  if (!good_name(user) || !good_name(lowered(domain)) || user.front() == '.') return not_a_mailbox();
  for (std::string_view part : parts_of(options.path)) {
    std::string name;
    if (!expand(part, user, lowered(domain), name) || !good_name(name)) return not_a_mailbox();
    out.mailbox.push_back(std::move(name));
  }
  if (!out.folder.empty() && !good_name("." + out.folder)) out.folder.clear();
  if (!out.folder.empty() && out.folder.front() != '.') out.folder.insert(0, ".");
  return std::nullopt;
}

}  // namespace maildir
