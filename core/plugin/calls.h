// What stands behind the handles of a hook call: vrd_stage (one call), vrd_view (what it shows), vrd_edits (what it wants changed). Calls: the
// stages of one loop, used in turn, so that one that is used after its call is found out and not followed.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <veredus/stage.h>

#include "hooks/hook.h"
#include "plugin/arena.h"
#include "plugin/header_index.h"
#include "plugin/loop_services.h"
#include "plugin/plugin_record.h"
#include "plugin/token_owners.h"

// A list of edits: of a call, or made with core.edit create().
struct vrd_edits {
  bool empty() const { return list.empty() && !replied && rule.empty(); }
  void clear();

  std::vector<veredus::Edit> list;
  bool replied = false;
  uint32_t smtp = 0;
  uint8_t enhanced[3] = {};
  std::string text, rule;
  vrd_stage* stage = nullptr;                     // null: made with create()
  std::shared_ptr<veredus::PluginRecord> record;  // of who made it
};

// What can be read. Live: within a call, on its loop, of what is there. Frozen: a copy, on any thread, as long as somebody holds it.
struct vrd_view {
  explicit vrd_view(vrd_stage* of) : stage(of) {}  // live
  vrd_view(std::shared_ptr<const veredus::HookView> picture, std::shared_ptr<veredus::PluginRecord> holder);
  ~vrd_view();

  vrd_stage* const stage;                       // live
  const veredus::Subject* subject = nullptr;    // live: null until somebody asks for the view
  veredus::Stage number{};
  veredus::Arena arena;
  std::unique_ptr<veredus::HeaderIndex> headers;  // made when somebody asks

  // Frozen.
  std::shared_ptr<const veredus::HookView> frozen;
  veredus::Subject frozen_subject;
  std::shared_ptr<veredus::PluginRecord> record;
  std::map<uint64_t, vrd_str> texts;  // made so far: attribute and recipient
  std::mutex mutex;                   // of arena, headers and texts
  std::atomic<uint32_t> holders{1};
};

// One call. What every call writes comes first, in one line of the cache.
struct alignas(64) vrd_stage {
  vrd_stage() : view(this) { edits.stage = this; }
  bool active() const { return subject != nullptr; }

  const veredus::HookInfo* info = nullptr;
  veredus::PluginRecord* record = nullptr;
  const veredus::Subject* subject = nullptr;  // null: no call
  veredus::HookCall* call = nullptr;          // null: carried to a serial plugin's loop
  std::atomic<uint32_t> plugin{0};            // whose call it is, or was: for whoever has to be named from another thread
  bool touched = false;                       // anything to clear afterwards
  vrd_stage* following = nullptr;             // whose turn is next, for good
  veredus::LoopServices* services = nullptr;  // of its loop, for good

  vrd_view view;
  vrd_edits edits;
  vrd_view* kept = nullptr;                   // the frozen copy, once somebody has retained the view; counted by its holders
  std::shared_ptr<const veredus::HookView> picture;  // of a carried call
  veredus::PendingToken carried = 0;                 // its token
  veredus::PendingToken token = 0;                   // that the hook has taken
  veredus::Millis wait{};                            // and how long it may take
  std::string emitted;                               // of a carried call
  size_t emitted_octets = 0;
};

namespace veredus {

// Whose call it is.
struct Caller {
  const HookInfo* info;
  PluginRecord* record;
  uint32_t number;  // of the record
};

class Calls {
 public:
  explicit Calls(LoopServices& services);
  Calls(const Calls&) = delete;

  // [loop] Calls of one loop may lie within each other, up to half of kStages deep.
  vrd_stage& begin(const Caller& caller, const Subject& subject, HookCall* call) {
    vrd_stage* stage = next_;
    while (stage->active()) stage = stage->following;
    next_ = stage->following;
    stage->info = caller.info;
    stage->record = caller.record;
    stage->subject = &subject;
    stage->call = call;
    stage->plugin.store(caller.number, std::memory_order_relaxed);
    return *stage;
  }
  void end(vrd_stage& stage) {
    stage.subject = nullptr;
    if (stage.touched) clear(stage);
  }

  TokenOwners owners;

 private:
  static constexpr size_t kStages = 64;
  void clear(vrd_stage& stage);

  std::array<vrd_stage, kStages> stages_;
  vrd_stage* next_;
};

// The stage, if it is of a call that runs now, and of this thread; otherwise null, and the plugin is named in the log.
vrd_stage* checked(const vrd_stage* stage, std::string_view function);
// The same of a view; frozen ones may be read anywhere.
vrd_view* checked(const vrd_view* view, std::string_view function);
// Whether edits may be added now.
bool checked(const vrd_edits* edits, std::string_view function);

// A frozen view for a plugin that is asked for something else than a hook; the caller holds it, release_view() lets it go.
const vrd_view* make_view(std::shared_ptr<const HookView> picture, std::shared_ptr<PluginRecord> record);
const vrd_view* retain_view(const vrd_view* view);
void release_view(const vrd_view* view);

inline std::string_view text_of(vrd_str text) { return text.len == 0 ? std::string_view() : std::string_view(text.ptr, text.len); }

// A call's or an answer's verdict with its edits, as the runner takes it. What makes no sense is a fault, and the plugin is named.
HookAnswer to_answer(const vrd_verdict& verdict, vrd_edits& edits, Stage stage, PluginRecord& record, std::string_view function);

}  // namespace veredus
