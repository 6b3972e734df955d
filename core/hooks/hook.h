// Hook: what is called at a stage; the plugin host adapts C hooks to it, tests and the core write their own. HookCall: what one call may
// look at and do, valid until the call returns. HookView: an owned, frozen picture of it for later and for other threads.
// Hooks are called on the loop they were made for.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hooks/hook_stats.h"
#include "hooks/hooks.h"
#include "hooks/pending.h"
#include "hooks/stage_table.h"

namespace veredus {

struct HookInfo {
  HookInfo() = default;
  std::string plugin;     // shown in logs and as the rule; "NAME" or "NAME/INSTANCE"
  unsigned fragment = 0;  // NN of the fragment; the first sort key
  int32_t order = 0;      // the second
  Stage stage = Stage::connect;
  uint32_t may = 0;    // bits of Right
  uint32_t needs = 0;  // bits of Need
  FaultPolicy on_fault = FaultPolicy::tempfail;
  uint32_t timeout_ms = 0;  // the operator's cap on every deferral of this hook; 0 = none
};

class HookView {
 public:
  HookView(Stage stage, const Subject& subject, std::span<const Edit> earlier = {});
  Stage stage() const { return stage_; }
  Subject subject() const;

 private:
  Stage stage_;
  std::optional<Origin> origin_;
  std::optional<Envelope> envelope_;
  std::optional<Content> content_;
  std::optional<AsReceived> original_;
  std::optional<Recipient> recipient_;
  std::optional<Reply> reply_;
  uint32_t recipient_index_;
  std::string destination_, remote_, state_, header_, chunk_;
  std::optional<OutboundTls> outbound_tls_;
  uint32_t attempts_;
  uint64_t declared_size_;
  bool last_;
  Notes connection_notes_;
  std::vector<AuthResult> auth_results_;
};

class Hook;

class HookCall {
 public:
  static constexpr size_t kMostEmitted = 16 << 20;  // by one call
  HookCall(PendingTable& table, const HookInfo& info, const Subject& subject, std::span<const Edit> earlier, bool may_defer)
      : table_(table), info_(&info), subject_(subject), earlier_(earlier), may_defer_(may_defer) {}
  HookCall(const HookCall&) = delete;

  Stage stage() const { return info_->stage; }
  const Subject& subject() const { return subject_; }
  std::span<const Edit> earlier() const { return earlier_; }  // what hooks before this one want changed at this stage
  std::vector<Edit>& edits() { return edits_; }
  std::shared_ptr<const HookView> view();
  // A token to complete later, from any thread; the hook then returns Action::pending. 0: not at this stage, no time-out, or twice.
  // The time-out is the smaller one of this and the operator's.
  PendingToken defer(Millis timeout);
  PendingTable& table() { return table_; }  // where the token is completed
  // At `body`: octets in place of the chunk, for later hooks and for storage; a hook with the right that emits nothing takes the chunk
  // away. Without the right, at another stage, or out of bounds it is a fault.
  void emit(std::string_view octets);

  // The runner's.
  void pass_to(const HookInfo& next) { info_ = &next; }  // after a plain call, the same for the next hook of the stage
  bool plain() const { return edits_.empty() && emitted_.empty() && emit_problem_.empty() && !pending_; }
  std::unique_ptr<PendingCall> take_pending() { return std::move(pending_); }
  std::string take_emitted() { return std::move(emitted_); }
  std::string_view emit_problem() const { return emit_problem_; }

 private:
  PendingTable& table_;
  const HookInfo* info_;
  const Subject& subject_;
  std::span<const Edit> earlier_;
  bool may_defer_;
  std::string_view emit_problem_;
  std::vector<Edit> edits_;
  std::unique_ptr<PendingCall> pending_;  // made when somebody defers
  std::shared_ptr<const HookView> view_;
  std::string emitted_;
};

// The hooks of a stage, asked in a row for as long as they answer `next` and nothing else, which most of them do most of the time.
struct HookRow {
  std::span<const std::shared_ptr<Hook>> hooks;
  HookCall& call;
  uint64_t quick, slow;      // ticks: below the first a call is counted by QuickCounters, above the second the runner has to say so
  bool uniform;              // all hooks of this stage are of one class
  size_t at = 0;             // whose turn it is
  uint64_t ended;            // ticks: when the call before it ended
  std::optional<Verdict> said{};  // of the hook `at`, when that is more than `next`, or was slow; its call is not counted yet
};

class Hook {
 public:
  explicit Hook(HookInfo info) : info_(std::move(info)) {}
  virtual ~Hook() = default;

  const HookInfo& info() const { return info_; }
  virtual Verdict call(HookCall& call) = 0;
  // Asks this hook and, if the row is uniform, those behind it, until one says something, and counts the calls before that.
  virtual void ask_row(HookRow& row) { row.said = call(row.call); }
  virtual void cancel(PendingToken) {}  // once, when the session or the transaction went away first
  virtual HookStats snapshot() const { return counters_.snapshot(); }  // [any]

  HookCounters& counters() { return counters_; }  // the runner's

 private:
  HookInfo info_;
  HookCounters counters_;
};

// The hooks of one configuration on one loop, in the order of plugin-abi. Immutable: sessions pin the set they began with.
class HookSet {
 public:
  HookSet() = default;
  explicit HookSet(std::vector<std::shared_ptr<Hook>> hooks, uint64_t generation = 0);

  bool any(Stage stage) const { return !stages_[stage_index(stage)].empty(); }
  std::span<const std::shared_ptr<Hook>> at(Stage stage) const { return stages_[stage_index(stage)]; }
  bool uniform(Stage stage) const { return uniform_[stage_index(stage)]; }  // its hooks are of one class
  uint32_t needs(Stage stage) const { return needs_[stage_index(stage)]; }
  uint32_t may(Stage stage) const { return may_[stage_index(stage)]; }  // rights of all its hooks together
  uint32_t may() const { return may_all_; }                             // of all stages
  uint64_t generation() const { return generation_; }

 private:
  std::array<std::vector<std::shared_ptr<Hook>>, kStageCount> stages_;
  std::array<uint32_t, kStageCount> needs_{}, may_{};
  std::array<bool, kStageCount> uniform_{};
  uint32_t may_all_ = 0;
  uint64_t generation_ = 0;
};

}  // namespace veredus
