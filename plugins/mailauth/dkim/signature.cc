#include "mailauth/dkim/signature.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "common/text.hpp"
#include "mailauth/base/tag_list.h"

namespace mailauth {

namespace {

using common::lowered;
constexpr size_t kMostNames = 1'000;      // of h=
constexpr size_t kLongestValue = 65'536;  // of the field

template <typename T>
bool read_number(std::string_view text, std::optional<T>& out) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > static_cast<uint64_t>(INT64_MAX)) return false;
  out = static_cast<T>(value);
  return true;
}

bool read_form(std::string_view word, Canonical& out) {
  std::string name = lowered(word);
  out = name == "relaxed" ? Canonical::relaxed : Canonical::simple;
  return name == "relaxed" || name == "simple";
}

// "relaxed/simple"; one word is that of the header.
bool read_forms(std::string_view text, Signature& out) {
  size_t slash = text.find('/');
  if (!read_form(text.substr(0, slash), out.header_form)) return false;
  return slash == std::string_view::npos || read_form(text.substr(slash + 1), out.body_form);
}

bool read_names(std::string_view text, std::vector<std::string>& out) {
  std::string packed = without_space(text);
  std::string_view rest = packed;
  while (true) {
    size_t end = rest.find(':');
    std::string_view name = rest.substr(0, end);
    if (name.empty() || out.size() == kMostNames) return false;
    out.emplace_back(name);
    if (end == std::string_view::npos) return true;
    rest.remove_prefix(end + 1);
  }
}

std::optional<KeyKind> kind_of(std::string_view algorithm) {
  if (algorithm == "rsa-sha256") return KeyKind::rsa;
  if (algorithm == "ed25519-sha256") return KeyKind::ed25519;
  return std::nullopt;
}

bool has_name(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& each) { return same_name(each, name); });
}

// One tag after the other; the first that does not fit is the problem.
class Reader {
 public:
  Reader(SignatureField kind, std::vector<Tag> tags, Signature& out) : kind_(kind), tags_(std::move(tags)), out_(out) {}

  std::string read() {
    for (auto step : {&Reader::common, &Reader::arc, &Reader::message, &Reader::dkim})
      if (std::string problem = (this->*step)(); !problem.empty()) return problem;
    return {};
  }

 private:
  std::string_view value(std::string_view name) const {
    const Tag* tag = find_tag(tags_, name);
    return tag ? tag->value : std::string_view();
  }
  bool has(std::string_view name) const { return find_tag(tags_, name) != nullptr; }

  std::string common() {
    out_.domain = lowered(value("d"));
    out_.selector = lowered(value("s"));
    out_.algorithm = lowered(value("a"));
    out_.kind = kind_of(out_.algorithm);
    std::string b = without_space(value("b"));
    out_.b_beginning = b.substr(0, 8);
    for (std::string_view name : {"a", "b", "d", "s"})
      if (value(name).empty()) return "has no " + std::string(name) + "=";
    if (!is_host_name(out_.domain) || out_.domain.find('.') == std::string::npos) return "has a d= that is no domain";
    if (!is_host_name(out_.selector)) return "has an s= that is no selector";
    auto signature = decode_base64(b);
    if (!signature) return "has a b= that is not base64";
    out_.signature = std::move(*signature);
    if (has("t") && !read_number(value("t"), out_.signed_at)) return "has a t= that is no time";
    return {};
  }

  std::string arc() {
    if (kind_ == SignatureField::dkim) return {};
    std::optional<uint32_t> instance;
    if (!read_number(value("i"), instance) || *instance < 1 || *instance > 50) return "has an i= that is not 1 to 50";
    out_.instance = *instance;
    if (kind_ != SignatureField::arc_seal) return {};
    out_.chain = lowered(value("cv"));
    if (out_.chain != "none" && out_.chain != "pass" && out_.chain != "fail") return "has a cv= that is not none, pass or fail";
    if (has("h")) return "has an h=, which a seal may not have";
    return {};
  }

