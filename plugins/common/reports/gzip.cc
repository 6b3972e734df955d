// Output is counted while it comes, so a bomb costs what the limits allow.
#include "common/reports/gzip.h"

#include <zlib.h>

#include <memory>

namespace common {

namespace {

constexpr int kGzip = 15 + 16, kRaw = -15;
constexpr size_t kFree = 1 << 20;  // so much may come out of anything

class Inflate {
 public:
  explicit Inflate(int window) { good_ = inflateInit2(&stream_, window) == Z_OK; }
  ~Inflate() {
    if (good_) inflateEnd(&stream_);
  }
  Inflate(const Inflate&) = delete;

  std::optional<std::string> run(std::string_view text, const InflateLimits& limits, std::string& problem) {
    if (!good_ || text.size() > UINT32_MAX) return problem = "it cannot be unpacked", std::nullopt;
    std::string out;
    auto buffer = std::make_unique<char[]>(kStep);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    int state = Z_OK;
    while (state == Z_OK) {
      stream_.next_out = reinterpret_cast<Bytef*>(buffer.get());
      stream_.avail_out = kStep;
      state = inflate(&stream_, Z_NO_FLUSH);
      out.append(buffer.get(), kStep - stream_.avail_out);
      if (out.size() > limits.most)
        return problem = "it is larger than " + std::to_string(limits.most >> 20) + " MiB when unpacked", std::nullopt;
      size_t used = text.size() - stream_.avail_in;
      if (out.size() > kFree && out.size() / limits.ratio > used)
        return problem = "it unpacks to more than " + std::to_string(limits.ratio) + " times its size, as no report does", std::nullopt;
    }
    if (state != Z_STREAM_END) return problem = "it is damaged: it cannot be unpacked to its end", std::nullopt;
    return out;
  }
  size_t left() const { return stream_.avail_in; }

 private:
  static constexpr uInt kStep = 64 * 1024;
  z_stream stream_{};
  bool good_ = false;
};

}  // namespace

std::string gzipped(std::string_view text) {
  z_stream stream{};
  if (text.size() > UINT32_MAX / 2 || deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return {};
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(done ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

std::optional<std::string> gunzipped(std::string_view text, const InflateLimits& limits, std::string& problem) {
  std::string whole;
  InflateLimits left = limits;
  for (size_t members = 0; members == 0 || (text.starts_with("\x1F\x8B") && members < 100); ++members) {
    Inflate one(kGzip);
    auto out = one.run(text, left, problem);
    if (!out) return std::nullopt;
    whole += *out;
    left.most -= out->size();
    text.remove_prefix(text.size() - one.left());
  }
  return whole;
}

std::optional<std::string> inflated(std::string_view raw, const InflateLimits& limits, std::string& problem) {
  return Inflate(kRaw).run(raw, limits, problem);
}

}  // namespace common
