// spf: checks at MAIL whether the client may use the domain of the sender, or of HELO, and says so to later hooks and in the message. All loops
// call one object; nothing in it changes. See README.md.
#include "check.h"
#include "common/tasks.hpp"
#include "mailauth/spf/timed_dns.h"
#include "settings.h"
#include "tree.h"
#include "words.h"

namespace {

using mailauth::SpfAnswer;
using mailauth::SpfQuery;
using mailauth::SpfResult;
using spf::Action;
using spf::Helo;

constexpr const char* kResultNote = "spf.result";
constexpr const char* kReceivedNote = "spf.received";
constexpr const char* kMetricResults[] = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror", nullptr};
constexpr size_t kLongestReason = 200, kLongestNote = 1024, kMostInput = 1 << 17;

class Spf : public vrd::Plugin<> {
 public:
  explicit Spf(vrd::Setup& setup)
      : Plugin(setup), options_(setup), checked_(setup.metric(VRD_METRIC_COUNTER, "checked_total", "Checks by their result", "result", kMetricResults)), tasks_(host) {}

  vrd::Task<vrd::Verdict> on_mail(vrd::CoCall call) const;
  vrd::Verdict on_message(vrd::Call& call) const;
  void check(vrd::CommandCall call);
  void check_record(vrd::CommandCall call);

 private:
  bool spares(const vrd::View& view) const;
  vrd::Task<SpfAnswer> answer_to(SpfQuery query) const;
  void mark(vrd::CoCall& call, const SpfAnswer& answer) const;
  void leave_field(vrd::CoCall& call, const SpfAnswer& answer, const SpfQuery& query) const;
  vrd::Verdict judge(const SpfAnswer& answer, const std::string& client) const;
  vrd::Task<void> tell(vrd::CommandCall call, SpfQuery query, bool json);
  vrd::Task<void> tell_published(vrd::CommandCall call, std::string domain, bool json);

