// Fuzz target: rewritten senders of strangers, and addresses to rewrite. The first octet chooses. What is made must be read back as it was; what is
// read as good must be what this scheme makes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "srs/address.h"

namespace {

constexpr int64_t kNow = 1'700'000'000;
const srs::Scheme kScheme({"a secret of this target"}, 8, 21), kShort({"a secret of this target", "another one of sixteen"}, 4, 21);

void require(bool condition) {
  if (!condition) std::abort();
}

std::string folded(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

void read(std::string_view local) {
  srs::Back back = kScheme.read(local, kNow);
  require((back.reading == srs::Reading::good) == !back.address.empty());
  require(back.reading != srs::Reading::good);  // nobody guesses 40 bits
  kShort.read(local, kNow);
  require(srs::token_of(local).size() % 32 == 0);
  require(srs::unquoted(srs::quoted(srs::unquoted(local))) == srs::unquoted(local));
}

void make(std::string_view text) {
  size_t cut = std::min(text.find('\n'), text.size());
  std::string local(text.substr(0, cut)), domain(text.substr(std::min(cut + 1, text.size())));
  if (local.empty() || domain.empty() || domain.find('=') != domain.npos) return;  // no domain has one
  auto made = kScheme.made(local, domain, kNow);
  if (!made || srs::unquoted(local).empty()) return;
  require(made->size() <= 64);
  srs::Back back = kScheme.read(*made, kNow);
  require(back.reading == srs::Reading::good);
  bool first = srs::unquoted(*made).starts_with("SRS0=");
  if (first) require(back.address == srs::quoted(srs::unquoted(local)) + "@" + folded(domain));
  require(kShort.read(*made, kNow).reading == srs::Reading::good);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2) read(text);
  else make(text);
  return 0;
}
