// Result<T>: a value or an Error. The only way expected failures travel in the core.
// Owns its value; no thread affinity.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace veredus {

enum class Errc : unsigned char {
  invalid,      // malformed input
  not_found,
  exists,
  timeout,
  cancelled,
  closed,       // the peer or the owner ended it
  io,           // the operating system said no; text has the reason
  no_space,     // disk or quota full
  refused,      // connection or permission refused
  limit,        // a configured bound was met
  corrupt,      // stored or received data fails its check
  busy,
  unsupported,
};

struct Error {
  Errc code = Errc::invalid;
  std::string text;
};

[[nodiscard]] inline Error fail(Errc code, std::string text) { return Error{code, std::move(text)}; }

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T& operator*() const& { return value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace veredus
