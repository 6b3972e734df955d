// srs: forwarded mail leaves with a sender of ours (Sender Rewriting Scheme), and bounces to that address find their way back. All loops call
// one object; nothing in it changes. See README.md.
#include "common/report.hpp"
#include "common/tasks.hpp"
#include "srs/forwarded.h"

namespace {

using srs::Back;
using srs::Reading;
using vrd::milliseconds;

constexpr milliseconds kStore{2'000}, kWhole{10'000}, kLookUp{5'000};
constexpr const char* kReadings[] = {"good", "foreign", "malformed", "forged", "expired", "not_a_bounce", "unknown", nullptr};
enum Decided : uint32_t { not_a_bounce = 5, unknown = 6 };

std::string_view refusal(uint32_t decided) {
  switch (decided) {
    case static_cast<uint32_t>(Reading::malformed): return "This return address (SRS) is incomplete";
    case static_cast<uint32_t>(Reading::expired): return "This return address (SRS) has expired";
    case not_a_bounce: return "This return address (SRS) takes bounces only, from the null sender";
    default: return "This return address (SRS) was not made here";
  }
}

// What an awaited round of look-ups needs; the callback may outlive the coroutine, and then resumes nothing.
class Fetched {
 public:
  Fetched(std::shared_ptr<common::Answers> answers, const vrd::Host& host) : answers_(std::move(answers)), host_(host) {}
  Fetched(const Fetched&) = delete;
  ~Fetched() { state_->waiting = {}; }
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> caller) {
    answers_->fetch(host_, kLookUp, [answers = answers_, state = state_] {
      state->done = true;
      if (state->waiting) std::exchange(state->waiting, {}).resume();
    });
    if (!state_->done) state_->waiting = caller;
    return !state_->done;
  }
  void await_resume() const noexcept {}

 private:
  struct State {
    std::coroutine_handle<> waiting;
    bool done = false;
  };
  std::shared_ptr<common::Answers> answers_;
  const vrd::Host& host_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

class Srs : public vrd::Plugin<> {
 public:
  explicit Srs(vrd::Setup& setup)
      : Plugin(setup),
        options_(setup),
        rewritten_(setup.counter("rewritten_total", "Messages that left with a sender of ours")),
        returned_(setup.metric(VRD_METRIC_COUNTER, "returned_total", "Recipients that look like a rewritten sender, by what they are", "reading", kReadings)),
        tasks_(host) {}

  vrd::Verdict on_rcpt(vrd::Call& call) const;
  vrd::Task<vrd::Verdict> on_message(vrd::CoCall call) const;
  vrd::Task<vrd::Verdict> on_bounce(vrd::CoCall call) const;
  void encode(vrd::CommandCall call);
  void decode(vrd::CommandCall call);

 private:
  int64_t now() const { return host.wall_ms() / 1000; }
  vrd::Verdict refuse(uint32_t decided, const vrd::View& view) const;
  vrd::Verdict find_kept(vrd::Call& call, std::string token) const;
  void lead_back(vrd::Edits& edits, const vrd::View& view, const std::string& address) const;
  vrd::Task<std::string> sender_of_ours(std::string local, std::string domain) const;
  vrd::Task<void> tell_kept(vrd::CommandCall call, std::string token);

  const srs::Options options_;
  const vrd::Metric rewritten_, returned_;
  common::Tasks tasks_;
};

vrd::Verdict Srs::refuse(uint32_t decided, const vrd::View& view) const {
  returned_.add(1, decided);
  host.info("refused", {{"recipient", view.text(VRD_ATTR_RECIPIENT)}, {"reason", kReadings[decided]}}, view);
  return vrd::reject("5.7.1", std::string(refusal(decided))).rule(kReadings[decided]);
}

void Srs::lead_back(vrd::Edits& edits, const vrd::View& view, const std::string& address) const {
  returned_.add(1, static_cast<uint32_t>(Reading::good));
  host.info("returned", {{"recipient", view.text(VRD_ATTR_RECIPIENT)}, {"to", address}}, view);
  edits.set_recipient(static_cast<uint32_t>(view.number(VRD_ATTR_RECIPIENT_INDEX)), address);
}

// The address stands in the store.
vrd::Verdict Srs::find_kept(vrd::Call& call, std::string token) const {
  auto request = host.kv(kStore);
  request.get("k " + token);
  request.then([this, view = call.keep(), pending = call.defer(kWhole)](vrd::KvResult result) mutable {
    if (!result.ok()) {
      pending.answer(vrd::tempfail("4.3.0", "Return addresses cannot be looked up for now, try again later").rule("store"));
      return;
    }
    if (!result.first().found()) {
      pending.answer(refuse(unknown, view));
      return;
    }
    vrd::OwnEdits edits = pending.edits();
    lead_back(edits, view, result.first().value);
    pending.answer(vrd::next(), std::move(edits));
  });
  return vrd::later();
}

vrd::Verdict Srs::on_rcpt(vrd::Call& call) const {
  std::string local(call.text(VRD_ATTR_RECIPIENT_LOCAL));
  if (!srs::is_rewritten(local) || !options_.takes(call.text(VRD_ATTR_RECIPIENT_DOMAIN))) return vrd::next();
  if (options_.bounces_only && !call.text(VRD_ATTR_SENDER).empty()) return refuse(not_a_bounce, call);
  if (std::string token = srs::token_of(local); !token.empty()) return find_kept(call, std::move(token));
  Back back = options_.scheme.read(local, now());
  if (back.reading == Reading::foreign) back.reading = Reading::malformed;  // a token that is none
  if (back.reading != Reading::good) return refuse(static_cast<uint32_t>(back.reading), call);
  vrd::Edits edits = call.edits();
  lead_back(edits, call, back.address);
  return vrd::next();
}

// The address that stands for another; empty: it does not fit, and the store does not take it.
vrd::Task<std::string> Srs::sender_of_ours(std::string local, std::string domain) const {
  auto made = options_.scheme.made(local, domain, now());
  if (made) co_return *made + "@" + options_.domain();
  std::string address = local + "@" + domain, token = options_.scheme.token(address, now());
  auto request = host.kv(kStore);
  request.put("k " + token, address, options_.max_age);
  vrd::KvResult kept = co_await request;
  if (!kept.ok() || !kept.first().found()) co_return std::string();
  co_return "SRSK=" + token + "@" + options_.domain();
}

vrd::Task<vrd::Verdict> Srs::on_message(vrd::CoCall call) const {
  if (!srs::from_elsewhere(options_, call)) co_return vrd::next();
  auto answers = std::make_shared<common::Answers>();
  srs::Parted parted = srs::part(options_, call, *answers);
  while (parted.waits && !parted.failed) {  // each round answers a row that was not known, so this ends
    co_await Fetched(answers, host);
    parted = srs::part(options_, call, *answers);
  }
  if (parted.failed) {
    host.warning("undecided", {{"reason", parted.why}}, call);
    co_return vrd::tempfail("4.3.0", "Whether this message is forwarded cannot be decided for now, try again later").rule("undecided");
  }
  if (parted.forwarded.empty()) co_return vrd::next();
  std::string sender = co_await sender_of_ours(std::string(call.text(VRD_ATTR_SENDER_LOCAL)), std::string(call.text(VRD_ATTR_SENDER_DOMAIN)));
  if (sender.empty()) co_return vrd::tempfail("4.3.0", "A return address for this message cannot be kept for now, try again later").rule("store");
  if (!parted.others.empty()) call.edits().split(parted.others);
  call.edits().set_sender(sender).note("srs.sender", call.text(VRD_ATTR_SENDER));
  rewritten_.add();
  host.info("rewritten", {{"from", call.text(VRD_ATTR_SENDER)}, {"to", sender}, {"recipients", parted.forwarded.size()}}, call);
  co_return vrd::next();
}

// A report of this host itself passes no `rcpt`: it is led back here. What does not lead anywhere stays as it is.
vrd::Task<vrd::Verdict> Srs::on_bounce(vrd::CoCall call) const {
  for (uint32_t i = 0; i < call.recipients(); ++i) {
    std::string local(call.text(VRD_ATTR_RECIPIENT_LOCAL, i)), token = srs::token_of(local);
    if (!srs::is_rewritten(local) || !options_.takes(call.text(VRD_ATTR_RECIPIENT_DOMAIN, i))) continue;
    Back back = options_.scheme.read(local, now());
    if (!token.empty()) {
      auto request = host.kv(kStore);
      request.get("k " + token);
      vrd::KvResult kept = co_await request;
      if (!kept.ok()) co_return vrd::tempfail();
      back.address = kept.first().found() ? kept.first().value : std::string();
    }
    returned_.add(1, static_cast<uint32_t>(back.address.empty() ? Reading::forged : Reading::good));
    if (back.address.empty()) continue;
    host.info("returned", {{"recipient", call.text(VRD_ATTR_RECIPIENT, i)}, {"to", back.address}}, call);
    call.edits().set_recipient(i, back.address);
  }
  co_return vrd::next();
}

void Srs::encode(vrd::CommandCall call) {
  size_t at = call.arguments.size() == 1 ? call.arguments[0].rfind('@') : std::string::npos;
  if (at == std::string::npos || at == 0) {
    call.error("usage: veredus srs encode USER@DOMAIN\n").finish(64);
    return;
  }
  auto made = options_.scheme.made(call.arguments[0].substr(0, at), common::lowered(call.arguments[0].substr(at + 1)), now());
  if (made) call.write(*made + "@" + options_.domain() + "\n").finish(0);
  else call.error("the address has no room in a local part of 64 octets; when mail comes, it is kept in the store under a token\n").finish(65);
}

vrd::Task<void> Srs::tell_kept(vrd::CommandCall call, std::string token) {
  auto request = host.kv(kStore);
  request.get("k " + token);
  vrd::KvResult kept = co_await request;
  if (!kept.ok()) call.error("the store does not answer; try again\n").finish(75);
  else if (kept.first().found()) call.write(kept.first().value + "\n").finish(0);
  else call.error("unknown: " + std::string(refusal(unknown)) + ", or has expired\n").finish(65);
}

void Srs::decode(vrd::CommandCall call) {
  size_t at = call.arguments.size() == 1 ? call.arguments[0].rfind('@') : std::string::npos;
  if (at == std::string::npos) {
    call.error("usage: veredus srs decode ADDRESS\n").finish(64);
    return;
  }
  std::string local = call.arguments[0].substr(0, at);
  if (std::string token = srs::token_of(local); !token.empty()) {
    tasks_.spawn(tell_kept(std::move(call), std::move(token)));
    return;
  }
  Back back = options_.scheme.read(local, now());
  auto decided = static_cast<uint32_t>(back.reading);
  if (back.reading == Reading::good) call.write(back.address + "\n").finish(0);
  else call.error(std::string(kReadings[decided]) + ": " + (back.reading == Reading::foreign ? "it is no rewritten address" : std::string(refusal(decided))) + "\n").finish(65);
}

constexpr vrd::About kAbout{"srs", "0.1", "Apache-2.0", "Senders of our own for forwarded mail, and the way back for bounces (SRS)"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("domains", VRD_SETTING_TEXT, nullptr, "1..253", "Domains of rewritten senders: the first for new ones, all for what comes back. They must be in core.relay_domains. Unset: the first name there.", VRD_SETTING_LIST),
    vrd::setting("secrets", VRD_SETTING_TEXT, nullptr, "16..1024", "The first makes hashes, all are good for what comes back: put a new one in front, remove the old one after max_age. Unset: one that this host makes for itself.", VRD_SETTING_LIST | VRD_SETTING_SECRET),
    vrd::setting("hash_length", VRD_SETTING_INT, "8", "4..32", "Characters of the hash, 5 bits each."),
    vrd::setting("max_age", VRD_SETTING_DURATION, "21d", "1d..500d", "How long an address can be answered, in whole days."),
    vrd::setting("bounces_only", VRD_SETTING_BOOL, "true", nullptr, "Rewritten addresses take mail of the null sender only."),
    vrd::setting("redirected", VRD_SETTING_BOOL, "true", nullptr, "Rewrite the sender for recipients elsewhere that a hook has put in place of ours."),
    vrd::setting("ours", VRD_SETTING_PATTERN, "[]", nullptr, "More domains whose senders are never rewritten, and to which mail is not forwarded.", VRD_SETTING_LIST),
    vrd::setting("forward", VRD_SETTING_RECORD, "[]", nullptr, "Recipients elsewhere for whom any of these holds count as forwarded too, such as those of a mailbox server that redirects.", VRD_SETTING_LIST),
    COMMON_CONDITION_SETTINGS("forward[]."),
    vrd::setting("except", VRD_SETTING_RECORD, "[]", nullptr, "Recipients for whom any of these holds are never forwarded ones.", VRD_SETTING_LIST),
    COMMON_CONDITION_SETTINGS("except[]."),
};
constexpr vrd::Hook kHooks[] = {
    vrd::hook<&Srs::on_rcpt>(VRD_STAGE_RCPT, {.may = VRD_MAY_RECIPIENTS}),
    vrd::co_hook<&Srs::on_message, 30'000>(VRD_STAGE_MESSAGE, {.may = VRD_MAY_SENDER | VRD_MAY_SPLIT | VRD_MAY_NOTES, .needs = VRD_NEED_CONTENT}),
    vrd::co_hook<&Srs::on_bounce, 10'000>(VRD_STAGE_BOUNCE, {.may = VRD_MAY_RECIPIENTS}),
};
constexpr vrd::Command kCommands[] = {
    vrd::command<&Srs::encode>("srs encode", "USER@DOMAIN", "Print the address that stands for a sender of forwarded mail."),
    vrd::command<&Srs::decode>("srs decode", "ADDRESS", "Check a rewritten address, and print where it leads."),
};

}  // namespace

VEREDUS_PLUGIN(Srs, kAbout, kSettings, kHooks, kCommands)
