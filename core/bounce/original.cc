// The octets of a message are its head and what follows in memory or in a file; here they are put together up to a bound.
#include "bounce/original.h"

#include <algorithm>

#include "mail/headers.h"

namespace veredus {

namespace {

constexpr size_t kPiece = 65'536;

bool may_return_body(const DsnReport& report) {
  DsnReport sized;
  sized.recipients = report.recipients;
  sized.ret = report.ret;
  sized.original_size = report.original_size;
  return returns_body(sized);
}

// Behind the empty line, or npos when it has not come yet.
size_t header_end(std::string_view octets) {
  if (octets.starts_with("\r\n")) return 2;
  size_t end = octets.find("\r\n\r\n");
  return end == std::string_view::npos ? end : end + 4;
}

void cut_at_line(std::string& header) {
  if (header.size() <= kReturnedHeader) return;
  size_t end = header.rfind("\r\n", kReturnedHeader - 2);
  header.resize(end == std::string::npos ? kReturnedHeader : end + 2);
}

}  // namespace

Task<Result<DsnReport>> with_original(Loop& loop, Spool& spool, std::shared_ptr<const Message> message, DsnReport report) {
  const Content& content = message->content;
  report.original_size = content.size();
  bool whole = may_return_body(report);
  std::string octets = content.head;
  uint64_t end = content.memory ? content.memory->size() : content.file ? content.file->size() : 0;
  for (uint64_t at = content.skip; at < end;) {
    bool enough = header_end(octets) != std::string::npos || octets.size() > kReturnedHeader;
    if (enough && !whole) break;
    auto count = static_cast<size_t>(std::min<uint64_t>(kPiece, end - at));
    if (content.memory) {
      octets.append(*content.memory, at, count);
    } else {
      Result<std::string> piece = co_await spool.read_body(loop, content.file, at, count);
      if (!piece) co_return piece.error();
      if (piece->empty()) co_return fail(Errc::corrupt, "the stored body is shorter than it should be");
      octets += *piece;
      count = piece->size();
    }
    at += count;
  }
  size_t split = std::min(header_end(octets), octets.size());
  if (whole) report.original_body = octets.substr(split);
  octets.resize(split);
  cut_at_line(octets);
  report.original_header = std::move(octets);
  co_return report;
}

}  // namespace veredus
