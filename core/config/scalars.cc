// Single values: parsing against a row, and the words errors and the manual use for types.
#include "config/scalars.h"

#include <algorithm>

#include "base/text.h"
#include "base/units.h"

namespace veredus {

namespace {

struct TypeWords {
  Type type;
  std::string_view one;
  std::string_view many;
  std::string_view example;
};

constexpr TypeWords kTypeWords[] = {
    {Type::text, "a text", "texts", "word"},
    {Type::name, "a name", "names", "bulk-1"},
    {Type::boolean, "a boolean", "booleans", "true"},
    {Type::integer, "a number", "numbers", "20"},
    {Type::percent, "a percentage", "percentages", "10"},
    {Type::duration, "a duration", "durations", "30s, 5m, 4h or 5d"},
    {Type::size, "a size", "sizes", "512KiB, 25MiB or 1048576"},
    {Type::ip, "an IP address", "IP addresses", "192.0.2.1 or 2001:db8::1"},
    {Type::endpoint, "an address with port", "addresses with port", "127.0.0.1:25 or [::1]:25"},
    {Type::network, "a network", "networks", "192.0.2.0/24, 2001:db8::/32 or loopback"},
    {Type::pattern, "a domain pattern", "domain patterns", "a.test, .a.test or *"},
    {Type::domain, "a domain name", "domain names", "mx.example.test"},
    {Type::address, "a mail address", "mail addresses", "postmaster@example.test"},
    {Type::path, "an absolute path", "absolute paths", "/var/spool/veredus"},
    {Type::mode, "permissions in octal", "permissions in octal", "0660"},
    {Type::choice, "a word of a list", "words of a list", ""},
    {Type::next_hop, "a next hop", "next hops",
     "mx, mx:example.test, smtp://host:25, lmtp://host:24, lmtp:///path, plugin:NAME or plugin:NAME/ARGUMENT"},
    {Type::record, "a mapping", "mappings", "{ key: value }"},
};

const TypeWords& words_of(Type type) {
  return *std::find_if(std::begin(kTypeWords), std::end(kTypeWords),
                       [type](const TypeWords& w) { return w.type == type; });
}

Error misfit(const Setting& setting, std::string_view text) {
  return fail(Errc::invalid, in_quotes(text) + " is not " + std::string(type_name(setting.type)) +
                                 " (write it like " + std::string(type_example(setting.type)) + ")");
}

Error out_of_range(const Setting& setting, std::string_view text) {
  return fail(Errc::invalid, in_quotes(text) + " is out of range (" + std::string(setting.low) + " to " +
                                 std::string(setting.high) + ")");
}

std::optional<uint64_t> parse_number(Type type, std::string_view text) {
  if (type == Type::size) return parse_size(text);
  return parse_uint(text);
}

// Bounds are written in the row as the value is; a row without bounds has none.
template <typename Value, typename Parse>
Status read_bounded(const Setting& setting, std::string_view text, Value& out, Parse parse) {
  auto value = parse(text);
  if (!value) return misfit(setting, text);
  bool low = !setting.low.empty() && *value < *parse(setting.low);
  bool high = !setting.high.empty() && *value > *parse(setting.high);
  if (low || high) return out_of_range(setting, text);
  out = static_cast<Value>(*value);
  return {};
}

template <typename T>
Status read_unsigned(const Setting& setting, std::string_view text, T& out) {
  return read_bounded(setting, text, out, [&](std::string_view t) { return parse_number(setting.type, t); });
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

bool is_local_part(std::string_view text) {
  constexpr std::string_view kSpecials = "!#$%&'*+-/=?^_`{|}~.";
  if (text.empty() || text.size() > 64 || text.front() == '.' || text.back() == '.') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           kSpecials.find(c) != std::string_view::npos;
  });
}

bool is_address(std::string_view text) {
  size_t at = text.rfind('@');
  return at != std::string_view::npos && is_local_part(text.substr(0, at)) &&
         is_domain(lowered(text.substr(at + 1)));
}

bool is_path(std::string_view text) {
  return text.starts_with('/') && text.size() <= 1024 && printable(text, 2000) == text;
}

bool is_mode(std::string_view text) {
  if (text.starts_with('0') && text.size() == 4) text.remove_prefix(1);
  return text.size() == 3 && text.find_first_not_of("01234567") == std::string_view::npos;
}

// True when the text fits; lower-cases what is compared without case.
bool normalise_text(Type type, std::string& text) {
  switch (type) {
    case Type::pattern:
      text = lowered(text);
      return is_pattern(text);
    case Type::domain:
      text = lowered(text);
      return is_domain(text);
    case Type::name:
      return is_name(text);
    case Type::address:
      return is_address(text);
    case Type::path:
      return is_path(text);
    case Type::mode:
      return is_mode(text);
    default:
      return !text.empty();
  }
}

}  // namespace

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  auto labels = split(text, '.');
  return std::all_of(labels.begin(), labels.end(), is_label);
}

