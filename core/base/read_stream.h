// What is left of a stream, read in pieces, so that a small file costs no more than itself. Any thread.
#pragma once

#include <algorithm>
#include <istream>
#include <string>

namespace veredus {

// At most `most` octets. The stream's state says why it ended.
inline std::string read_at_most(std::istream& in, size_t most) {
  std::string out;
  char piece[16'384];
  while (in && out.size() < most) {
    in.read(piece, static_cast<std::streamsize>(std::min(sizeof piece, most - out.size())));
    out.append(piece, static_cast<size_t>(in.gcount()));
  }
  return out;
}

}  // namespace veredus
