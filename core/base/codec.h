// Octet encoding shared by spool records and control frames: little-endian integers and length-prefixed strings.
// Writer appends to a string; Reader never reads past its end and remembers that it tried. Any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace veredus {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <typename T>
  void integer(T value) {
    static_assert(std::is_integral_v<T>);
    for (size_t i = 0; i < sizeof(T); ++i) out_.push_back(static_cast<char>(value >> (8 * i)));
  }
  void u8(uint8_t v) { integer(v); }
  void u16(uint16_t v) { integer(v); }
  void u32(uint32_t v) { integer(v); }
  void u64(uint64_t v) { integer(v); }
  void i64(int64_t v) { integer(static_cast<uint64_t>(v)); }
  void text(std::string_view v) {
    u32(static_cast<uint32_t>(v.size()));
    out_.append(v);
  }

 private:
  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  template <typename T>
  T integer() {
    static_assert(std::is_unsigned_v<T>);
    if (in_.size() < sizeof(T)) return spoil<T>();
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(T{static_cast<unsigned char>(in_[i])} << (8 * i));
    in_.remove_prefix(sizeof(T));
    return value;
  }
  uint8_t u8() { return integer<uint8_t>(); }
  uint16_t u16() { return integer<uint16_t>(); }
  uint32_t u32() { return integer<uint32_t>(); }
  uint64_t u64() { return integer<uint64_t>(); }
  int64_t i64() { return static_cast<int64_t>(u64()); }
  std::string_view text() { return octets(u32()); }
  std::string_view octets(size_t count) {
    if (in_.size() < count) return spoil<std::string_view>();
    std::string_view out = in_.substr(0, count);
    in_.remove_prefix(count);
    return out;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return in_.empty(); }
  size_t left() const { return in_.size(); }

 private:
  template <typename T>
  T spoil() {
    ok_ = false;
    in_ = {};
    return T{};
  }

  std::string_view in_;
  bool ok_ = true;
};

}  // namespace veredus
