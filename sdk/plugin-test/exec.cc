// Steps of a case. A step that the plugin answers later waits in virtual time, unless its expectation says `pending: true`.
#include "exec.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/text.h"
#include "fakes.h"
#include "services.h"

namespace veredus::ptest {

namespace {

constexpr size_t kChunk = 65'536;
constexpr int64_t kCommandTimeout = 60'000;

bool wants_pending(const Step& step) { return step.expect.IsMap() && step.expect["pending"] && step.expect["pending"].Scalar() == "true"; }

bool starts_session(uint32_t stage) { return stage == VRD_STAGE_CONNECT; }
bool in_transaction(uint32_t stage) { return stage > VRD_STAGE_MAIL && stage < VRD_STAGE_TRANSACTION_END; }

}  // namespace

void Exec::step(size_t index) {
  const Step& step = script_.steps[index];
  bool only_expects = step.name == "expect";  // then of all that has happened so far
  if (!only_expects) seen_ = Seen();
  seen_.log_from = only_expects ? 0 : bench_.logs.size();
  seen_.asked_from = only_expects ? 0 : bench_.asked.size();
  dispatch(step);
  bench_.run_due();
  bool waits = !wants_pending(step) && !only_expects && step.name != "advance" && step.name != "wait";
  if (waits) bench_.run_until([&] { return collect(), !busy(); });
  collect();
  judge(step);
}

void Exec::dispatch(const Step& step) {
  const StageRule* rule = stage_rule(step.name);
  if (rule) return stage_step(step, *rule);
  if (is_service_step(step.name)) return service_step(step);
  if (step.name == "advance") return bench_.run_for(*duration_of(step.args.Scalar()));
  if (step.name == "wait") return wait_real(*duration_of(step.args.Scalar()));
  if (step.name == "command") return command_step(step);
  if (step.name == "reload") return reload_step(step);
  if (step.name == "fail") return fail_step(step);
  if (step.name == "files") return write_files(step.args);
  if (step.name == "results") return results_step(step);
  if (step.name == "notes") return notes_step(step);
  if (step.name == "content" && step.args.IsScalar()) return session_.set_content(step.args.Scalar());
  if (step.name != "abort") return;
  if (run_ && !run_->done()) run_->abort();
  end_session();
}

void Exec::fail_step(const Step& step) {
  bench_.failing.clear();
  if (!step.args.IsMap()) return;
  for (const auto& entry : step.args) {
    vrd_status status = VRD_E_TEMPORARY;
    if (!status_by_text(entry.second.Scalar(), &status)) return fail(step.place, "unknown status " + entry.second.Scalar());
    bench_.failing[entry.first.Scalar()] = status;
  }
}

// What other plugins are said to have found: "spf=pass smtp.mailfrom=a.test".
void Exec::results_step(const Step& step) {
  session_.results.clear();
  std::vector<std::string> texts;
  if (step.args.IsScalar()) texts.push_back(step.args.Scalar());
  for (const auto& each : step.args) texts.push_back(each.Scalar());
  for (const std::string& text : texts) {
    std::optional<Edit> result = result_of(text);
    if (!result) return fail(step.place, "a result is METHOD=RESULT [PTYPE.PROPERTY=VALUE ...], not " + text);
    session_.results.push_back(std::move(*result));
  }
}

void Exec::notes_step(const Step& step) {
  for (const auto& entry : step.args) session_.notes[entry.first.Scalar()] = entry.second.Scalar();
}

// Real time, for threads of the plugin's own: until what is waited for has come.
void Exec::wait_real(int64_t ms) {
  auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  while (std::chrono::steady_clock::now() < until) {
    bench_.run_due();
    collect();
    if (!busy() && run_) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void Exec::stage_step(const Step& step, const StageRule& rule) {
  if (gone_ && !starts_session(rule.number)) return;
  if (busy() && rule.number == VRD_STAGE_DISCONNECT && run_) run_->abort();
  collect();
  if (busy()) return fail(step.place, "the step before is still waited for: say so with `expect: { pending: true }`, then advance");
  has_outcome_ = false;
  if (rule.number == VRD_STAGE_DISCONNECT) return end_session();
  if (rule.number == VRD_STAGE_TRANSACTION_END) {
    tell(rule.number);
    return session_.end_transaction();
  }
  if (!enter_stage(rule)) return;
  set_attributes(step);
  if (rule.stream) body_step(step);
  else run_stage(rule);
}

// What must be there before a stage; a script may leave steps out.
bool Exec::enter_stage(const StageRule& rule) {
  if (starts_session(rule.number)) {
    if (session_.is_open) end_session();
    gone_ = false;
  }
  if (!session_.is_open) {
    Attrs attrs;
    for (const auto& [name, value] : {std::pair{"session", "1"}, {"client.address", "192.0.2.1"}, {"client.port", "40000"}, {"listener.address", "127.0.0.1:25"},
                                      {"listener.role", "mx"}, {"protocol", "ESMTP"}})
      set_attr(attrs, *attr_by_name(name), value);
    session_.open(std::move(attrs));
    of_session_ = current_;
  }
  if (rule.number == VRD_STAGE_MAIL) {
    if (session_.in_transaction) tell(VRD_STAGE_TRANSACTION_END);
    session_.start_transaction("");
  }
  if (in_transaction(rule.number) && !session_.in_transaction) session_.start_transaction("sender@example.test");
  if (rule.number == VRD_STAGE_RCPT) session_.add_recipient("");
  if (rule.number > VRD_STAGE_RCPT && in_transaction(rule.number) && session_.recipients.empty()) session_.add_recipient("recipient@example.test");
  return true;
}

void Exec::set_attributes(const Step& step) {
  std::string main(main_attribute(step.name));
  auto set = [&](const std::string& name, const std::string& value) {
    if (name == "reply") set_reply(value);
    else if (const AttrInfo* info = attr_by_name(name)) session_.set(*info, value);
  };
  if (step.args.IsScalar() && !main.empty()) {
    std::string value = step.args.Scalar();
    if ((main == "sender" || main == "recipient") && value.starts_with("<") && value.ends_with(">")) value = value.substr(1, value.size() - 2);
    set(main, value);
  }
  if (!step.args.IsMap()) return;
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto& entry : step.args) values.emplace_back(attribute_name(entry.first.Scalar()), entry.second.Scalar());
  std::stable_partition(values.begin(), values.end(), [](const auto& each) { return each.first == "recipient.index"; });
  for (const auto& [name, value] : values) set(name, value);
}

// "550 5.1.1 no such user" as the three attributes of a reply.
void Exec::set_reply(const std::string& text) {
  auto set = [&](uint32_t id, const std::string& value) { session_.set(*attr_by_id(id), value); };
  size_t space = text.find(' ');
  std::string rest = space == text.npos ? "" : text.substr(space + 1);
  set(VRD_ATTR_REPLY_CODE, text.substr(0, space));
  size_t end = rest.find(' ');
  std::string first = rest.substr(0, end);
  bool enhanced = std::count(first.begin(), first.end(), '.') == 2 && std::all_of(first.begin(), first.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  if (enhanced) set(VRD_ATTR_REPLY_ENHANCED, first);
  set(VRD_ATTR_REPLY_TEXT, !enhanced ? rest : end == rest.npos ? "" : rest.substr(end + 1));
}

void Exec::run_stage(const StageRule& rule) {
  collected_ = false;
  run_ = std::make_shared<StageRun>(bench_, session_, rule, of_session_);
  run_->go();
}

// The message's body, or the chunks that the step gives.
void Exec::body_step(const Step& step) {
  chunks_.clear();
  chunk_ = 0;
  new_body_.clear();
  body_edits_.clear();
  session_.body_done.clear();
  if (step.args.IsSequence())
    for (const auto& each : step.args) chunks_.push_back(each.Scalar());
  std::string whole = step.args.IsScalar() ? step.args.Scalar() : session_.body;
  for (size_t at = 0; !step.args.IsSequence() && (at < whole.size() || at == 0); at += kChunk) chunks_.push_back(whole.substr(at, kChunk));
  session_.receive_body(chunks_);
  next_chunk();
}

void Exec::next_chunk() {
  collected_ = false;
  run_ = std::make_shared<StageRun>(bench_, session_, *stage_rule(VRD_STAGE_BODY), of_session_);
  std::string chunk = chunks_[chunk_++];
  run_->show(std::move(chunk), chunk_ == chunks_.size());
  run_->go();
}

void Exec::collect() {
  if (token_ != 0) {
    Token& token = *find_token(token_);
    if (token.state == TokenState::open) return;
    if (token.state == TokenState::timed_out) token.status = VRD_E_TIMEOUT;
    answer_.reset(token.answer);
    seen_.answer = &answer_;
    seen_.output = token.output;
    seen_.error = token.error_output;
    if (token.kind == TokenKind::command) seen_.exit_code = token.status;
    else seen_.status = status_text(token.status);
    token_ = 0;
  }
  while (run_ && !collected_ && run_->done()) {
    collected_ = true;
    outcome_ = run_->outcome;
    has_outcome_ = true;
    if (outcome_.aborted) {
      gone_ = true;
      return end_session();
    }
    apply(outcome_);
    bool more = outcome_.stage == VRD_STAGE_BODY && chunk_ < chunks_.size() && outcome_.action == VRD_NEXT;
    if (more) next_chunk();
  }
}

void Exec::apply(const Outcome& outcome) {
  bool refused = outcome.action == VRD_REJECT || outcome.action == VRD_TEMPFAIL || outcome.action == VRD_DISCONNECT;
  if (outcome.stage == VRD_STAGE_BODY) {
    new_body_ += outcome.body;
    for (const Edit& edit : outcome.edits) body_edits_.push_back(edit);
    outcome_.edits = body_edits_;
    if (chunk_ == chunks_.size()) session_.body = new_body_;
  }
  if (outcome.stage == VRD_STAGE_RCPT && refused && !session_.recipients.empty()) return session_.drop_last_recipient();
  session_.apply(outcome.stage, outcome.edits);
  session_.accepted = session_.recipients.size();
}

// Told stages never wait.
void Exec::tell(uint32_t stage) {
  auto run = std::make_shared<StageRun>(bench_, session_, *stage_rule(stage), of_session_);
  run->go();
  outcome_ = run->outcome;
  has_outcome_ = true;
}

void Exec::end_session() {
  if (session_.in_transaction) tell(VRD_STAGE_TRANSACTION_END);
  session_.end_transaction();
  if (session_.is_open) tell(VRD_STAGE_DISCONNECT);
  session_.close();
  for (Instance* instance : of_session_)
    if (std::find(current_.begin(), current_.end(), instance) == current_.end()) retire(*instance);
  of_session_ = current_;
}

void Exec::service_step(const Step& step) {
  Instance* instance = find_instance(step.instance);
  if (!instance) return fail(step.place, "there is no instance " + step.instance);
  if (busy()) return fail(step.place, "the step before is still waited for");
  run_ = nullptr;
  if (!session_.in_transaction && (step.name == "deliver" || step.name == "route_service")) enter_stage(*stage_rule(VRD_STAGE_DATA));
  ServiceAsked asked = ask_service(bench_, *instance, session_, step.name, step.args);
  if (!asked.problem.empty()) return fail(step.place, asked.problem);
  token_ = asked.token;
}

// The longest name that the words begin with.
void Exec::command_step(const Step& step) {
  Instance* instance = find_instance(step.instance);
  if (!instance || busy()) return fail(step.place, instance ? "the step before is still waited for" : "there is no such instance");
  std::vector<std::string> words;
  if (step.args.IsScalar())
    for (std::string_view word : split(step.args.Scalar(), ' ')) words.emplace_back(word);
  else
    for (const auto& each : step.args) words.push_back(each.Scalar());
  const vrd_command* found = nullptr;
  size_t used = 0;
  for (auto row = plugin_->commands; row && *row; ++row) {
    auto name = split((*row)->name, ' ');
    bool fits = name.size() <= words.size() && std::equal(name.begin(), name.end(), words.begin());
    if (fits && name.size() > used) found = *row, used = name.size();
  }
  if (!found) return fail(step.place, "the plugin has no such command");
  std::vector<vrd_str> arguments;
  for (size_t i = used; i < words.size(); ++i) arguments.push_back(str_of(words[i]));
  Token token;
  token.what = std::string("the command ") + found->name;
  token.owner = instance;
  token.kind = TokenKind::command;
  run_ = nullptr;
  token_ = bench_.open_token(std::move(token), kCommandTimeout);
  vrd_err err;
  vrd_status status = VRD_E_FAULT;  // the main thread is that of a loop, and this bench has one
  guarded(Role::loop, found->name, [&] { status = found->run(instance->self, arguments.data(), arguments.size(), token_, &err); });
  if (status == VRD_OK) return;
  end_token(token_, TokenState::answered, [&](Token& mine) {
    mine.status = 70;
    mine.error_output += err.text;
  });
}

void Exec::judge(const Step& step) {
  seen_.outcome = has_outcome_ ? &outcome_ : nullptr;
  seen_.waiting = busy();
  if (!step.expect.IsMap()) return;
  for (const std::string& problem : unmet(step.expect, seen_, bench_, session_)) fail(step.place, problem);
}

}  // namespace veredus::ptest
