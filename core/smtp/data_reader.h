// DataReader: message octets out of a DATA or BDAT stream, without I/O and without copying. Finds the end,
// removes dot-stuffing, notes what is wrong or remarkable in the content: bare CR or LF, NUL, size, end of
// the header block, octets above 127. One for both commands, so that both obey the same rules. Belongs to one
// session.
#pragma once

#include <cstdint>
#include <string_view>

namespace veredus {

struct DataLimits {
  DataLimits() = default;
  uint64_t message_size = 52'428'800;
  uint64_t header_size = 1'048'576;
  bool normalise = false;    // a bare LF becomes CRLF; it never ends the data
  bool local_lines = false;  // LF ends a line like CRLF does, the final dot included (a dialogue on a pipe)
};

enum class DataProblem : uint8_t { none, bare_newline, nul, too_big, header_too_big };

struct DataPiece {
  enum class Kind : uint8_t { need_input, content, headers_done, end, too_much } kind = Kind::need_input;
  size_t consumed = 0;      // of the input given
  std::string_view octets;  // content: a view into the input, or a constant
};

class DataReader {
 public:
  DataReader() = default;
  explicit DataReader(DataLimits limits) : limits_(limits) {}

  void begin_dot();     // DATA: ends at CRLF.CRLF
  void begin_chunks();  // BDAT: chunks follow
  void begin_chunk(uint64_t octets, bool last);

  // `end` is the final dot, or the last octet of a chunk. `too_much`: a message that cannot be accepted goes
  // on and on; give up.
  DataPiece next(std::string_view input);

  bool message_complete() const { return complete_; }  // after `end`: was it the last?
  DataProblem problem() const;
  uint64_t size() const { return size_; }
  uint64_t header_size() const { return header_size_; }
  uint64_t lines() const { return lines_; }
  uint64_t chunk_left() const { return chunk_left_; }
  bool header_8bit() const { return header_8bit_; }
  bool body_8bit() const { return body_8bit_; }

 private:
  enum class At : uint8_t { line_start, soft_start, dot, dot_cr, line, ended };
  using Kind = DataPiece::Kind;

  void begin();
  DataPiece scan(std::string_view input, size_t from);
  bool pass_dot(std::string_view input, size_t& from);
  size_t find_stop(std::string_view input, size_t from);
  bool end_line(const char* begin, const char* line_feed);
  void partial_line(std::string_view rest);
  DataPiece content(std::string_view octets, size_t consumed);
  DataPiece line_feed_as_crlf(size_t consumed);
  DataPiece finish(size_t consumed);

  DataLimits limits_;
  bool dots_ = true;
  bool last_chunk_ = false;
  bool complete_ = false;
  uint64_t chunk_left_ = 0;

  At at_ = At::line_start;
  bool after_cr_ = false;   // the last octet was a CR
  bool line_empty_ = true;  // nothing but perhaps a CR in this line
  bool in_header_ = true;
  bool header_ended_ = false;  // to be told
  bool line_feed_ = false;     // find_stop stopped before a bare LF that becomes CRLF
  bool bare_ = false, nul_ = false, header_8bit_ = false, body_8bit_ = false;
  uint64_t size_ = 0, header_size_ = 0, lines_ = 0;
};

}  // namespace veredus
