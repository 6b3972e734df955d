// Addresses and DSN parameters: what is accepted has no controls, is put together from its parts, and
// survives its own encoding.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mail/address.h"
#include "mail/mailbox_list.h"
#include "mail/xtext.h"

using namespace veredus;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_clean(std::string_view text) {
  for (char c : text) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
}

void check_address(const Address& address) {
  check_clean(address.text());
  require(address.text().size() <= 254);
  require(Address::make(address.local(), address.domain()) == address);
  auto key = Address::parse(address.key());
  require(key.ok() && key->key() == address.key());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto address = Address::parse(text)) check_address(*address);
  std::string_view rest;
  if (auto path = parse_path(text, true, &rest); path && !path->empty()) check_address(*path);
  (void)parse_mailbox_list(text);
  if (auto envid = decode_envid(text)) {
    check_clean(*envid);
    require(*decode_xtext(encode_envid(*envid)) == *envid);
  }
  if (auto orcpt = decode_orcpt(text)) {
    check_clean(*orcpt);
    std::string ascii = encode_orcpt(*orcpt, false);
    auto again = decode_orcpt(ascii, false);
    require(ascii.size() > 500 || (again.ok() && *again == *orcpt));
  }
  return 0;
}
