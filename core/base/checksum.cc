// CRC-32 through libdeflate.
#include "base/checksum.h"

#include <libdeflate.h>

namespace veredus {

uint32_t crc32(std::string_view octets, uint32_t seed) {
  if (octets.empty()) return seed;  // libdeflate starts anew for a null pointer
  return libdeflate_crc32(seed, octets.data(), octets.size());
}

}  // namespace veredus
