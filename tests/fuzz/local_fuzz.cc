// Fuzz target: files of aliases, .forward files and lists, their expansion, and what plugin and helper say to each other. The first octet chooses.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "local/expand.h"
#include "local/wire.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const std::vector<local::Target>& targets) {
  using Kind = local::Target::Kind;
  require(targets.size() <= local::kMostTargets);
  for (const local::Target& one : targets) {
    require(one.text.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos);
    require(one.text.size() <= local::kLongestTarget);
    if (one.kind == Kind::address) require(local::is_address(one.text));
    if (one.kind == Kind::name) require(!one.text.empty() && one.text.find_first_of("@/") == std::string::npos);
    if (one.kind == Kind::file || one.kind == Kind::include) require(one.text.starts_with('/'));
    if (one.kind == Kind::file) require(one.text.find("/../") == std::string::npos);
    if (one.kind == Kind::pipe) require(!one.text.empty());
    if (one.kind == Kind::refuse) require(one.code >= 500 && one.code <= 599);
    if (one.kind == Kind::defer) require(one.code >= 400 && one.code <= 499);
  }
}

// Every name of the file is expanded; included files are the rest of the input.
void expand(std::string_view text) {
  size_t cut = std::min(text.find('\0'), text.size());
  std::string list(text.substr(std::min(cut + 1, text.size())));
  local::Aliases aliases = local::Aliases::parse(text.substr(0, cut));
  local::World world;
  world.alias = [&](const std::string& name, std::string* source) {
    const local::Alias* found = aliases.find(name);
    if (found) check(found->targets);
    if (found && source) *source = "/aliases";
    return found;
  };
  world.user = [](const std::string& name) {
    local::UserAnswer out;
    if (name.size() % 3 == 0) out.kind = local::UserAnswer::Kind::found;
    out.user.name = name;
    return out;
  };
  world.include = [&](const std::string&, std::string& out, std::string&) { return out = list, true; };
  world.is_local = [](std::string_view domain) { return domain == "h"; };
  world.most_items = 50;
  for (std::string_view name : {"a", "b", "root", "a+b", "list", "owner-list", "\"q\""}) {
    local::Expansion out = local::expand(name, world);
    require(out.items.size() <= world.most_items);
    for (const local::Item& item : out.items)
      if (item.kind == local::Item::Kind::pipe || item.kind == local::Item::Kind::file) require(item.source == "/aliases");
  }
}

void wire(std::string_view text) {
  auto fields = local::Fields::parse(text);
  if (!fields) return;
  require(local::Fields::parse(fields->text()).has_value());
  local::Report report = local::Report::take(*fields);
  require(report.smtp >= 200 && report.smtp <= 599 && report.enhanced[0] == report.smtp / 100);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: expand(text); break;
    case 1: check(local::parse_target_lines(text).targets); break;
    case 2: check(local::parse_targets(text).targets); break;
    default: wire(text);
  }
  return 0;
}
