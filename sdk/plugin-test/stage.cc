// Asking the hooks of one stage: call, wait, judge, settle.
#include "stage.h"

#include <algorithm>
#include <cstring>

namespace veredus::ptest {

namespace {

vrd_stage* new_stage() {
  static std::vector<std::unique_ptr<vrd_stage>> all;
  all.push_back(std::make_unique<vrd_stage>());
  return all.back().get();
}

bool is_zero(const uint8_t* octets, size_t count) {
  return std::all_of(octets, octets + count, [](uint8_t octet) { return octet == 0; });
}

bool reply_fits(int32_t action, uint32_t code, const uint8_t* enhanced) {
  if (code != 0 && (code < 200 || code > 599)) return false;
  if (enhanced[0] != 0 && code != 0 && enhanced[0] != code / 100) return false;
  uint32_t wanted = action == VRD_REJECT ? 5 : action == VRD_TEMPFAIL ? 4 : 2;
  if (enhanced[0] != 0 && code == 0 && action != VRD_DISCONNECT && enhanced[0] != wanted) return false;
  if (code == 0) return true;
  return action == VRD_DISCONNECT ? code == 421 || code / 100 == 5 : code / 100 == wanted;
}

bool is_final(int32_t action) { return action == VRD_REJECT || action == VRD_TEMPFAIL || action == VRD_DISCARD || action == VRD_DISCONNECT; }

// An edit's problem with the hook's rights and the stage; empty when it has none.
std::string edit_problem(const Edit& edit, const StageRule& rule, uint32_t may) {
  uint32_t right = right_of(edit.kind);
  std::string name = edit_text(edit);
  if (right == 0) return rule.told ? "an edit where nothing is asked: " + name : "";
  if (!(rule.edits & right)) return "an edit that stage " + std::string(rule.name) + " does not allow: " + name;
  if (!(may & right)) return "an edit without the right: " + name;
  bool on_top = edit.kind == EditKind::insert_header && edit.index == 0;
  if (rule.prepend_only && !on_top) return "an edit below the top of the header: " + name;
  if (rule.stream && edit.kind == EditKind::replace_body) return "an edit that stage body does not allow: " + name;
  return "";
}

}  // namespace

std::string Outcome::reply() const {
  if (code == 0) return {};
  std::string out = std::to_string(code);
  if (enhanced[0] != 0) out += " " + std::to_string(enhanced[0]) + "." + std::to_string(enhanced[1]) + "." + std::to_string(enhanced[2]);
  return text.empty() ? out : out + " " + text;
}

StageRun::StageRun(Bench& bench, Session& session, const StageRule& rule, std::vector<Instance*> instances)
    : bench_(bench), session_(session), rule_(rule) {
  outcome.stage = rule.number;
  for (Instance* instance : instances)
    for (auto hook = instance->plugin->hooks; hook && *hook; ++hook)
      if ((*hook)->stage == rule.number) calls_.push_back({instance, *hook});
  std::stable_sort(calls_.begin(), calls_.end(), [](const Call& a, const Call& b) { return a.hook->order < b.hook->order; });
}

void StageRun::show(std::string chunk, bool last) {
  outcome.body = std::move(chunk);
  last_ = last;
}

void StageRun::go() {
  if (rule_.skippable && (session_.skip_transaction || session_.skip_connection)) next_ = calls_.size();
  while (!outcome.done && next_ < calls_.size()) {
    if (rule_.stream && session_.body_done.contains(calls_[next_].hook)) {
      ++next_;
      continue;
    }
    call();
    if (stage_) return;  // it waits
  }
  if (!outcome.done) finish();
}

void StageRun::call() {
  const Call& mine = calls_[next_];
  vrd_stage* stage = stage_ = new_stage();
  stage->bench = &bench_;
  stage->owner = mine.instance;
  stage->hook = mine.hook;
  stage->rule = &rule_;
  stage->what = "the hook at " + std::string(rule_.name);
  stage->chunk = rule_.stream ? outcome.body : "";
  stage->last = rule_.stream && last_;
  stage->view = new_view(bench_, session_.picture(rule_.number, (mine.hook->needs & VRD_NEED_CONTENT) != 0), stage->what, false);
  stage->answered = [self = shared_from_this(), stage] {
    if (self->stage_ == stage && stage->ended) self->token_ended();
  };
  vrd_verdict verdict;
  std::memset(&verdict, 0, sizeof verdict);
  vrd_status status = VRD_E_FAULT;
  {
    LoopTime time(stage->what);
    guarded(Role::loop, stage->what, [&] { status = mine.hook->call(mine.instance->shard, stage, &verdict); });
  }
  stage->ended = stage->view->gone = true;
  if (stage->edits) stage->edits->gone = true;
  bool waits = status == VRD_OK && verdict.action == VRD_PENDING && stage->token != 0;
  if (!waits && stage->token != 0) bench_.abort_token(stage->token);  // it answers at once after all: the token is void
  if (!waits) return judge(status, verdict, stage->edits ? stage->edits->list : std::vector<Edit>());
  if (bench_.plan.abort_at == bench_.deferrals++) return abort();
  if (find_token(stage->token)->state != TokenState::open) token_ended();
}

void StageRun::token_ended() {
  Token& token = *find_token(stage_->token);
  std::vector<Edit> edits = stage_->edits ? stage_->edits->list : std::vector<Edit>();
  if (token.state == TokenState::answered) {
    for (Edit& edit : token.edits) edits.push_back(std::move(edit));
    vrd_verdict verdict = token.verdict;
    if (verdict.action == VRD_PENDING) watch().breach("verdict", stage_->what + " completed with the action pending");
    judge(VRD_OK, verdict, std::move(edits));
  } else {
    if (token.owner->running && stage_->hook->cancel)
      guarded(Role::loop, "cancel", [&] { stage_->hook->cancel(token.owner->shard, stage_->token); });
    fault("no answer in time");
    pass_chunk(true, VRD_NEXT);
    stage_ = nullptr;
    ++next_;
  }
  if (!stage_) go();
}

void StageRun::abort() {
  if (outcome.done) return;
  outcome.done = outcome.aborted = true;
  if (!stage_ || stage_->token == 0) return;
  vrd_stage* stage = stage_;
  stage_ = nullptr;
  if (find_token(stage->token)->state != TokenState::open) return;
  bench_.abort_token(stage->token);
  if (stage->hook->cancel) guarded(Role::loop, "cancel", [&] { stage->hook->cancel(stage->owner->shard, stage->token); });
}

std::string StageRun::waiting_for() const { return stage_ ? stage_->what : std::string(); }

std::string StageRun::problem_of(vrd_status status, const vrd_verdict& verdict, const std::vector<Edit>& edits) const {
  if (status != VRD_OK || verdict.action == VRD_FAULT) return "the hook reported a fault: " + std::string(status_text(status));
  std::string problem;
  if (verdict.zero != 0 || !is_zero(verdict.reserved, sizeof verdict.reserved)) problem = "a verdict whose reserved octets are not zero";
  else if (verdict.action == VRD_PENDING) problem = "pending without a token";
  else if (!rule_.told && !rule_.allows(verdict.action)) problem = "action " + std::to_string(verdict.action) + " (" + std::string(action_name(verdict.action)) + "), which stage " + std::string(rule_.name) + " does not allow";
  else if (verdict.scope < 0 || verdict.scope > VRD_SCOPE_CONNECTION) problem = "scope " + std::to_string(verdict.scope) + ", which is unknown";
  else if (!rule_.told && !reply_fits(verdict.action, verdict.smtp, verdict.enhanced)) problem = "reply " + std::to_string(verdict.smtp) + ", which does not fit the action";
  if (!problem.empty()) {
    watch().breach("verdict", stage_->what + ": " + problem);
    return problem;
  }
  for (const Edit& edit : edits) {
    problem = edit_problem(edit, rule_, stage_->hook->may);
    if (problem.empty()) continue;
    watch().breach("right", stage_->what + ": " + problem);
    return problem;
  }
  return problem;
}

void StageRun::judge(vrd_status status, vrd_verdict verdict, std::vector<Edit> edits) {
  std::string problem = problem_of(status, verdict, edits);
  if (problem.empty()) settle(verdict, std::move(edits));
  else fault(problem);
  pass_chunk(!problem.empty(), verdict.action);
  stage_ = nullptr;
  ++next_;
}

// What a rewriting hook emitted takes the chunk's place.
void StageRun::pass_chunk(bool faulty, int32_t action) {
  if (!rule_.stream) return;
  if (!faulty && (stage_->hook->may & VRD_MAY_BODY)) outcome.body = stage_->emitted;
  if (faulty || action == VRD_ACCEPT) session_.body_done.insert(stage_->hook);
}

void StageRun::fault(const std::string& why) {
  outcome.fault = why;
  if (rule_.told || stage_->hook->on_fault == VRD_ON_FAULT_NEXT) return;
  bool refuse = stage_->hook->on_fault == VRD_ON_FAULT_REJECT && rule_.allows(VRD_REJECT);
  outcome.action = refuse ? VRD_REJECT : VRD_TEMPFAIL;
  outcome.scope = VRD_SCOPE_STEP;
  finish();
}

void StageRun::settle(const vrd_verdict& verdict, std::vector<Edit> edits) {
  for (Edit& edit : edits) outcome.edits.push_back(std::move(edit));
  if (rule_.told || verdict.action == VRD_NEXT) return;
  bool keeps_hold = held_ && !is_final(verdict.action);
  if (!keeps_hold) {
    outcome.action = verdict.action;
    outcome.scope = verdict.scope;
    outcome.code = verdict.smtp;
    std::copy(verdict.enhanced, verdict.enhanced + 3, outcome.enhanced);
  }
  held_ = held_ || verdict.action == VRD_HOLD;
  if (rule_.skippable && verdict.action == VRD_ACCEPT) {
    session_.skip_transaction = session_.skip_transaction || verdict.scope == VRD_SCOPE_TRANSACTION;
    session_.skip_connection = session_.skip_connection || verdict.scope == VRD_SCOPE_CONNECTION;
  }
  bool stops = is_final(verdict.action) || (verdict.action == VRD_ACCEPT && !rule_.stream);
  if (stops) finish();
}

// Reply and rule come from the edits, the rest of a reply from the stage's defaults.
void StageRun::finish() {
  outcome.done = true;
  for (const Edit& edit : outcome.edits) {
    if (edit.kind == EditKind::rule) outcome.rule = edit.value;
    if (edit.kind != EditKind::reply) continue;
    outcome.text = edit.value;
    if (outcome.code == 0) outcome.code = edit.smtp;
    if (outcome.enhanced[0] == 0) std::copy(edit.enhanced, edit.enhanced + 3, outcome.enhanced);
  }
  if (!reply_fits(outcome.action, outcome.code, outcome.enhanced) && !rule_.told) watch().breach("verdict", "a reply that does not fit the action: " + outcome.reply());
  DefaultAnswer answer = default_answer(rule_.number, outcome.action);
  if (answer.code == 0 && !is_final(outcome.action)) return;
  if (outcome.code == 0) outcome.code = answer.code;
  if (outcome.enhanced[0] == 0 && answer.enhanced[0] == outcome.code / 100) std::copy(answer.enhanced, answer.enhanced + 3, outcome.enhanced);
  if (outcome.text.empty()) outcome.text = answer.text;
}

}  // namespace veredus::ptest
