// Arena: text that has to be made for a plugin to read it, with a NUL behind each. Addresses are stable until reset(), which keeps the first
// block for the next call. One thread at a time.
#pragma once

#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <veredus/types.h>

namespace veredus {

class Arena {
 public:
  vrd_str put(std::string_view text) {
    char* at = take(text.size() + 1);
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    at[text.size()] = '\0';
    return {at, text.size()};
  }
  void reset() {
    if (blocks_.size() > 1) blocks_.resize(1);
    used_ = 0;
  }

 private:
  static constexpr size_t kBlock = 4096;
  struct Block {
    std::unique_ptr<char[]> octets;
    size_t size;
  };

  char* take(size_t count) {
    if (blocks_.empty() || count > blocks_.back().size - used_) {
      size_t size = count > kBlock ? count : kBlock;
      blocks_.push_back({std::make_unique<char[]>(size), size});
      used_ = 0;
    }
    char* out = blocks_.back().octets.get() + used_;
    used_ += count;
    return out;
  }

  std::vector<Block> blocks_;
  size_t used_ = 0;
};

}  // namespace veredus