  const spf::Options options_;
  const vrd::Metric checked_;
  common::Tasks tasks_;
};

// Whose mail is not checked: accounts, listeners for our own, and hosts that pass on what they took from elsewhere.
bool Spf::spares(const vrd::View& view) const {
  std::string_view role = view.text(VRD_ATTR_LISTENER_ROLE);
  if (view.has(VRD_ATTR_AUTH_ACCOUNT) || role == "submission" || role == "relay" || role == "lmtp") return true;
  const auto address = common::address_octets(view.text(VRD_ATTR_CLIENT_ADDRESS));
  return !address || common::any_matches(options_.trusted, *address);
}

vrd::Task<SpfAnswer> Spf::answer_to(SpfQuery query) const {
  mailauth::TimedDns dns(host, options_.dns_timeout, options_.check_timeout);
  co_return co_await mailauth::check_spf(dns, std::move(query), options_.limits);
}

void Spf::mark(vrd::CoCall& call, const SpfAnswer& answer) const {
  checked_.add(1, static_cast<uint32_t>(answer.result));
  std::string word(mailauth::spf_word(answer.result)), problem = spf::printable(answer.problem, kLongestReason);
  host.info("checked", {{"result", word}, {"domain", answer.domain}, {"identity", answer.identity}, {"mechanism", answer.mechanism}, {"lookups", answer.lookups}, {"problem", problem}}, call);
  if (options_.action(answer.result) == Action::accept) return;
  bool error = answer.result == SpfResult::temperror || answer.result == SpfResult::permerror;
  std::string property = "smtp." + answer.identity, domain = answer.domain.substr(0, 253);
  call.edits().authres("spf", word, error ? std::string_view(problem) : std::string_view(), {{property, domain}});
}

void Spf::leave_field(vrd::CoCall& call, const SpfAnswer& answer, const SpfQuery& query) const {
  if (!options_.received_spf) return;
  spf::Told told{options_.hostname, query.ip, query.helo, query.sender};
  std::string value = spf::received_spf(answer, told);
  if (value.size() <= kLongestNote) call.edits().note(kReceivedNote, value);
}

vrd::Verdict Spf::judge(const SpfAnswer& answer, const std::string& client) const {
  Action action = options_.action(answer.result);
  if (action == Action::accept || action == Action::mark) return vrd::next();
  bool error = answer.result == SpfResult::temperror || answer.result == SpfResult::permerror;
  bool refused = answer.result == SpfResult::fail || answer.result == SpfResult::softfail;
  std::string text = spf::reply(options_.reply, answer, client, options_.explanation), word(mailauth::spf_word(answer.result));
  std::string status = error ? ".7.24" : refused ? ".7.23" : ".7.1";  // RFC 7372
  if (action == Action::tempfail) return vrd::tempfail("4" + status, text).rule(word);
  return vrd::reject("5" + status, text).rule(word);
}

vrd::Task<vrd::Verdict> Spf::on_mail(vrd::CoCall call) const {
  if (spares(call)) co_return vrd::next();
  SpfQuery query{std::string(call.text(VRD_ATTR_CLIENT_ADDRESS)), std::string(call.text(VRD_ATTR_HELO)), std::string(call.text(VRD_ATTR_SENDER)), options_.hostname, host.wall_ms() / 1000};
  if (query.sender.empty() && options_.helo == Helo::never) co_return vrd::next();
  if (!query.sender.empty() && options_.helo == Helo::always) {
    SpfQuery greeting = query;
    greeting.sender.clear();
    SpfAnswer of_greeting = co_await answer_to(std::move(greeting));
    mark(call, of_greeting);
  }
  SpfAnswer answer = co_await answer_to(query);
  mark(call, answer);
  if (options_.action(answer.result) != Action::accept) {
    call.edits().note(kResultNote, mailauth::spf_word(answer.result));
    leave_field(call, answer, query);
  }
  co_return judge(answer, query.ip);
}

vrd::Verdict Spf::on_message(vrd::Call& call) const {
  auto value = options_.received_spf ? call.note(kReceivedNote) : std::nullopt;
  if (value) call.edits().prepend_header("Received-SPF", *value);
  return vrd::next();
}

vrd::Task<void> Spf::tell(vrd::CommandCall call, SpfQuery query, bool json) {
  mailauth::SpfLimits limits = options_.limits;
  limits.steps = true;
  mailauth::TimedDns dns(host, vrd::milliseconds(4'000), vrd::milliseconds(15'000));
  SpfAnswer answer = co_await mailauth::check_spf(dns, query, limits);
  call.write(json ? spf::check_json(answer, query.ip) : spf::check_text(answer, query.ip, limits)).finish(0);
}

void Spf::check(vrd::CommandCall call) {
  common::Words words(call.arguments);
  bool json = words.flag("--json");
  SpfQuery query;
  query.ip = words.option("--ip");
  query.helo = words.option("--helo");
  query.sender = words.option("--from");
  query.receiver = words.option("--receiver", options_.hostname);
  query.now = host.wall_ms() / 1000;
  if (query.sender.starts_with('<') && query.sender.ends_with('>')) query.sender = query.sender.substr(1, query.sender.size() - 2);
  if (!words.left.empty() || !common::address_octets(query.ip) || (query.helo.empty() && query.sender.empty())) {
    call.error("usage: veredus check spf --ip ADDRESS --helo NAME [--from ADDRESS] [--receiver NAME] [--dns ADDRESS:PORT] [--time EPOCH]; without --from: the null sender\n").finish(64);
    return;
  }
  tasks_.spawn(tell(std::move(call), std::move(query), json));
}

vrd::Task<void> Spf::tell_published(vrd::CommandCall call, std::string domain, bool json) {
  mailauth::TimedDns dns(host, vrd::milliseconds(4'000), vrd::milliseconds(15'000));
  common::Report report = co_await spf::check_published(dns, domain);
  call.write(json ? report.json(domain) : report.text(domain)).finish(0);
}

void Spf::check_record(vrd::CommandCall call) {
  common::Words words(call.arguments);
  bool json = words.flag("--json");
  bool of_domain = words.left.size() == 1 && !words.left[0].empty() && words.left[0][0] != '-';
  if (!words.left.empty() && !of_domain) {
    call.error("usage: veredus check spf-record [DOMAIN] [--dns ADDRESS:PORT], or a record on standard input\n").finish(64);
    return;
  }
  if (of_domain) {
    tasks_.spawn(tell_published(std::move(call), common::lowered(words.left[0]), json));
    return;
  }
  common::Report report = spf::check_record(common::read_input(kMostInput));
  call.write(json ? report.json() : report.text()).finish(0);
}

constexpr vrd::About kAbout{"spf", "0.1", "Apache-2.0", "Whether clients may use the domains of senders, by SPF (RFC 7208)"};
constexpr vrd_setting action_on(const char* key, const char* doc) { return vrd::setting(key, VRD_SETTING_CHOICE, "mark", "accept|mark|tempfail|reject", doc); }
constexpr vrd_setting kSettings[] = {
    vrd::setting("helo", VRD_SETTING_CHOICE, "null_sender", "null_sender|always|never", "When the name of HELO is checked: for the null sender, always (beside the sender, only to be told), never."),
    vrd::setting("actions", VRD_SETTING_RECORD, nullptr, nullptr, "What becomes of mail, by result: accept goes on and tells nothing; mark tells it in Authentication-Results; tempfail and reject refuse."),
    action_on("actions.none", "The domain has no record."),
    action_on("actions.neutral", "The domain says nothing of the client."),
    action_on("actions.pass", "The client may use the domain."),
    action_on("actions.fail", "The client may not use the domain."),
    action_on("actions.softfail", "The client probably may not."),
    action_on("actions.temperror", "DNS did not answer; tempfail lets the client try again."),
    action_on("actions.permerror", "The record has an error."),
    vrd::setting("reply", VRD_SETTING_TEXT, "\"{client} may not send mail for {domain} (SPF {result})\"", "1..200", "Text of the reply that refuses; {client}, {domain}, {identity} and {result} are filled in."),
    vrd::setting("explanation", VRD_SETTING_BOOL, "true", nullptr, "Add the explanation that the domain publishes to the reply."),
    vrd::setting("received_spf", VRD_SETTING_BOOL, "false", nullptr, "Add a Received-SPF field as well."),
    vrd::setting("trusted", VRD_SETTING_NETWORK, "[127.0.0.0/8, \"::1\"]", nullptr, "Clients that are not checked, such as forwarders to this host; core.relay_networks are not either.", VRD_SETTING_LIST),
    vrd::setting("lookups", VRD_SETTING_INT, "10", "1..50", "Terms that may ask DNS, of a check; more is permerror. RFC 7208 says 10."),
    vrd::setting("void_lookups", VRD_SETTING_INT, "2", "0..50", "Questions that may find nothing, of a check; more is permerror."),
    vrd::setting("mx_hosts", VRD_SETTING_INT, "10", "1..50", "Mail exchangers that an `mx` may lead to; more is permerror."),
    vrd::setting("ptr_names", VRD_SETTING_INT, "10", "1..50", "Names of the client that a `ptr` looks at."),
    vrd::setting("dns_timeout", VRD_SETTING_DURATION, "5s", "100ms..30s", "How long one question may take."),
    vrd::setting("check_timeout", VRD_SETTING_DURATION, "20s", "100ms..25s", "How long a check may take; after that the result is temperror."),
};
constexpr vrd::Hook kHooks[] = {
    vrd::co_hook<&Spf::on_mail, 60'000>(VRD_STAGE_MAIL, {.may = VRD_MAY_NOTES | VRD_MAY_AUTHRES, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&Spf::on_message>(VRD_STAGE_MESSAGE, {.may = VRD_MAY_HEADERS, .on_fault = VRD_ON_FAULT_NEXT}),
};
constexpr vrd::Command kCommands[] = {
    vrd::command<&Spf::check>("check spf", "--ip ADDRESS --helo NAME [--from ADDRESS] [--receiver NAME]", "Check a client and a sender as the daemon does, and tell each step and what to mend.", VRD_COMMAND_OFFLINE),
    vrd::command<&Spf::check_record>("check spf-record", "[DOMAIN]", "Look at the record of a domain and all that it leads to, or at one on standard input; say whether it is valid, and what to mend.", VRD_COMMAND_OFFLINE),
};

}  // namespace

VEREDUS_PLUGIN(Spf, kAbout, kSettings, kHooks, kCommands)
