// Any octets as the files of a Postfix: no crash, one printable line a note, file names without a path, and whatever is written never
// relays for everyone. Files are parted by lines of "%%%": main.cf, master.cf, a map.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "migrate/migration.h"

namespace {

using namespace veredus;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<std::string> parts_of(std::string_view input) {
  constexpr std::string_view kPart = "%%%\n";
  std::vector<std::string> out;
  while (out.size() < 2) {
    size_t end = input.find(kPart);
    out.emplace_back(input.substr(0, end));
    if (end == std::string_view::npos) break;
    input.remove_prefix(end + kPart.size());
    if (out.size() == 2) out.emplace_back(input);
  }
  out.resize(3);
  return out;
}

void check_notes(const std::vector<migrate::Note>& notes) {
  for (const migrate::Note& note : notes)
    for (char c : migrate::note_line(note)) require(c >= 0x20 && c < 0x7f);
}

void check_files(const std::vector<migrate::OutputFile>& files) {
  std::vector<ConfigFile> fragments;
  for (const migrate::OutputFile& file : files) {
    require(!file.name.empty() && file.name.find('/') == std::string::npos && file.name.front() != '.');
    if (file.name.ends_with(".yaml")) fragments.push_back({"conf.d/" + file.name, file.text});
  }
  LoadOptions options(SystemNames{"host.test", ""});
  options.known_plugins = {"access", "auth-dovecot", "dnsbl", "local", "table-file"};
  ConfigResult result = parse_config(fragments, options);
  if (!result) return;
  require(!result.value().settings->allow_open_relay);
  for (const Network& network : result.value().settings->relay_networks) require(network.prefix >= 8);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace veredus;
  auto parts = parts_of({reinterpret_cast<const char*>(data), size});
  auto read = [&](const std::string& path) -> Result<std::string> { return path == "/p/main.cf" ? parts[0] : path == "/p/master.cf" ? parts[1] : parts[2]; };
  auto out = migrate::migrate_postfix("/p", "/new", "host.test", read);
  if (!out) return 0;
  check_notes(out->notes);
  check_files(out->files);
  return 0;
}
