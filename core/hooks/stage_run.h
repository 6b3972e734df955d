// What the runner knows of a stage while it asks: BodyPass, one chunk of a body on its way through the hooks of a stream stage, and
// StageProgress, how far the asking has come. Lives in the frame of whoever awaits the decision. [loop]
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hooks/hook.h"
#include "hooks/stage_table.h"

namespace veredus {

// What hooks have said for longer than one step, and the set that a session began with. One a session; one a message elsewhere.
struct HookState {
  HookState() = default;
  explicit HookState(std::shared_ptr<const HookSet> set) : hooks(std::move(set)) {}
  void end_transaction() {
    skip_transaction = false;
    begin_body();
  }
  void begin_body() { body_marks.clear(); }  // before the first chunk of another body

  std::shared_ptr<const HookSet> hooks;
  bool skip_transaction = false;
  bool skip_connection = false;
  std::vector<uint8_t> body_marks;  // what each hook of `body` has had of this body; kept by the runner
};

// Each hook is shown what those before it left, in pieces of at most kLongestChunk.
class BodyPass {
 public:
  enum Mark : uint8_t { kNothing = 0, kBegun = 1, kDone = 2 };  // done: it wants to see no more of this body

  void begin(std::string_view chunk, bool last) {
    data_ = chunk;
    last_ = last;
  }
  // The next piece for the current hook; false: it has seen all there is for it.
  bool show(Subject& subject, uint8_t mark) {
    if (mark == kDone || (shown_ ? at_ == data_.size() : data_.empty() && !last_)) return false;
    subject.chunk = data_.substr(at_, kLongestChunk);
    at_ += subject.chunk.size();
    subject.last = last_ && at_ == data_.size();
    return shown_ = true;
  }
  void put(std::string_view octets) { out_.append(octets); }
  void next_hook(bool rewrites) {
    if (rewrites && shown_) {
      out_.append(data_.substr(at_));
      owned_.swap(out_);
      out_.clear();
      data_ = owned_;
      replaced_ = true;
    }
    at_ = 0;
    shown_ = false;
  }
  bool replaced() const { return replaced_; }
  std::string take() { return std::move(owned_); }

 private:
  std::string_view data_;
  std::string owned_, out_;
  size_t at_ = 0;
  bool last_ = false, shown_ = false, replaced_ = false;
};

struct StageProgress {
  StageProgress(const StageInfo& stage, const Subject& shown, HookState& kept)
      : info(stage), subject(shown), state(kept), hooks(kept.hooks) {
    if (!stream()) return;
    state.body_marks.resize(hooks->at(info.stage).size());
    body.begin(shown.chunk, shown.last);
  }
  bool stream() const { return info.kind == StageKind::stream; }
  Hook& hook() const { return *hooks->at(info.stage)[next]; }
  bool over() const { return next == hooks->at(info.stage).size(); }

  const StageInfo& info;
  Subject subject;
  HookState& state;
  std::shared_ptr<const HookSet> hooks;
  size_t next = 0;  // which hook
  Decision decision;
  uint64_t began = 0, ended = 0;  // of the last call
  std::unique_ptr<PendingCall> pending;  // of the hook that answers later, and what it said already
  HookAnswer partial;
  BodyPass body;
};

}  // namespace veredus
