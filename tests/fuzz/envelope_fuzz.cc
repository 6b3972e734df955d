// Stored envelopes: any octets decode or are refused; what decoded is encoded to something that decodes to
// the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mail/envelope.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace veredus;
  auto envelope = decode_envelope(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!envelope) return 0;
  auto again = decode_envelope(encode_envelope(*envelope));
  if (!again || !(*again == *envelope)) std::abort();
  return 0;
}
