// What hooks of `body` are given is gathered beside the octets; what they may change is kept a second time, as it came, if somebody wants that.
#include "inbound/transaction.h"

namespace veredus {

void Transaction::expect(uint64_t octets) {
  declared_size = octets;
  stored_.expect(octets);
}

bool Transaction::gather(std::string_view octets) {
  if (chunk.size() + octets.size() > kLongestChunk || !stored_.has_room_beside(chunk.size() + octets.size())) return false;
  chunk.append(octets);
  return true;
}

void Transaction::stream(bool may_rewrite, bool keep_received) {
  streams = true;
  own_8bit = may_rewrite;
  stored_.use_beside(kLongestChunk);
  if (!may_rewrite || !keep_received) return;
  received_.emplace(context_, inline_size_, false);
  received_->append_now(stored_.header());
  received_->header_ends_here();
}

Task<void> Transaction::keep(std::string chunk_as_received) {
  if (!received_ || received_->append_now(chunk_as_received)) co_return;
  co_await received_->append(std::move(chunk_as_received));
}

Task<Result<Content>> Transaction::finish() {
  Result<Content> content = co_await stored_.finish();
  if (!content) co_return content;
  if (received_ && rewritten_body) {
    Result<Content> as_it_came = co_await received_->finish();
    if (!as_it_came) co_return as_it_came;
    original = AsReceived{std::move(*as_it_came), 0};
    original->body_start = received_->body_start(original->content);
  } else {
    original = AsReceived{*content, stored_.body_start(*content)};
  }
  received_.reset();
  co_return content;
}

void Transaction::drop() {
  streams = false;
  chunk = {};
  stored_.drop();
  received_.reset();
}

Reply storage_failure(const Error& error) {
  if (error.code == Errc::no_space || error.code == Errc::limit)
    return {452, {4, 3, 1}, {"Insufficient system storage, try again later"}};
  return {451, {4, 3, 0}, {"The message could not be stored, try again later"}};
}

}  // namespace veredus
