// Version 1 is a line of text, version 2 binary with lengths; both are bounded before anything is believed.
#include "inbound/proxy_header.h"

#include <algorithm>

#include "base/text.h"

namespace veredus {

namespace {

using Parsed = Result<std::optional<ProxyHeader>>;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kText("PROXY ");
constexpr size_t kLongestText = 107;
constexpr size_t kLongestBinary = 4096;  // after the fixed part; addresses and extensions
constexpr size_t kFixedPart = 16;

Error malformed() {
  return fail(Errc::invalid, "malformed PROXY header");
}

bool same_beginning(std::string_view input, std::string_view wanted) {
  return input.substr(0, wanted.size()) == wanted.substr(0, std::min(input.size(), wanted.size()));
}

// An IPv4 address may stand in IPv6 form when the other one is IPv6; it is kept as IPv4 all the same.
std::optional<Endpoint> endpoint_of(std::string_view address, std::string_view port, bool six) {
  auto ip = IpAddress::parse(address);
  auto number = parse_uint(port, 65535);
  if (!ip || !number || (address.find(':') != address.npos) != six) return std::nullopt;
  return Endpoint{*ip, static_cast<uint16_t>(*number)};
}

Parsed parse_text(std::string_view input) {
  size_t end = input.substr(0, kLongestText).find("\r\n");
  if (end == input.npos) {
    if (input.size() >= kLongestText) return malformed();
    return Parsed(std::nullopt);
  }
  ProxyHeader header;
  header.size = end + 2;
  auto words = split(input.substr(0, end), ' ');
  if (words.size() >= 2 && words[1] == "UNKNOWN") return Parsed(header);
  bool four = words.size() == 6 && words[1] == "TCP4";
  bool six = words.size() == 6 && words[1] == "TCP6";
  if (!four && !six) return malformed();
  auto source = endpoint_of(words[2], words[4], six);
  auto destination = endpoint_of(words[3], words[5], six);
  if (!source || !destination) return malformed();
  header.known = true;
  header.source = *source;
  header.destination = *destination;
  return Parsed(header);
}

unsigned octet(std::string_view input, size_t at) {
  return static_cast<unsigned char>(input[at]);
}

// IPv4-mapped addresses become IPv4, as everywhere.
IpAddress address_at(std::string_view input, size_t at, size_t size) {
  IpAddress ip;
  ip.family = size == 4 ? 4 : 6;
  for (size_t i = 0; i < size; ++i) ip.octets[i] = static_cast<uint8_t>(octet(input, at + i));
  return IpAddress::parse(ip.text()).value_or(ip);
}

uint16_t port_at(std::string_view input, size_t at) {
  return static_cast<uint16_t>(octet(input, at) << 8 | octet(input, at + 1));
}

Parsed parse_binary(std::string_view input) {
  if (input.size() < kFixedPart) return Parsed(std::nullopt);
  unsigned version = octet(input, 12) >> 4, command = octet(input, 12) & 15, family = octet(input, 13);
  size_t length = port_at(input, 14);
  if (version != 2 || command > 1 || length > kLongestBinary) return malformed();
  if (input.size() < kFixedPart + length) return Parsed(std::nullopt);
  ProxyHeader header;
  header.size = kFixedPart + length;
  size_t size = family == 0x11 ? 4 : family == 0x21 ? 16 : 0;
  if (command == 0 || size == 0) return Parsed(header);
  if (length < 2 * size + 4) return malformed();
  header.known = true;
  header.source = {address_at(input, kFixedPart, size), port_at(input, kFixedPart + 2 * size)};
  header.destination = {address_at(input, kFixedPart + size, size),
                        port_at(input, kFixedPart + 2 * size + 2)};
  return Parsed(header);
}

}  // namespace

Result<std::optional<ProxyHeader>> parse_proxy_header(std::string_view input) {
  if (input.empty()) return Parsed(std::nullopt);
  if (same_beginning(input, kSignature)) return parse_binary(input);
  if (same_beginning(input, kText)) return parse_text(input);
  return malformed();
}

}  // namespace veredus
