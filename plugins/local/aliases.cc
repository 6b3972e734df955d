// Lines, names, values.
#include "aliases.h"

namespace local {

namespace {

constexpr size_t kMostProblems = 100, kLongestName = 255;

// The end of the name: a colon outside of quotes.
size_t colon_of(std::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted) ++i;
    else if (text[i] == '"') quoted = !quoted;
    else if (text[i] == ':' && !quoted) return i;
  }
  return text.npos;
}

}  // namespace

Aliases Aliases::parse(std::string_view text) {
  Aliases out;
  std::string entry;
  unsigned line = 0, began = 0;
  while (!text.empty()) {
    ++line;
    size_t end = text.find('\n');
    std::string_view one = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    std::string_view content = trimmed(one);
    if (content.empty() || content.front() == '#') continue;
    bool continues = one.front() == ' ' || one.front() == '\t';
    if (continues && began == 0) {
      out.problem(line, "begins with a space, but continues nothing");
      continue;
    }
    if (!continues) {
      if (began != 0) out.add(entry, began);
      entry.clear();
      began = line;
    }
    entry.append(continues ? " " : "").append(content);
  }
  if (began != 0) out.add(entry, began);
  return out;
}

void Aliases::add(std::string_view text, unsigned line) {
  size_t colon = colon_of(text);
  if (colon == text.npos) return problem(line, "there is no ':' after the name");
  std::string name = lowered(unquoted(trimmed(text.substr(0, colon))));
  if (name.empty() || name.size() > kLongestName) return problem(line, "the name is empty or too long");
  TargetList list = parse_targets(text.substr(colon + 1));
  for (const std::string& one : list.problems) problem(line, one);
  if (list.targets.empty()) return problem(line, "'" + name + "' leads nowhere");
  auto [place, fresh] = entries_.try_emplace(std::move(name), Alias{std::move(list.targets), line});
  if (!fresh) problem(line, "'" + place->first + "' is given twice; line " + std::to_string(place->second.line) + " holds");
}

void Aliases::problem(unsigned line, const std::string& text) {
  if (problems_.size() < kMostProblems) problems_.push_back("line " + std::to_string(line) + ": " + text);
}

bool Aliases::names(Target::Kind kind, std::string_view text) const {
  for (const auto& [name, alias] : entries_)
    for (const Target& target : alias.targets)
      if (target.kind == kind && target.text == text) return true;
  return false;
}

const Alias* Aliases::find(const std::string& name) const {
  auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace local
