// at<&Settings::queue, &QueueSettings::retry>(): connects a table row with a member of any supported type.
// Used by the tables only.
#pragma once

#include <utility>

#include "config/codec.h"

namespace veredus::bind {

template <typename M>
struct MemberOf;
template <typename C, typename T>
struct MemberOf<T C::*> {
  using Owner = C;
  using Value = T;
};

template <auto First, auto... Rest>
struct Walk {
  using Owner = typename MemberOf<decltype(First)>::Owner;
  static auto& get(Owner& object) {
    if constexpr (sizeof...(Rest) == 0)
      return object.*First;
    else
      return Walk<Rest...>::get(object.*First);
  }
  using Value = std::remove_reference_t<decltype(get(std::declval<Owner&>()))>;

  static bool store(const Setting& s, const ConfigNode& node, ReadContext& c, void* object) {
    return Codec<Value>::read(s, node, c, get(*static_cast<Owner*>(object)));
  }
  static Json show(const Setting& s, const void* object) { return Codec<Value>::show(s, *member(object)); }
  static const void* address(const void* object) { return member(object); }

 private:
  static const Value* member(const void* object) {
    return &get(*const_cast<Owner*>(static_cast<const Owner*>(object)));
  }
};

template <auto... Path>
constexpr Member at() {
  return {&Walk<Path...>::store, &Walk<Path...>::show, &Walk<Path...>::address};
}

}  // namespace veredus::bind
