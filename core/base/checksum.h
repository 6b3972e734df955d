// CRC-32 (the polynomial of zlib) over octets, hardware-assisted by libdeflate. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace veredus {

uint32_t crc32(std::string_view octets, uint32_t seed = 0);  // chain by passing the previous value as seed

}  // namespace veredus
