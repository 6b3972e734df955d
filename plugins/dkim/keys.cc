#include "keys.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "mailauth/base/tag_list.h"
#include "mailauth/dkim/signature.h"

namespace mail_dkim {

namespace {

constexpr size_t kLargestFile = 65'536, kMostKeys = 8;
constexpr std::string_view kInline = "base64:";

struct Read {
  std::string text;
  int error = 0;
};

Read read_file(const std::string& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) return {{}, errno};
  Read out;
  out.text.resize(kLargestFile);
  out.text.resize(std::fread(out.text.data(), 1, out.text.size(), file.get()));
  if (std::ferror(file.get())) out.error = EIO;
  return out;
}

// A part of a path that stays where it is.
bool is_safe(std::string_view part) { return part.empty() || (part.front() != '.' && part.find('/') == std::string_view::npos && part.find('\0') == std::string_view::npos); }

std::string pem_of(std::string_view octets) {
  std::string out = "-----BEGIN PRIVATE KEY-----\n";
  for (size_t at = 0; at < octets.size(); at += 64) out.append(octets.substr(at, 64)).append("\n");
  return out + "-----END PRIVATE KEY-----\n";
}

std::string add_key(const KeyPlan& plan, const KeyPlace& place, KeySet& out) {
  bool within = place.file.starts_with(kInline);
  Read read = within ? Read{pem_of(std::string_view(place.file).substr(kInline.size())), 0} : read_file(place.file);
  std::string name = within ? "the key " + place.selector + " in the table" : "the key file " + place.file;
  if (read.error == ENOENT && plan.optional) return {};
  if (read.error != 0) return name + " cannot be read: " + std::strerror(read.error);
  std::string problem;
  auto key = mailauth::PrivateKey::from_pem(read.text, &problem);
  if (!key) return name + " " + problem;
  if (place.kind && key->kind() != *place.kind) return name + " holds a key of another algorithm than the settings say";
  out.keys.push_back({plan.domain, place.selector, std::move(key)});
  return {};
}

}  // namespace

std::string filled(std::string_view pattern, std::string_view tenant, std::string_view domain, std::string_view selector) {
  if (!is_safe(tenant) || !is_safe(domain) || !is_safe(selector)) return {};
  std::string out;
  while (!pattern.empty()) {
    size_t open = std::min(pattern.find('{'), pattern.size());
    out += pattern.substr(0, open);
    pattern.remove_prefix(open);
    bool known = false;
    for (auto [word, text] : {std::pair<std::string_view, std::string_view>{"{tenant}", tenant}, {"{domain}", domain}, {"{selector}", selector}}) {
      if (!pattern.starts_with(word)) continue;
      out += text;
      pattern.remove_prefix(word.size());
      known = true;
      break;
    }
    if (!known && !pattern.empty()) {
      out += pattern.front();
      pattern.remove_prefix(1);
    }
  }
  return out;
}

KeyPlan plan_of(const Options& options, const std::string& tenant, const std::string& domain) {
  KeyPlan out;
  out.domain = domain;
  for (const KeyRule& rule : options.rules) {
    if (!rule.fits(tenant, domain)) continue;
    out.ruled = true;
    if (!rule.sign_as.empty()) out.domain = rule.sign_as;
    for (const KeyPlace& place : rule.keys) {
      out.places.push_back(place);
      out.places.back().file = filled(place.file, tenant, domain, place.selector);
    }
    return out;
  }
  if (options.key_files.empty()) return out;
  out.optional = true;
  out.pattern = filled(options.key_files, tenant, domain, "{selector}");
  if (out.pattern.empty()) return out;
  for (const std::string& selector : options.selectors) out.places.push_back({selector, filled(out.pattern, "", "", selector), {}});
  if (options.selectors.empty()) out.active_file = out.pattern.substr(0, out.pattern.rfind('/') + 1) + "active";
  return out;
}