bool is_pattern(std::string_view text) {
  if (text == "*") return true;
  return is_domain(text.starts_with('.') ? text.substr(1) : text);
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

std::string_view type_name(Type type) {
  return words_of(type).one;
}

std::string_view type_example(Type type) {
  return words_of(type).example;
}

std::string type_hint(const Setting& setting) {
  const TypeWords& words = words_of(setting.type);
  std::string out;
  switch (setting.shape) {
    case Shape::one:
      out = words.one;
      break;
    case Shape::list:
      out = "a list of " + std::string(words.many);
      break;
    case Shape::hops:
      out = "a list of next hops, of which an entry may be a list itself";
      break;
    case Shape::records:
      out = "a list of mappings";
      break;
    case Shape::table:
      out = setting.type == Type::record ? "a mapping of names to mappings" : "a mapping of names to lists";
      break;
  }
  if (setting.type == Type::choice) {
    out = setting.shape == Shape::list ? "a list out of " : "";
    for (std::string_view choice : setting.choices)
      out += std::string(choice) + (choice == setting.choices.back() ? "" : ", ");
  }
  if (!setting.low.empty()) out += ", " + std::string(setting.low) + " to " + std::string(setting.high);
  return out;
}

Status read_choice(const Setting& setting, std::string_view text, size_t& index) {
  std::vector<std::string> names(setting.choices.begin(), setting.choices.end());
  auto found = std::find(names.begin(), names.end(), text);
  index = static_cast<size_t>(found - names.begin());
  if (found != names.end()) return {};
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return fail(Errc::invalid, in_quotes(text) + " is not one of " + all + did_you_mean(text, names));
}

Status read_scalar(const Setting& setting, std::string_view text, std::string& out) {
  size_t index = 0;
  if (setting.type == Type::choice)
    if (Status status = read_choice(setting, text, index); !status) return status;
  std::string value(text);
  if (!normalise_text(setting.type, value)) return misfit(setting, text);
  out = std::move(value);
  return {};
}

Status read_scalar(const Setting& setting, std::string_view text, bool& out) {
  if (setting.type == Type::choice) {
    size_t index = 0;
    Status status = read_choice(setting, text, index);
    if (status) out = index == 1;
    return status;
  }
  bool yes = text == "true" || text == "yes" || text == "on";
  if (!yes && text != "false" && text != "no" && text != "off")
    return fail(Errc::invalid, in_quotes(text) + " is not a boolean (write true or false)");
  out = yes;
  return {};
}

Status read_scalar(const Setting& setting, std::string_view text, uint64_t& out) {
  return read_unsigned(setting, text, out);
}

Status read_scalar(const Setting& setting, std::string_view text, uint32_t& out) {
  return read_unsigned(setting, text, out);
}

Status read_scalar(const Setting& setting, std::string_view text, uint16_t& out) {
  return read_unsigned(setting, text, out);
}

Status read_scalar(const Setting& setting, std::string_view text, Millis& out) {
  return read_bounded(setting, text, out, [](std::string_view t) { return parse_duration(t); });
}

Status read_scalar(const Setting& setting, std::string_view text, IpAddress& out) {
  auto value = IpAddress::parse(text);
  if (!value) return misfit(setting, text);
  out = *value;
  return {};
}

Status read_scalar(const Setting& setting, std::string_view text, Endpoint& out) {
  auto value = Endpoint::parse(text, static_cast<uint16_t>(setting.default_port));
  if (!value) return misfit(setting, text);
  if (value->port == 0)
    return fail(Errc::invalid, in_quotes(text) + " has no port (write it like 127.0.0.1:25)");
  out = *value;
  return {};
}

Status read_scalar(const Setting& setting, std::string_view text, Network& out) {
  auto value = Network::parse(text);
  if (value) {
    out = *value;
    return {};
  }
  size_t slash = text.find('/');
  auto width = parse_uint(slash == std::string_view::npos ? "" : text.substr(slash + 1), 128);
  auto ip = IpAddress::parse(text.substr(0, slash));
  if (!ip || !width || *width > (ip->family == 4 ? 32u : 128u)) return misfit(setting, text);
  return fail(Errc::invalid, in_quotes(text) + " is not a network: bits after the first " +
                                 std::to_string(*width) + " are set");
}

Status read_scalar(const Setting& setting, std::string_view text, NextHop& out) {
  auto value = NextHop::parse(text);
  if (!value) return misfit(setting, text);
  out = *value;
  return {};
}

std::string show_number(const Setting&, uint64_t value) {
  return format_size(value);
}

}  // namespace veredus
