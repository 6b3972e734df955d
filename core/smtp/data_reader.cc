// The scan works line by line with memchr, and hands out the longest run of octets that needs no change.
// Every octet is consumed at once; what must be remembered across calls is in the state, so the way the input
// is split makes no difference.
#include "smtp/data_reader.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace veredus {

namespace {

constexpr std::string_view kCrLf = "\r\n";
constexpr uint64_t kLeastPatience = 1'048'576;

bool has_high_bit(std::string_view octets) {
  const char* p = octets.data();
  size_t left = octets.size();
  uint64_t seen = 0;
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    seen |= word;
  }
  for (; left > 0; ++p, --left) seen |= static_cast<unsigned char>(*p);
  return (seen & 0x8080808080808080ull) != 0;
}

const char* find(const char* begin, char wanted, const char* end) {
  return static_cast<const char*>(std::memchr(begin, wanted, static_cast<size_t>(end - begin)));
}

}  // namespace

void DataReader::begin() {
  DataLimits limits = limits_;
  *this = DataReader(limits);
}

void DataReader::begin_dot() {
  begin();
}

void DataReader::begin_chunks() {
  begin();
  dots_ = false;
}

void DataReader::begin_chunk(uint64_t octets, bool last) {
  assert(!dots_ && chunk_left_ == 0);
  chunk_left_ = octets;
  last_chunk_ = last;
}

// A fixed order of importance, so that the answer does not depend on which was seen first.
DataProblem DataReader::problem() const {
  if (bare_) return DataProblem::bare_newline;
  if (nul_) return DataProblem::nul;
  if (size_ > limits_.message_size) return DataProblem::too_big;
  if (header_size_ > limits_.header_size) return DataProblem::header_too_big;
  return DataProblem::none;
}

DataPiece DataReader::next(std::string_view input) {
  if (header_ended_) {
    header_ended_ = false;
    if (problem() == DataProblem::none) return {Kind::headers_done, 0, {}};
  }
  if (at_ == At::ended) return {Kind::end, 0, {}};
  if (!dots_) {
    input = input.substr(0, std::min<uint64_t>(input.size(), chunk_left_));
    if (chunk_left_ == 0) return finish(0);
  }
  return scan(input, 0);
}

DataPiece DataReader::scan(std::string_view input, size_t from) {
  if (dots_ && from < input.size() && pass_dot(input, from)) return finish(from);
  if (from >= input.size()) {
    if (!dots_) chunk_left_ -= from;
    return {Kind::need_input, from, {}};
  }
  size_t stop = find_stop(input, from);
  if (!dots_) chunk_left_ -= stop;
  if (stop == from && line_feed_) {
    if (!dots_) --chunk_left_;
    return line_feed_as_crlf(stop + 1);
  }
  line_feed_ = false;
  return content(input.substr(from, stop - from), stop);
}

// Deals with a dot at the start of a line; true = the end of the data. Moves `from` past what is not content.
bool DataReader::pass_dot(std::string_view input, size_t& from) {
  if ((at_ == At::line_start || at_ == At::soft_start) && input[from] == '.') {
    at_ = at_ == At::line_start ? At::dot : At::line;
    if (++from == input.size()) return false;
  }
  if (at_ == At::dot) {
    if (limits_.local_lines && input[from] == '\n') return ++from, true;
    at_ = input[from] == '\r' ? At::dot_cr : At::line;
    if (at_ == At::line || ++from == input.size()) return false;
  }
  if (at_ != At::dot_cr) return false;
  if (input[from] == '\n') return ++from, true;
  bare_ = true;
  line_empty_ = false;
  at_ = At::line;
  return false;
}

// Goes over whole lines and returns where the run of unchanged octets ends.
size_t DataReader::find_stop(std::string_view input, size_t from) {
  const char* begin = input.data() + from;
  const char* end = input.data() + input.size();
  line_feed_ = false;
  for (const char* p = begin; p < end;) {
    if (dots_ && p > begin && (at_ == At::line_start || at_ == At::soft_start) && *p == '.')
      return static_cast<size_t>(p - input.data());
    const char* line_feed = find(p, '\n', end);
    if (!line_feed) {
      partial_line({p, static_cast<size_t>(end - p)});
      break;
    }
    if (!end_line(p, line_feed)) return static_cast<size_t>(line_feed - input.data());
    p = line_feed + 1;
    if (header_ended_) return static_cast<size_t>(p - input.data());
  }
  return input.size();
}

// One line up to its LF. false: the LF is bare and becomes CRLF, which is not done in place.
bool DataReader::end_line(const char* begin, const char* line_feed) {
  bool after_cr = line_feed > begin ? line_feed[-1] == '\r' : after_cr_;
  const char* text_end = line_feed > begin && after_cr ? line_feed - 1 : line_feed;
  if (text_end > begin) line_empty_ = false;
  if ((after_cr_ && line_feed > begin) || (text_end > begin && find(begin, '\r', text_end))) {
    bare_ = true;
    line_empty_ = false;
  }
  after_cr_ = false;
  if (!after_cr && (limits_.normalise || limits_.local_lines)) {
    at_ = At::line;
    line_feed_ = true;
    return false;
  }
  if (!after_cr) bare_ = true;
  ++lines_;
  // A bare LF starts no line: what follows it can be neither a stuffed dot nor the end.
  at_ = after_cr ? At::line_start : At::line;
  if (in_header_ && line_empty_ && after_cr) {
    in_header_ = false;
    header_ended_ = true;
  }
  line_empty_ = true;
  return true;
}

void DataReader::partial_line(std::string_view rest) {
  const char* end = rest.data() + rest.size();
  const char* cr = find(rest.data(), '\r', end);
  if (after_cr_ || (cr && cr != end - 1)) bare_ = true;
  if (after_cr_ || cr != rest.data()) line_empty_ = false;
  after_cr_ = rest.back() == '\r';
  at_ = At::line;
}

DataPiece DataReader::content(std::string_view octets, size_t consumed) {
  bool header = in_header_ || header_ended_;
  size_ += octets.size();
  if (header) header_size_ += octets.size();
  bool& high = header ? header_8bit_ : body_8bit_;
  high = high || has_high_bit(octets);
  nul_ = nul_ || std::memchr(octets.data(), 0, octets.size()) != nullptr;
  if (problem() == DataProblem::none) return {Kind::content, consumed, octets};
  uint64_t patience = limits_.message_size + std::max(limits_.message_size, kLeastPatience);
  if (dots_ && size_ > patience) return {Kind::too_much, consumed, {}};
  return {Kind::content, consumed, {}};
}

DataPiece DataReader::line_feed_as_crlf(size_t consumed) {
  line_feed_ = false;
  ++lines_;
  at_ = limits_.local_lines ? At::line_start : At::soft_start;
  if (in_header_ && line_empty_) {
    in_header_ = false;
    header_ended_ = true;
  }
  line_empty_ = true;
  return content(kCrLf, consumed);
}

// A message without an empty line is all header: that is told first, and the end by the next call.
DataPiece DataReader::finish(size_t consumed) {
  complete_ = dots_ || last_chunk_;
  if (!complete_) return {Kind::end, consumed, {}};
  bare_ = bare_ || after_cr_;
  after_cr_ = false;
  at_ = At::ended;
  bool all_header = in_header_ && problem() == DataProblem::none;
  in_header_ = false;
  return {all_header ? Kind::headers_done : Kind::end, consumed, {}};
}

}  // namespace veredus
