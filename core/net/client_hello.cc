// Records are put together here; GnuTLS takes the hello apart.
#include "net/client_hello.h"

#include <gnutls/gnutls.h>

#include <string>

#include "base/text.h"

namespace veredus {

namespace {

constexpr size_t kRecordHead = 5, kHandshakeHead = 4, kLongestRecord = 16'384, kLongestHello = 65'536;
constexpr uint8_t kHandshake = 22, kClientHello = 1;
constexpr unsigned kServerName = 0, kAlpn = 16;

size_t number(std::string_view octets) {
  size_t out = 0;
  for (unsigned char octet : octets) out = out * 256 + octet;
  return out;
}

HelloRead in_state(HelloRead::State state) {
  HelloRead out;
  out.state = state;
  return out;
}

// RFC 6066 3: a list of names with a type, of which 0 is a host name.
std::string first_host_name(std::string_view list) {
  if (list.size() < 5 || list[2] != 0) return {};
  std::string_view name = list.substr(5);
  if (number(list.substr(3, 2)) > name.size()) return {};
  name = name.substr(0, number(list.substr(3, 2)));
  if (name.ends_with('.')) name.remove_suffix(1);
  bool plain = !name.empty() && name.size() <= 253;
  for (unsigned char c : name) plain &= c > ' ' && c < 127;
  return plain ? lowered(name) : std::string();
}

// RFC 7301 3.1: a list of names with their lengths.
std::vector<std::string> protocols(std::string_view list) {
  std::vector<std::string> out;
  if (list.size() < 2) return out;
  list.remove_prefix(2);
  while (!list.empty()) {
    size_t length = static_cast<unsigned char>(list[0]);
    if (length == 0 || length >= list.size()) break;
    out.emplace_back(list.substr(1, length));
    list.remove_prefix(1 + length);
  }
  return out;
}

int on_extension(void* context, unsigned type, const unsigned char* data, unsigned size) {
  auto& hello = *static_cast<TlsHello*>(context);
  std::string_view octets(reinterpret_cast<const char*>(data), size);
  if (type == kServerName) hello.sni = first_host_name(octets);
  if (type == kAlpn) hello.alpn = protocols(octets);
  return 0;
}

}  // namespace

HelloRead read_client_hello(std::string_view octets) {
  std::string message;
  for (;;) {
    if (octets.empty()) return in_state(HelloRead::State::incomplete);
    if (static_cast<uint8_t>(octets[0]) != kHandshake) return in_state(HelloRead::State::other);
    if (octets.size() < kRecordHead) return in_state(HelloRead::State::incomplete);
    size_t length = number(octets.substr(3, 2));
    if (octets[1] != 3 || length == 0 || length > kLongestRecord) return in_state(HelloRead::State::other);
    message.append(octets.substr(kRecordHead, length));
    if (!message.empty() && static_cast<uint8_t>(message[0]) != kClientHello) return in_state(HelloRead::State::other);
    size_t wanted = message.size() < kHandshakeHead ? kHandshakeHead : kHandshakeHead + number(std::string_view(message).substr(1, 3));
    if (wanted > kLongestHello) return in_state(HelloRead::State::other);
    if (message.size() >= wanted && message.size() >= kHandshakeHead) {
      message.resize(wanted);
      break;
    }
    if (octets.size() <= kRecordHead + length) return in_state(HelloRead::State::incomplete);
    octets.remove_prefix(kRecordHead + length);
  }
  HelloRead out = in_state(HelloRead::State::complete);
  gnutls_datum_t body{reinterpret_cast<unsigned char*>(message.data() + kHandshakeHead), static_cast<unsigned>(message.size() - kHandshakeHead)};
  if (gnutls_ext_raw_parse(&out.hello, &on_extension, &body, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO) < 0) out.state = HelloRead::State::other;
  return out;
}

}  // namespace veredus