std::vector<KeyPlace> places_of(std::string_view value, std::string& problem) {
  std::vector<KeyPlace> out;
  while (!value.empty()) {
    size_t end = std::min(value.find(','), value.size());
    std::string_view piece = value.substr(0, end);
    value.remove_prefix(std::min(end + 1, value.size()));
    while (piece.starts_with(' ')) piece.remove_prefix(1);
    while (piece.ends_with(' ')) piece.remove_suffix(1);
    if (piece.empty()) continue;
    size_t equal = piece.find('=');
    std::string_view where = equal == std::string_view::npos ? std::string_view() : piece.substr(equal + 1);
    bool fits = where.starts_with('/') || where.starts_with(kInline);
    if (!fits || !mailauth::is_host_name(piece.substr(0, equal)) || out.size() == kMostKeys) {
      problem = "the table of keys has a value that is not SELECTOR=/PATH or SELECTOR=base64:KEY, up to " + std::to_string(kMostKeys) + " with commas between";
      return {};
    }
    out.push_back({std::string(piece.substr(0, equal)), std::string(where), {}});
  }
  return out;
}

std::vector<std::string> selectors_in(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string line = mailauth::without_space(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (out.size() < kMostKeys && mailauth::is_host_name(line)) out.push_back(std::move(line));
  }
  return out;
}

KeySet load(const KeyPlan& plan) {
  KeySet out;
  std::vector<KeyPlace> places = plan.places;
  bool listed = !plan.active_file.empty();
  if (listed) {
    Read active = read_file(plan.active_file);
    if (active.error != 0 && active.error != ENOENT && active.error != ENOTDIR) out.problem = "the file " + plan.active_file + " cannot be read: " + std::strerror(active.error);
    for (const std::string& selector : active.error == 0 ? selectors_in(active.text) : std::vector<std::string>())
      places.push_back({selector, filled(plan.pattern, "", "", selector), {}});
  }
  KeyPlan strict = plan;
  strict.optional = plan.optional && !listed;  // what is listed must be there
  for (const KeyPlace& place : places)
    if (std::string problem = add_key(strict, place, out); !problem.empty()) out.problem = std::move(problem);
  return out;
}

vrd::Task<KeySet> KeyRing::ask_table(std::string tenant, std::string domain) {
  std::string key = filled(options_.table_key, tenant, domain, "");
  KeyPlan plan;
  plan.domain = domain;
  KeySet out;
  if (key.empty() || key.size() > 512) co_return out;
  const vrd::TableResult found = co_await host_.lookup(*options_.key_table, key, options_.table_timeout);
  if (!found.ok()) {
    out.problem = "the table of keys does not answer";
    co_return out;
  }
  if (!found.first()) co_return out;
  plan.places = places_of(*found.first(), out.problem);
  if (plan.places.empty()) co_return out;
  vrd::WorkResult<KeySet> loaded = co_await host_.work([plan] { return load(plan); });
  if (!loaded.value) out.problem = "the keys cannot be read now: too much to do";
  else out = std::move(*loaded.value);
  co_return out;
}

// Rules, the table, files by their pattern: the first that has keys, or a problem.
vrd::Task<KeySet> KeyRing::look_up(std::string tenant, std::string domain) {
  KeyPlan plan = plan_of(options_, tenant, domain);
  if (!plan.ruled && options_.key_table) {
    KeySet of_table = co_await ask_table(tenant, domain);
    if (!of_table.keys.empty() || !of_table.problem.empty()) co_return of_table;
  }
  KeySet out;
  if (plan.places.empty() && plan.active_file.empty()) co_return out;
  vrd::WorkResult<KeySet> loaded = co_await host_.work([plan] { return load(plan); });
  if (!loaded.value) out.problem = "the keys cannot be read now: too much to do";
  else out = std::move(*loaded.value);
  co_return out;
}

vrd::Task<Keys> KeyRing::keys_of(std::string tenant, std::string domain) {
  const std::string key = tenant + '\n' + domain;
  Keys before;
  if (const Known* known = known_.find(key)) {
    if (host_.mono_ms() < known->fresh_until) co_return known->keys;
    before = known->keys;
  }
  KeySet set = co_await look_up(tenant, domain);
  Keys now;
  if (!set.problem.empty() && before && !before->keys.empty()) {
    host_.warning("keys_kept", {{"domain", domain}, {"reason", set.problem}});
    now = before;
  } else {
    now = std::make_shared<const KeySet>(std::move(set));
  }
  // A problem is looked at again soon.
  const int64_t life = now->problem.empty() ? options_.key_refresh.count() : std::min<int64_t>(options_.key_refresh.count(), 5'000);
  known_.put(key, {now, host_.mono_ms() + life});
  co_return now;
}

}  // namespace mail_dkim
