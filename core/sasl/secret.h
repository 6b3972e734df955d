// Secret: a text that is overwritten when it goes or moves, also the short ones that a std::string keeps within itself.
#pragma once

#include <string>

#include "sasl/sasl.h"

namespace veredus {

class Secret {
 public:
  explicit Secret(std::string&& text) : text_(text) { wipe(text); }
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { wipe(other.text_); }
  Secret& operator=(Secret&&) = delete;
  ~Secret() { wipe(text_); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace veredus
