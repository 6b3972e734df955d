// Message data, by dot or in chunks: any cut of the same octets gives the same content, facts and end; the
// end is a real one.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "smtp/data_reader.h"

namespace {

using namespace veredus;

struct Outcome {
  std::string content;
  size_t used = 0;
  bool ended = false, gave_up = false, headers = false;
  DataProblem problem = DataProblem::none;
  uint64_t size = 0, lines = 0, header = 0;
};

void require(bool holds) {
  if (!holds) std::abort();
}

// Pieces of 1 + (seed-driven) octets; seed 0 = all at once.
size_t piece_size(uint32_t& seed, size_t left) {
  if (seed == 0) return left;
  seed = seed * 1664525u + 1013904223u;
  return std::min<size_t>(left, 1 + (seed >> 24) % 9);
}

void take(DataReader& reader, std::string_view input, uint32_t seed, Outcome& out) {
  size_t from = 0, to = 0;
  while (!out.ended && !out.gave_up) {
    DataPiece piece = reader.next(input.substr(from, to - from));
    require(piece.consumed <= to - from);
    from += piece.consumed;
    out.content += piece.octets;
    out.headers = out.headers || piece.kind == DataPiece::Kind::headers_done;
    out.ended = piece.kind == DataPiece::Kind::end;
    out.gave_up = piece.kind == DataPiece::Kind::too_much;
    if (piece.kind != DataPiece::Kind::need_input) continue;
    if (to == input.size()) break;
    to += piece_size(seed, input.size() - to);
  }
  out.used += from;
}

Outcome run(std::string_view input, uint8_t mode, uint32_t seed) {
  DataLimits limits;
  limits.message_size = mode & 1 ? 40 : 5000;
  limits.header_size = 30;
  limits.normalise = mode & 2;
  limits.local_lines = (mode & 12) == 12;
  DataReader reader(limits);
  Outcome out;
  if (mode & 4) {
    reader.begin_dot();
    take(reader, input, seed, out);
  } else {
    reader.begin_chunks();
    size_t half = input.size() / 2;
    reader.begin_chunk(half, false);
    take(reader, input.substr(0, half), seed, out);
    require(out.ended && out.used == half);
    out.ended = false;
    reader.begin_chunk(input.size() - half, true);
    take(reader, input.substr(half), seed, out);
    require(out.ended && out.used == input.size());
  }
  out.problem = reader.problem();
  out.size = reader.size();
  out.lines = reader.lines();
  out.header = reader.header_size();
  return out;
}

void check_end(const Outcome& out, std::string_view input, bool local) {
  if (!out.ended) return;
  std::string_view used = input.substr(0, out.used);
  if (local) return require(used.ends_with(".\r\n") || used.ends_with(".\n"));
  require(used == ".\r\n" || used.ends_with("\r\n.\r\n"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  uint8_t mode = data[0];
  Outcome whole = run(input, mode, 0);
  Outcome cut = run(input, mode, 1u + data[1]);
  require(whole.ended == cut.ended && whole.gave_up == cut.gave_up);
  if (whole.gave_up) return 0;
  require(whole.problem == cut.problem && whole.used == cut.used);
  if (mode & 4) check_end(whole, input, (mode & 12) == 12);
  if (whole.problem != DataProblem::none) return 0;
  require(whole.content == cut.content && whole.headers == cut.headers && whole.lines == cut.lines &&
          whole.header == cut.header);
  require(whole.size == whole.content.size());
  for (size_t at = 0; (at = whole.content.find('\n', at)) != std::string::npos; ++at)
    require(at > 0 && whole.content[at - 1] == '\r');
  return 0;
}
