// Tables of networks: the longest prefix wins. IPv4 addresses are kept as IPv6 ones (::ffff:0:0/96), one sorted list a prefix length.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <vector>

#include "kinds.h"
#include "lines.h"

namespace table {

namespace {

using Address = std::array<uint8_t, 16>;
constexpr unsigned kMapped = 96;  // prefix bits in front of an IPv4 address

// An address and how many bits of it there are; false when it is none.
bool parse_address(const std::string& text, Address& out, unsigned& bits) {
  in_addr four{};
  in6_addr six{};
  out = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (inet_pton(AF_INET, text.c_str(), &four) == 1) {
    std::copy_n(reinterpret_cast<const uint8_t*>(&four), 4, out.begin() + 12);
    bits = 32;
    return true;
  }
  bits = 128;
  if (inet_pton(AF_INET6, text.c_str(), &six) != 1) return false;
  std::copy_n(six.s6_addr, 16, out.begin());
  return true;
}

Address masked(Address address, unsigned prefix) {
  for (unsigned bit = prefix; bit < 128; ++bit) address[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
  return address;
}

struct Row {
  Address network;
  std::string value;
};

class CidrTable final : public Table {
 public:
  std::string add(const Line& line) {
    std::string name = line.key.substr(0, line.key.find('/'));
    Address address;
    unsigned bits = 0, prefix = 0;
    if (!parse_address(name, address, bits)) return "'" + line.key + "' is not an address or network";
    prefix = bits;
    if (name.size() < line.key.size()) {
      const char* end = line.key.data() + line.key.size();
      auto [at, error] = std::from_chars(line.key.data() + name.size() + 1, end, prefix);
      if (error != std::errc() || at != end || prefix > bits) return "'" + line.key + "' has no prefix length of 0 to " + std::to_string(bits);
    }
    if (bits == 32) prefix += kMapped;
    if (masked(address, prefix) != address) return "'" + line.key + "' has bits behind its prefix";
    rows_[prefix].push_back({address, line.value});
    return {};
  }
  void finish() {
    for (auto& [prefix, rows] : rows_) {
      std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.network < b.network; });
      auto end = std::unique(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.network == b.network; });
      repeated += static_cast<size_t>(rows.end() - end);
      rows.erase(end, rows.end());
      size_ += rows.size();
    }
  }
  std::optional<std::string> find(std::string_view key) const override {
    Address address;
    unsigned bits = 0;
    if (!parse_address(std::string(key), address, bits)) return std::nullopt;
    for (const auto& [prefix, rows] : rows_) {
      Address network = masked(address, prefix);
      auto at = std::lower_bound(rows.begin(), rows.end(), network, [](const Row& row, const Address& wanted) { return row.network < wanted; });
      if (at != rows.end() && at->network == network) return at->value;
    }
    return std::nullopt;
  }
  size_t size() const override { return size_; }

 private:
  std::map<unsigned, std::vector<Row>, std::greater<>> rows_;  // longest prefix first
  size_t size_ = 0;
};

}  // namespace

std::shared_ptr<Table> make_cidr(const Options&, std::string_view text, std::string& error) {
  auto out = std::make_shared<CidrTable>();
  error = each_line(text, [&](Line& line) { return out->add(line); });
  out->finish();
  return out;
}

}  // namespace table
