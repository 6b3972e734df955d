// The stream that export writes and import reads: a magic line, then per message a checked front (envelope, results) and its octets
// in checked pieces. Values and a reader over a callback.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "mail/envelope.h"
#include "spool/record.h"

namespace veredus::spool_detail {

constexpr std::string_view kExportMagic = "veredus-export 1\n";
constexpr size_t kExportPiece = 256 << 10;

struct ExportFront {
  std::string envelope;  // encoded
  std::string states;    // as in a moved record
};

std::string encode_front(const ExportFront& front);
std::string encode_piece(std::string_view octets);  // none: the end of the message
std::string encode_end(uint64_t messages);

class ExportReader {
 public:
  explicit ExportReader(std::function<Result<std::string>(size_t)> read) : read_(std::move(read)) {}
  Status magic();
  Result<std::optional<ExportFront>> front();  // nothing: the end of the stream, as it was written
  Result<std::string> piece();                 // empty: the end of the message

 private:
  Result<std::string> exactly(size_t count);
  std::function<Result<std::string>(size_t)> read_;
  std::string buffered_;
};

}  // namespace veredus::spool_detail
