// Compression with bounds, over zlib. Any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace common {

std::string gzipped(std::string_view text);

// How much may come out, in all and for each octet that goes in once more than 1 MiB came out.
struct InflateLimits {
  size_t most = 64 << 20;
  size_t ratio = 500;
};
// Nothing: `problem` says why.
std::optional<std::string> gunzipped(std::string_view text, const InflateLimits& limits, std::string& problem);
std::optional<std::string> inflated(std::string_view raw, const InflateLimits& limits,
                                    std::string& problem);  // deflate without a frame, as in zip

}  // namespace common
