// One stage: its hooks are asked one after another until one decides; a hook may answer later. Also core.hook/1 and core.body/1, which a hook
// uses during its call. Loop only, but for what core.hook says of any thread.
#pragma once

#include <veredus/body.h>
#include <veredus/hook.h>
#include <veredus/plugin.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench.h"
#include "rules.h"
#include "session.h"

// The ABI's opaque type; never freed, so that late use can be told.
struct vrd_stage {
  veredus::ptest::Bench* bench = nullptr;
  veredus::ptest::Instance* owner = nullptr;
  const vrd_hook* hook = nullptr;
  const veredus::ptest::StageRule* rule = nullptr;
  std::string what;  // "the hook at rcpt"
  vrd_view* view = nullptr;
  vrd_edits* edits = nullptr;
  vrd_pending token = 0;
  std::string chunk, emitted;
  bool last = false, ended = false;
  std::function<void()> answered;  // when the token has ended
};

namespace veredus::ptest {

struct Outcome {
  uint32_t stage = 0;
  bool done = false, aborted = false;
  int32_t action = 0, scope = 0;
  uint32_t code = 0;
  uint8_t enhanced[3] = {0, 0, 0};
  std::string text, rule, fault;
  std::vector<Edit> edits;
  std::string body;  // body: what the chunk has become

  std::string reply() const;  // "550 5.7.1 text", empty when there is none
};

class StageRun : public std::enable_shared_from_this<StageRun> {
 public:
  StageRun(Bench& bench, Session& session, const StageRule& rule, std::vector<Instance*> instances);

  void show(std::string chunk, bool last);
  void go();
  void abort();  // the session, transaction or delivery is gone
  bool done() const { return outcome.done; }
  std::string waiting_for() const;

  Outcome outcome;

 private:
  struct Call {
    Instance* instance;
    const vrd_hook* hook;
  };
  void call();
  void judge(vrd_status status, vrd_verdict verdict, std::vector<Edit> edits);
  void token_ended();
  std::string problem_of(vrd_status status, const vrd_verdict& verdict, const std::vector<Edit>& edits) const;
  void fault(const std::string& why);
  void settle(const vrd_verdict& verdict, std::vector<Edit> edits);
  void pass_chunk(bool faulty, int32_t action);
  void finish();

  Bench& bench_;
  Session& session_;
  const StageRule& rule_;
  std::vector<Call> calls_;
  size_t next_ = 0;
  vrd_stage* stage_ = nullptr;  // of the call under way
  bool held_ = false, last_ = false;
};

const vrd_core_hook_1* hook_table();
const vrd_core_body_1* body_table();

}  // namespace veredus::ptest
