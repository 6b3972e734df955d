// A header block always stays in memory, bounded by limits.header_size; after it a message that is large, or
// that comes while memory is short, goes to the spool piece by piece.
#include "inbound/octets.h"

#include <algorithm>

namespace veredus {

namespace {

constexpr size_t kPiece = 65'536;            // written to the spool at once
constexpr uint64_t kMostExpected = 262'144;  // a client's word is good for this much room

}  // namespace

bool Octets::must_spill(size_t more) {
  if (!header_ended_) return false;
  return memory_.size() + more > inline_size_ || !share_.grow_to(memory_.size() + more);
}

bool Octets::has_room_beside(size_t octets) { return spilled_ || share_.grow_to(memory_.size() + octets); }

bool Octets::append_now(std::string_view octets) {
  if (unwanted_ || !status_) return true;
  if (spilled_ ? memory_.size() + octets.size() > kPiece : must_spill(octets.size())) return false;
  if (!header_ended_ && !share_.grow_to(memory_.size() + octets.size())) {
    status_ = fail(Errc::no_space, "too many messages are being received at once");
    memory_ = {};
    share_.release();
    return true;
  }
  if (memory_.empty() && expected_ > octets.size())
    memory_.reserve(std::min({expected_, kMostExpected, inline_size_}));
  memory_.append(octets);
  return true;
}

Task<void> Octets::append(std::string octets) {
  if (!spilled_) {
    co_await spill(std::move(octets));
    co_return;
  }
  std::string piece = std::exchange(memory_, std::move(octets));
  co_await write(std::move(piece));
}

Task<void> Octets::spill(std::string octets) {
  Result<std::unique_ptr<BodyWriter>> writer = co_await context_.spool.create_body(context_.loop);
  spilled_ = true;
  ++context_.counters.spilled;
  if (!writer) {
    status_ = writer.error();
    drop();
    co_return;
  }
  writer_ = std::move(*writer);
  if (keep_header_) header_ = memory_.substr(0, header_size_);
  co_await write(std::exchange(memory_, {}));
  share_.release();
  size_t kept = header_.size() + kPiece + beside_;
  if (!share_.grow_to(kept) && keep_header_) status_ = fail(Errc::no_space, "no memory");
  co_await write(std::move(octets));
}

Task<void> Octets::write(std::string octets) {
  if (!status_ || unwanted_ || octets.empty()) co_return;
  Status written = co_await writer_->append(std::move(octets));
  if (written) co_return;
  status_ = written;
  drop();
}

void Octets::header_ends_here() {
  header_ended_ = true;
  header_size_ = memory_.size();
}

std::string_view Octets::header() const {
  return spilled_ ? std::string_view(header_) : std::string_view(memory_).substr(0, header_size_);
}

std::string_view Octets::kept_header(const Content& content) const {
  if (spilled_ || !content.memory) return header_;
  return std::string_view(*content.memory).substr(0, header_size_);
}

Task<Result<Content>> Octets::finish() {
  Content content;
  if (spilled_) {
    co_await write(std::exchange(memory_, {}));
    if (!status_) co_return status_.error();
    Result<std::shared_ptr<LargeBody>> file = co_await writer_->finish();
    if (!file) co_return file.error();
    content.file = std::move(*file);
    co_return content;
  }
  if (!status_) co_return status_.error();
  content.memory = std::make_shared<const std::string>(std::move(memory_));
  co_return content;
}

void Octets::drop() {
  unwanted_ = true;
  memory_ = {};
  writer_.reset();
  share_.release();
}

}  // namespace veredus
