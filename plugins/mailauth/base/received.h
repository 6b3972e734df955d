// The message as the client sent it, which is what its signatures are about: plugins asked at earlier stages may have changed it since. Any
// thread, with a kept view.
#pragma once

#include <string>

#include <veredus/plugin.hpp>

namespace mailauth {

inline std::string received_header(const vrd::View& view) { return view.read_received(0, static_cast<size_t>(view.received_body_start())); }

// The octets of the body, piece by piece, each a std::string.
template <class Take>
void each_received_piece(const vrd::View& view, Take take) {
  constexpr size_t kPiece = 131'072;
  const uint64_t end = view.received_size();
  for (uint64_t at = view.received_body_start(); at < end;) {
    const std::string piece = view.read_received(at, kPiece);
    if (piece.empty()) throw vrd::Error(VRD_E_IO, "the message is shorter than it was");
    take(piece);
    at += piece.size();
  }
}

}  // namespace mailauth
