// Splitting at commas outside of quotes, then one target at a time.
#include "targets.h"

#include <algorithm>

namespace local {

namespace {

constexpr size_t kMostProblems = 100, kLongestLocal = 64, kLongestDomain = 255;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool istarts_with(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && lowered(text.substr(0, prefix.size())) == prefix;
}

// Where the next comma outside of quotes is; npos: nowhere.
size_t next_comma(std::string_view text, size_t from) {
  bool quoted = false;
  for (size_t i = from; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size())
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == ',' && !quoted)
      return i;
  }
  return text.npos;
}

bool is_atom(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
  });
}

bool each_part(std::string_view text, char separator, bool (*good)(std::string_view)) {
  for (;;) {
    size_t end = text.find(separator);
    if (!good(text.substr(0, end))) return false;
    if (end == text.npos) return true;
    text.remove_prefix(end + 1);
  }
}

bool is_quoted_local(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return false;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '"' || static_cast<unsigned char>(text[i]) < 0x20 || static_cast<unsigned char>(text[i]) > 0x7e) return false;
    if (text[i] == '\\' && ++i + 1 >= text.size()) return false;
  }
  return true;
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
         });
}

bool is_literal(std::string_view text) {
  return text.size() > 2 && text.front() == '[' && text.back() == ']' &&
         text.substr(1, text.size() - 2).find_first_not_of("0123456789abcdefABCDEFIPv:.") == text.npos;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// "Name <address>" is the address.
std::string_view without_phrase(std::string_view item) {
  size_t open = item.rfind('<');
  if (open == item.npos || item.back() != '>') return item;
  return trimmed(item.substr(open + 1, item.size() - open - 2));
}

Target target_of(Target::Kind kind, std::string_view text, uint16_t code = 0) {
  Target out;
  out.kind = kind;
  out.text = std::string(text);
  out.code = code;
  return out;
}

class Reader {
 public:
  TargetList out;

  void read(std::string_view text) {
    for (size_t at = 0; at < text.size() && out.targets.size() < kMostTargets;) {
      std::string_view rest = trimmed(text.substr(at));
      if (read_rest(rest)) return;
      size_t comma = next_comma(text, at);
      item(trimmed(text.substr(at, comma == text.npos ? comma : comma - at)));
      if (comma == text.npos) return;
      at = comma + 1;
    }
    if (out.targets.size() >= kMostTargets) problem("more than " + std::to_string(kMostTargets) + " targets");
  }

 private:
  void problem(const std::string& text) {
    if (out.problems.size() < kMostProblems) out.problems.push_back(text);
  }
  void add(Target target) { out.targets.push_back(std::move(target)); }

  // Words whose text goes to the end, commas and all.
  bool read_rest(std::string_view rest) {
    if (istarts_with(rest, ":fail:")) return reply(Target::Kind::refuse, 550, trimmed(rest.substr(6)));
    if (istarts_with(rest, ":defer:")) return reply(Target::Kind::defer, 451, trimmed(rest.substr(7)));
    return istarts_with(rest, "error:") && read_error(rest);
  }
  bool read_error(std::string_view rest) {
    std::string_view code = rest.substr(6, 3);
    bool digits = code.size() == 3 && std::all_of(code.begin(), code.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || (code[0] != '4' && code[0] != '5'))
      return problem("error: wants a code of 400 to 599, not '" + std::string(rest.substr(0, 40)) + "'"), true;
    auto number = static_cast<uint16_t>((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
    return reply(code[0] == '5' ? Target::Kind::refuse : Target::Kind::defer, number, trimmed(rest.substr(9)));
  }
  bool reply(Target::Kind kind, uint16_t code, std::string_view text) {
    std::string clean;
    for (char c : text.substr(0, 400)) clean += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e ? ' ' : c;
    add(target_of(kind, clean, code));
    return true;
  }

  void item(std::string_view text) {
    if (text.empty()) return;
    if (text.size() > kLongestTarget) return problem("a target of more than " + std::to_string(kLongestTarget) + " octets");
    if (text.find('\0') != text.npos || has_control(text)) return problem("a target with control characters");
    std::string plain = text.size() >= 2 && text.front() == '"' && text.back() == '"' ? unquoted(text) : std::string();
    bool special = !plain.empty() && (plain[0] == '|' || plain[0] == '/' || plain[0] == ':' || plain[0] == '\\');
    one(special ? trimmed(plain) : text);
  }
  void one(std::string_view text) {
    if (text.front() == '|') return command(trimmed(text.substr(1)));
    if (text.front() == '/') return file(text);
    if (text.front() == ':') return word(text);
    if (text.front() == '\\') return exact(text.substr(1));
    address(without_phrase(text));
  }
  void command(std::string_view text) {
    if (text.empty()) return problem("a | without a command");
    add(target_of(Target::Kind::pipe, text));
  }
  void file(std::string_view text) {
    if (text.find("/../") != text.npos || text.ends_with("/.."))
      return problem("a file with .. in its name: " + std::string(text.substr(0, 80)));
    add(target_of(Target::Kind::file, text));
  }
  void word(std::string_view text) {
    if (istarts_with(text, ":blackhole:")) return add(target_of(Target::Kind::blackhole, {}));
    if (!istarts_with(text, ":include:")) return problem("'" + std::string(text.substr(0, 40)) + "' means nothing here");
    std::string_view path = trimmed(text.substr(9));
    if (path.empty() || path.front() != '/') return problem(":include: wants an absolute path");
    add(target_of(Target::Kind::include, path));
  }
  void exact(std::string_view text) {
    size_t before = out.targets.size();
    if (text.empty()) return problem("a \\ without a name");
    address(text);
    if (out.targets.size() > before) out.targets.back().exact = true;
  }
  void address(std::string_view text) {
    if (is_address(text)) return add(target_of(Target::Kind::address, text));
    std::string name = unquoted(text);
    bool good = !name.empty() && name.size() <= kLongestLocal && name.find_first_of("@/ <>()") == name.npos && !has_control(name);
    if (!good) return problem("'" + std::string(text.substr(0, 80)) + "' is no address");
    add(target_of(Target::Kind::name, name));
  }
};

}  // namespace

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) out += text[text[i] == '\\' && i + 2 < text.size() ? ++i : i];
  return out;
}

bool is_address(std::string_view text) {
  size_t at = text.rfind('@');
  if (at == text.npos || at == 0 || at > kLongestLocal || text.size() - at - 1 > kLongestDomain) return false;
  std::string_view name = text.substr(0, at), domain = text.substr(at + 1);
  bool good_name = is_quoted_local(name) || each_part(name, '.', is_atom);
  return good_name && (is_literal(domain) || each_part(domain, '.', is_label));
}

TargetList parse_targets(std::string_view text) {
  Reader reader;
  reader.read(text);
  return std::move(reader.out);
}

TargetList parse_target_lines(std::string_view text) {
  Reader reader;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = trimmed(text.substr(0, end));
    if (!line.starts_with('#')) reader.read(line);
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return std::move(reader.out);
}

}  // namespace local
