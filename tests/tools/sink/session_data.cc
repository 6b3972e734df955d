// Message data of a sink session: DATA and BDAT, the end of the message, and what is said to it.
#include <algorithm>
#include <utility>

#include "common/measure.h"
#include "sink/session.h"

namespace veredus::tools {
namespace {

// Whether a client may take the faulty answer for a 250: then the message must not get lost here.
bool reads_as_taken(const Fault& fault) {
  using enum FaultKind;
  switch (fault.kind) {
    case kClose:
    case kReset:
    case kStall:
    case kGarbage:
    case kEndlessReply:
    case kEndlessLine:
    case kHalfLine:
    case kHalfLineStall:
      return false;
    case kCode:
      return fault.code >= 200 && fault.code < 300;
    default:
      return true;
  }
}

}  // namespace

void Session::take(std::string_view octets) {
  state_.store.append(arrival_, octets);
}

void Session::begin_content(bool chunked) {
  ++state_.counts.transactions;
  in_content_ = true;
  body_begun_ = false;
  arrival_.chunked = chunked;
  dot_reader_.start();
  state_.store.begin(arrival_);
}

std::size_t Session::consume_data(std::string_view input) {
  if (!std::exchange(body_begun_, true)) {
    const Fault* fault = state_.options.faults.strike(Stage::kBody);
    if (fault != nullptr) misbehave(*fault, 250, "taken before its end");
    close_after_flush_ |= fault != nullptr && fault->kind == FaultKind::kEarly;
    if (!socket_ || close_after_flush_ || pause_ != Pause::kNone) return input.size();
  }
  const auto progress = dot_reader_.feed(input, *this);
  if (progress.ended) content_ended();
  return progress.used;
}

std::size_t Session::consume_chunk(std::string_view input) {
  const auto here = std::min<std::uint64_t>(input.size(), chunk_left_);
  if (!chunk_failed_) take(input.substr(0, here));
  chunk_left_ -= here;
  if (chunk_left_ != 0) return here;
  mode_ = Mode::kCommand;
  if (chunk_failed_) {
    plain_reply(503, "5.5.1", "no valid recipients");
  } else if (chunk_last_) {
    content_ended();
  } else {
    reply(Stage::kBody, 250, "2.0.0", "Ok");
  }
  return here;
}

void Session::content_ended() {
  mode_ = Mode::kCommand;
  if (state_.options.delay_dot <= 0) return conclude();
  pause_ = Pause::kFinal;
  alarm_.call_back(key_, state_.options.delay_dot);
}

void Session::conclude() {
  auto& options = state_.options;
  const bool too_large = options.max_size != 0 && arrival_.size > options.max_size;
  if (too_large || options.faults.lies(FaultKind::kLieSize)) {
    const auto replies = options.lmtp ? arrival_.rcpts.size() : 1;
    for (std::size_t i = 0; i < replies; ++i) plain_reply(552, "5.3.4", "message too large");
  } else if (options.lmtp) {
    conclude_for_each();
  } else {
    conclude_for_all();
  }
  reset_transaction();
}

void Session::conclude_for_all() {
  if (!refuse(Stage::kDot)) accept(state_.options.faults.strike(Stage::kDot));
}

// LMTP: a reply for each recipient, each drawn by itself. Only those accepted are counted and stored.
void Session::conclude_for_each() {
  Arrival taken = std::move(arrival_);
  const auto rcpts = std::exchange(taken.rcpts, {});
  const auto rcpt_args = std::exchange(taken.rcpt_args, {});
  std::string replies;
  std::swap(replies, output_);
  for (std::size_t i = 0; i < rcpts.size(); ++i) {
    if (refuse(Stage::kDot)) continue;
    plain_reply(250, "2.0.0", "Ok <" + rcpts[i] + ">");
    taken.rcpts.push_back(rcpts[i]);
    taken.rcpt_args.push_back(rcpt_args[i]);
  }
  arrival_ = std::move(taken);
  std::swap(replies, output_);
  if (arrival_.rcpts.empty()) {
    output_ += replies;
    return;
  }
  const Fault* fault = state_.options.faults.strike(Stage::kDot);
  if (fault != nullptr) return misbehave(*fault, 250, "Ok");
  const auto id = load_id(arrival_);
  if (!state_.store.commit(arrival_)) return plain_reply(451, "4.3.0", "cannot store");
  state_.counts.arrived(arrival_, id, wall_seconds());
  state_.store.note(arrival_, id);
  ++messages_here_;
  output_ += replies;
}

void Session::accept(const Fault* fault) {
  const bool delivers = fault == nullptr || reads_as_taken(*fault);
  if (!delivers) return misbehave(*fault, 250, "Ok");
  const auto id = load_id(arrival_);
  if (!state_.store.commit(arrival_)) return plain_reply(451, "4.3.0", "cannot store");
  state_.counts.arrived(arrival_, id, wall_seconds());
  state_.store.note(arrival_, id);
  ++messages_here_;
  if (fault != nullptr) return misbehave(*fault, 250, "Ok");
  plain_reply(250, "2.0.0", "Ok: taken");
}

void Session::reset_transaction() {
  if (in_content_) state_.store.discard(arrival_);
  in_mail_ = in_content_ = false;
  arrival_.from.clear();
  arrival_.mail_args.clear();
  arrival_.rcpts.clear();
  arrival_.rcpt_args.clear();
  arrival_.header.clear();
  arrival_.size = 0;
  arrival_.file.reset();
  arrival_.file_name.clear();
  arrival_.file_failed = false;
}

}  // namespace veredus::tools