  std::string message() {
    if (kind_ == SignatureField::arc_seal) return {};
    if (!has("bh")) return "has no bh=";
    auto hash = decode_base64(value("bh"));
    if (!hash) return "has a bh= that is not base64";
    out_.body_hash = std::move(*hash);
    if (!has("h") || !read_names(value("h"), out_.headers)) return "has an h= that is no list of names";
    if (has("c") && !read_forms(value("c"), out_)) return "has a c= that is not known";
    if (has("l") && !read_number(value("l"), out_.body_length)) return "has an l= that is no number";
    if (has("x") && !read_number(value("x"), out_.expires_at)) return "has an x= that is no time";
    if (out_.expires_at && out_.signed_at && *out_.expires_at < *out_.signed_at) return "expires before it was made";
    return {};
  }

  std::string dkim() {
    if (kind_ != SignatureField::dkim) return {};
    if (value("v") != "1") return has("v") ? "has another version than 1" : "has no v=";
    if (has("q") && !asks_dns(value("q"))) return "has a q= without dns/txt";
    if (!has_name(out_.headers, "From")) return "does not sign the field From";
    out_.identity = std::string(value("i"));
    return has("i") && !under_domain(out_.identity) ? "has an i= outside of its d=" : std::string();
  }

  static bool asks_dns(std::string_view methods) {
    std::string packed = lowered(without_space(methods));
    return (":" + packed + ":").find(":dns/txt:") != std::string::npos || packed == "dns";
  }
  bool under_domain(std::string_view identity) const {
    size_t at = identity.rfind('@');
    if (at == std::string_view::npos) return false;
    std::string domain = lowered(identity.substr(at + 1));
    return domain == out_.domain || domain.ends_with("." + out_.domain);
  }

  SignatureField kind_;
  std::vector<Tag> tags_;
  Signature& out_;
};

}  // namespace

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  size_t label = 0;
  for (char c : name) {
    bool dot = c == '.';
    bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (dot ? label == 0 : !fits || label == 63) return false;
    label = dot ? 0 : label + 1;
  }
  return label > 0;
}

Signature read_signature(SignatureField kind, std::string_view value) {
  Signature out;
  auto tags = value.size() <= kLongestValue ? parse_tags(value) : std::nullopt;
  if (!tags) {
    out.problem = value.size() > kLongestValue ? "is too long" : "is no list of tags";
    return out;
  }
  out.problem = Reader(kind, std::move(*tags), out).read();
  return out;
}

Field without_signature(const Field& field, std::string& storage) {
  std::string_view value = field.value;
  size_t cut = value.size(), end = value.size();
  for (size_t at = 0; at < value.size();) {
    size_t stop = std::min(value.find(';', at), value.size());
    size_t equal = value.find('=', at);
    if (equal < stop && without_space(value.substr(at, equal - at)) == "b") {
      cut = equal + 1;
      end = stop;
      break;
    }
    at = stop + 1;
  }
  const size_t head = field.whole.size() - value.size();
  storage.assign(field.whole.substr(0, head + cut));
  storage.append(value.substr(end));
  std::string_view whole = storage;
  return {whole.substr(0, field.name.size()), whole.substr(head), whole};
}

std::vector<const Field*> signed_fields(const HeaderBlock& block, const std::vector<std::string>& names) {
  std::unordered_map<std::string, std::vector<const Field*>> by_name;
  for (const std::string& name : names) by_name[lowered(name)];
  for (const Field& field : block.fields)
    if (auto place = by_name.find(lowered(field.name)); place != by_name.end()) place->second.push_back(&field);
  std::vector<const Field*> out;
  for (const std::string& name : names) {
    std::vector<const Field*>& left = by_name[lowered(name)];
    if (left.empty()) continue;
    out.push_back(left.back());
    left.pop_back();
  }
  return out;
}

}  // namespace mailauth
