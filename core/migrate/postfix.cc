// Names are expanded when they are asked for: a later line of main.cf counts for an earlier one.
#include "migrate/postfix.h"

#include <algorithm>

#include "base/text.h"

namespace veredus::migrate {

namespace {

constexpr int kDeepest = 20;
constexpr size_t kLongest = 1 << 20;

struct Default {
  std::string_view name, value;
};

// Only those that other values are made of.
constexpr Default kDefaults[] = {
    {"myorigin", "$myhostname"},
    {"mydestination", "$myhostname, localhost.$mydomain, localhost"},
    {"queue_directory", "/var/spool/postfix"},
    {"data_directory", "/var/lib/postfix"},
    {"inet_interfaces", "all"},
    {"smtp_tls_fingerprint_digest", "md5"},
    {"minimal_backoff_time", "300s"},
    {"maximal_backoff_time", "4000s"},
    {"virtual_transport", "virtual"},
    {"local_transport", "local:$myhostname"},
    {"relay_transport", "relay"},
    {"default_transport", "smtp"},
    {"parent_domain_matches_subdomains", "debug_peer_list,fast_flush_domains,mynetworks,relay_domains,smtpd_access_maps"},
};

bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// `at` stands behind the opening bracket; the place of the one that closes it.
size_t closing(std::string_view text, size_t at, char open, char close) {
  for (int depth = 1; at < text.size(); ++at) {
    depth += text[at] == open ? 1 : text[at] == close ? -1 : 0;
    if (depth == 0) return at;
  }
  return std::string_view::npos;
}

std::string_view unbraced(std::string_view text) {
  text = trimmed(text);
  return text.size() >= 2 && text.front() == '{' && text.back() == '}' ? text.substr(1, text.size() - 2) : text;
}

const std::set<std::string_view> kTextMaps = {"hash", "lmdb", "btree", "dbm", "cdb", "sdbm", "texthash", "cidr", "unionmap"};

}  // namespace

Postfix::Postfix(std::string directory, std::string hostname, ReadFile read)
    : directory_(std::move(directory)), hostname_(std::move(hostname)), read_(std::move(read)) {
  while (directory_.size() > 1 && directory_.ends_with('/')) directory_.pop_back();
}

Status Postfix::load() {
  auto main = read_(directory_ + "/main.cf");
  if (!main) return main.error();
  std::vector<LogicalLine> broken;
  for (Parameter& parameter : parse_main(*main, "main.cf", broken)) parameters_[parameter.name] = std::move(parameter);
  for (const LogicalLine& line : broken) untranslated({"main.cf", line.line}, "this is no setting: " + printable(line.text, 60));
  auto master = read_(directory_ + "/master.cf");
  if (!master) return look({"master.cf", 0}, master.error().text + "; the listener is taken to be port 25"), Status();
  broken.clear();
  services_ = parse_master(*master, "master.cf", broken);
  for (const LogicalLine& line : broken) untranslated({"master.cf", line.line}, "this is no service: " + printable(line.text, 60));
  return {};
}

std::optional<Parameter> Postfix::take(std::string_view name) {
  auto found = parameters_.find(name);
  if (found == parameters_.end()) return std::nullopt;
  taken_.emplace(name);
  return Parameter{found->first, std::string(trimmed(expand(found->second.value, 0))), found->second.at};
}

std::optional<Parameter> Postfix::take_as_written(std::string_view name) {
  auto found = parameters_.find(name);
  if (found == parameters_.end()) return std::nullopt;
  taken_.emplace(name);
  return found->second;
}

std::string Postfix::value(std::string_view name) const { return std::string(trimmed(expand(raw(name, 0), 0))); }

std::string Postfix::expanded(std::string_view text) const { return std::string(trimmed(expand(text, 0))); }

std::string Postfix::value_for(const Service& service, std::string_view name) const {
  const Parameter* own = service.override_of(name);
  return own ? expanded(own->value) : value(name);
}

std::vector<Parameter> Postfix::not_taken() const {
  std::vector<Parameter> out;
  for (const auto& [name, parameter] : parameters_)
    if (!taken_.contains(name)) out.push_back(parameter);
  std::sort(out.begin(), out.end(), [](const Parameter& a, const Parameter& b) { return a.at.line < b.at.line; });
  return out;
}

std::vector<Parameter> Postfix::all() const {
  std::vector<Parameter> out;
  for (const auto& [name, parameter] : parameters_) out.push_back(parameter);
  return out;
}

std::string Postfix::raw(std::string_view name, int depth) const {
  if (auto found = parameters_.find(name); found != parameters_.end()) return found->second.value;
  if (name == "myhostname") return hostname_;
  if (name == "config_directory") return directory_;
  if (name == "mydomain") {
    std::string host = expand(raw("myhostname", depth + 1), depth + 1);
    size_t dot = host.find('.');
    return dot == std::string::npos ? "localdomain" : host.substr(dot + 1);
  }
  for (const Default& one : kDefaults)
    if (one.name == name) return std::string(one.value);
  return "";
}

// What stands in ${...}: NAME, NAME?TEXT, NAME:TEXT, NAME?{A}:{B}.
std::string Postfix::expand_one(std::string_view inside, int depth) const {
  size_t end = 0;
  while (end < inside.size() && is_name_char(inside[end])) ++end;
  std::string found = expand(raw(inside.substr(0, end), depth), depth + 1);
  std::string_view rest = inside.substr(end);
  if (rest.empty()) return found;
  if (rest.front() == ':') return found.empty() ? expand(unbraced(rest.substr(1)), depth + 1) : found;
  if (rest.front() != '?') return "";
  rest.remove_prefix(1);
  std::string_view yes = rest, no;
  if (rest.starts_with("{")) {
    size_t close = closing(rest, 1, '{', '}');
    if (close == std::string_view::npos) return "";
    yes = rest.substr(1, close - 1);
    no = trimmed(rest.substr(close + 1));
    if (no.starts_with(":")) no.remove_prefix(1);
  }
  return expand(found.empty() ? unbraced(no) : yes, depth + 1);
}

std::string Postfix::expand(std::string_view text, int depth) const {
  if (depth > kDeepest) return "";
  std::string out;
  for (size_t at = 0; at < text.size() && out.size() < kLongest; ++at) {
    if (text[at] != '$' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    char next = text[++at];
    if (next == '$') {
      out += '$';
    } else if (next == '{' || next == '(') {
      size_t close = closing(text, at + 1, next, next == '{' ? '}' : ')');
      if (close == std::string_view::npos) return out;
      out += expand_one(text.substr(at + 1, close - at - 1), depth + 1);
      at = close;
    } else {
      size_t end = at;
      while (end < text.size() && is_name_char(text[end])) ++end;
      out += expand_one(text.substr(at, end - at), depth + 1);
      at = end - 1;
    }
  }
  return out.size() > kLongest ? out.substr(0, kLongest) : out;
}

// In a copy of a file system, /etc/aliases lies in it too.
std::string Postfix::path_of(const std::string& path) const {
  constexpr std::string_view kPlace = "/etc/postfix";
  if (path.starts_with(std::string(kPlace) + "/")) return directory_ + path.substr(kPlace.size());
  if (directory_.ends_with(kPlace) && path.starts_with("/")) return directory_.substr(0, directory_.size() - kPlace.size()) + path;
  return path;
}

std::optional<std::vector<MapEntry>> Postfix::read_map(const MapReference& map, const Parameter& of) {
  if (map.type == "inline") return parse_inline(map.argument, of.at);
  if (map.type == "static") return std::vector<MapEntry>{{"*", std::string(unbraced(map.argument)), of.at}};
  if (!kTextMaps.contains(map.type)) {
    untranslated(of.at, of.name + ": a table of type " + printable(map.type, 30) + " (" + printable(map.argument, 80) +
                            ") cannot be read here; text, or the plugins table-file and table-http, can take its place");
    return std::nullopt;
  }
  auto text = read_(path_of(map.argument));
  if (text) return parse_map(*text, map.argument);
  untranslated(of.at, of.name + ": " + text.error().text);
  return std::nullopt;
}

std::vector<MapEntry> Postfix::entries(const Parameter& parameter) {
  std::vector<MapEntry> out;
  for (const std::string& word : split_words(parameter.value)) {
    MapReference map = parse_reference(word);
    if (map.type.empty() && !map.argument.starts_with("/")) {
      out.push_back({map.argument, "", parameter.at});
      continue;
    }
    if (map.type.empty()) {
      auto text = read_(path_of(map.argument));
      if (!text) untranslated(parameter.at, parameter.name + ": " + text.error().text);
      else
        for (const LogicalLine& line : logical_lines(*text))
          for (const std::string& inner : split_words(line.text)) out.push_back({inner, "", {map.argument, line.line}});
      continue;
    }
    if (auto read = read_map(map, parameter)) out.insert(out.end(), read->begin(), read->end());
  }
  return out;
}

}  // namespace veredus::migrate
