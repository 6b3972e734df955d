// dmarc: judges mail by the DMARC policy of the domain in its From field (RFC 9989), and sends the reports that domains ask for (RFC 9990).
// Settings and counters are the plugin's; what is counted is each loop's; loop 0 sends. See README.md.
#include "check.h"
#include "common/report.hpp"
#include "judge.h"
#include "mailauth/base/message_input.h"
#include "mailauth/base/received.h"
#include "mailauth/spf/timed_dns.h"
#include "sender.hpp"

#include <fstream>
#include <sstream>

namespace {

using dmarc::Deed;
using dmarc::Judgement;
constexpr size_t kMostMessage = 64 << 20;
constexpr const char* kMetricResults[] = {"none", "pass", "fail", "temperror", "permerror", nullptr};

class Dmarc : public vrd::Plugin<> {
 public:
  explicit Dmarc(vrd::Setup& setup)
      : Plugin(setup),
        options(setup),
        checked(setup.metric(VRD_METRIC_COUNTER, "checked_total", "Messages by their result", "result", kMetricResults)),
        counted(setup.counter("counted_total", "Messages counted for reports")),
        lost(setup.counter("lost_total", "Messages not counted, because there was no room")),
        reports{setup.counter("sent_total", "Reports sent"), setup.counter("failed_total", "Attempts to send a report that failed")},
        tasks_(host) {}

  class Shard;
  void check(vrd::CommandCall call);
  void org_domain(vrd::CommandCall call);
  void report(vrd::CommandCall call);
  void send(vrd::CommandCall call);

  const dmarc::Options options;
  const vrd::Metric checked, counted, lost;
  const common::DailyReports::Counters reports;
  Shard* first = nullptr;  // commands and loop 0 are one thread

 private:
  vrd::Task<void> tell_check(vrd::CommandCall call, dmarc::CheckQuery query, bool json);
  vrd::Task<void> tell_org(vrd::CommandCall call, std::string name, std::shared_ptr<const mailauth::PublicSuffixes> list, bool json);
  std::shared_ptr<const mailauth::PublicSuffixes> suffixes(vrd::CommandCall& call, const std::string& path, bool& good) const;
  common::Tasks tasks_;
};

class Dmarc::Shard : public vrd::ShardOf<Dmarc> {
 public:
  explicit Shard(const vrd::ShardSetup<Dmarc>& setup) : ShardOf(setup), collector_(host, loop, plugin.options.memory) {
    if (loop != 0) return;
    const dmarc::Options& options = plugin.options;
    reports.emplace(host, std::make_unique<dmarc::ReportKind>(host, options), options.reporter.submitter, options.times, plugin.reports,
                    options.reports == dmarc::Reports::send);
    plugin.first = this;
  }
  ~Shard() {
    if (plugin.first == this) plugin.first = nullptr;
  }
  vrd::Task<vrd::Verdict> on_message(vrd::CoCall call);

  std::optional<common::DailyReports> reports;  // of loop 0

 private:
  bool spares(const vrd::View& view) const;
  static dmarc::Facts facts_of(const vrd::View& view);
  static void tell(vrd::CoCall& call, const Judgement& judgement);
  static vrd::Verdict verdict_of(const Judgement& judgement);
  void count(const vrd::View& view, const mailauth::DmarcAnswer& answer, const dmarc::Facts& facts, const Judgement& judgement);
  bool is_own_report(const vrd::View& view) const;
  dmarc::Collector collector_;
};

// Mail of our own, and what trusted hosts pass on, is not judged.
bool Dmarc::Shard::spares(const vrd::View& view) const {
  std::string_view role = view.text(VRD_ATTR_LISTENER_ROLE);
  if (view.has(VRD_ATTR_AUTH_ACCOUNT) || role == "submission" || role == "relay" || role == "lmtp") return true;
  const auto address = common::address_octets(view.text(VRD_ATTR_CLIENT_ADDRESS));
  return !address || common::any_matches(plugin.options.trusted, *address);
}

// Of SPF only the identity of MAIL counts, which is that of HELO for the null sender (RFC 7208 2.4).
dmarc::Facts Dmarc::Shard::facts_of(const vrd::View& view) {
  dmarc::Facts out;
  out.client = view.text(VRD_ATTR_CLIENT_ADDRESS);
  out.client_name = view.text(VRD_ATTR_CLIENT_NAME);
  bool null_sender = view.text(VRD_ATTR_SENDER).empty();
  for (const vrd::AuthResult& one : view.auth_results()) {
    if (one.method == "arc" && one.result == "pass") out.sealer = one.property("policy.trusted");
    if (one.method == "dkim" && one.result != "none")
      out.input.dkim.push_back({std::string(one.property("header.d")), std::string(one.property("header.s")), one.result});
    if (one.method != "spf") continue;
    std::string domain(one.property("smtp.mailfrom"));
    if (domain.empty() && null_sender) domain = one.property("smtp.helo");
    if (domain.empty()) continue;
    out.input.spf.push_back({domain.substr(domain.rfind('@') + 1), one.result});
  }
  return out;
}

void Dmarc::Shard::tell(vrd::CoCall& call, const Judgement& judgement) {
  std::vector<vrd_pair> pairs;
  vrd::Edits& edits = call.edits();
  const auto& properties = judgement.properties;
  edits.note("dmarc.result", judgement.result);
  edits.note("dmarc.policy", judgement.wanted);
  if (!judgement.told) return;
  if (properties.empty()) edits.authres("dmarc", judgement.result, judgement.reason);
  else if (properties.size() == 1)
    edits.authres("dmarc", judgement.result, judgement.reason, {{properties[0].first, properties[0].second}});
  else
    edits.authres("dmarc", judgement.result, judgement.reason,
                  {{properties[0].first, properties[0].second}, {properties[1].first, properties[1].second}});
}

vrd::Verdict Dmarc::Shard::verdict_of(const Judgement& judgement) {
  if (judgement.deed == Deed::reject) return vrd::reject(judgement.status, judgement.text).rule(judgement.rule);
  if (judgement.deed == Deed::tempfail) return vrd::tempfail(judgement.status, judgement.text).rule(judgement.rule);
  if (judgement.deed == Deed::hold) return vrd::hold().rule(judgement.rule);
  return vrd::next();
}

// A receiver that reports on our reports, as we on its, would do so for ever.
bool Dmarc::Shard::is_own_report(const vrd::View& view) const {
  if (view.text(VRD_ATTR_SENDER) != plugin.options.reporter.from) return false;
  auto subject = view.header("Subject");
  return subject && subject->find("Report Domain:") != subject->npos;
}

// The one domain of all recipients; empty: there are several.
std::string recipient_domain(const vrd::View& view) {
  std::string out;
  for (uint32_t i = 0; i < view.recipients(); ++i) {
    std::string_view domain = view.text(VRD_ATTR_RECIPIENT_DOMAIN, i);
    if (i > 0 && domain != out) return {};
    out = domain;
  }
  return out;
}

void Dmarc::Shard::count(const vrd::View& view, const mailauth::DmarcAnswer& answer, const dmarc::Facts& facts,
                         const Judgement& judgement) {
  bool known = answer.result == "pass" || answer.result == "fail";
  if (!known || plugin.options.reports == dmarc::Reports::off || answer.policy_at.record->rua.empty() || is_own_report(view)) return;
  auto row = dmarc::row_of(answer, facts, judgement, std::string(view.text(VRD_ATTR_SENDER_DOMAIN)));
  if (plugin.options.report_recipients) row.envelope_to = recipient_domain(view);
  bool kept = collector_.add(dmarc::policy_of(answer), std::move(row));
  (kept ? plugin.counted : plugin.lost).add();
}

vrd::Task<vrd::Verdict> Dmarc::Shard::on_message(vrd::CoCall call) {
  if (spares(call)) co_return vrd::next();
  mailauth::Author author = mailauth::author_of_message(mailauth::received_header(call));  // what its domain sent, not what became of it here
  Judgement judgement;
  if (!dmarc::needs_check(author)) {
    judgement = dmarc::judge_author(author, plugin.options);
  } else {
    dmarc::Facts facts = facts_of(call);
    facts.input.authors = std::move(author.domains);
    mailauth::TimedDns dns(host, plugin.options.dns_timeout, plugin.options.check_timeout);
    mailauth::DmarcOptions options;
    options.list = plugin.options.suffixes;
    mailauth::DmarcAnswer answer = co_await mailauth::check_dmarc(dns, facts.input, options);
    judgement = dmarc::judge(answer, facts, plugin.options);
    count(call, answer, facts, judgement);
  }
  for (uint32_t i = 0; kMetricResults[i]; ++i)
    if (judgement.result == kMetricResults[i]) plugin.checked.add(1, i);
  std::string from = judgement.properties.empty() ? "" : judgement.properties.front().second;
  host.info("checked",
            {{"result", judgement.result},
             {"from", from},
             {"policy", judgement.wanted},
             {"disposition", judgement.disposition},
             {"reason", judgement.reason}},
            call);
  tell(call, judgement);
  co_return verdict_of(judgement);
}

std::shared_ptr<const mailauth::PublicSuffixes> Dmarc::suffixes(vrd::CommandCall& call, const std::string& path, bool& good) const {
  if (path.empty()) return options.suffixes;
  auto list = mailauth::PublicSuffixes::load(path);
  good = list != nullptr;
  if (!good)
    call.error("veredus: " + common::printable(path) + " is no list of public suffixes that can be read (Debian: package publicsuffix)\n")
        .finish(66);
  return list;
}

vrd::Task<void> Dmarc::tell_check(vrd::CommandCall call, dmarc::CheckQuery query, bool json) {
  mailauth::TimedDns dns(host, vrd::milliseconds(4'000), vrd::milliseconds(15'000));
  dmarc::Checked checked_message = co_await dmarc::check_message(dns, std::move(query));
  call.write(json ? dmarc::checked_json(checked_message) : dmarc::checked_text(checked_message)).finish(0);
}

void Dmarc::check(vrd::CommandCall call) {
  common::Words words(call.arguments);
  dmarc::CheckQuery query;
  bool json = words.flag("--json"), good = true;
  std::string psl = words.option("--psl");
  query.ip = words.option("--ip");
  query.helo = words.option("--helo");
  query.sender = words.option("--from");
  query.now = words.number("--time", host.wall_ms() / 1000, 0, 253'402'300'799);
  if (query.sender.starts_with('<') && query.sender.ends_with('>')) query.sender = query.sender.substr(1, query.sender.size() - 2);
  bool address = query.ip.empty() || common::address_octets(query.ip);
  if (!words.left.empty() || !address || query.now < 0) {
    call.error(
            "usage: veredus check dmarc [--ip ADDRESS --helo NAME --from ADDRESS] [--psl FILE] [--dns ADDRESS:PORT] [--time EPOCH] < "
            "MESSAGE\n")
        .finish(64);
    return;
  }
  query.suffixes = suffixes(call, psl, good);
  if (!good) return;
  query.message = common::read_input(kMostMessage);
  if (query.message.size() > kMostMessage) {
    call.error("veredus: the message is larger than 64 MiB\n").finish(65);
    return;
  }
  query.message = mailauth::message_input(query.message).octets;
  tasks_.spawn(tell_check(std::move(call), std::move(query), json));
}

vrd::Task<void> Dmarc::tell_org(vrd::CommandCall call, std::string name, std::shared_ptr<const mailauth::PublicSuffixes> list, bool json) {
  mailauth::TimedDns dns(host, vrd::milliseconds(4'000), vrd::milliseconds(15'000));
  mailauth::Discovery discovery(dns, std::move(list));
  mailauth::OrgDomain org = co_await discovery.org_domain(name);
  call.write(json ? dmarc::org_json(org, name) : dmarc::org_text(org)).finish(0);
}

void Dmarc::org_domain(vrd::CommandCall call) {
  common::Words words(call.arguments);
  bool json = words.flag("--json"), good = true;
  std::string psl = words.option("--psl"), name = words.left.size() == 1 ? mailauth::domain_of(words.left[0]) : "";
  if (name.empty()) {
    call.error("usage: veredus check orgdomain NAME [--psl FILE] [--dns ADDRESS:PORT]\n").finish(64);
    return;
  }
  auto list = suffixes(call, psl, good);
  if (good) tasks_.spawn(tell_org(std::move(call), std::move(name), std::move(list), json));
}

void Dmarc::report(vrd::CommandCall call) {
  common::Words words(call.arguments);
  bool json = words.flag("--json");
  if (words.left.size() != 1) {
    call.error("usage: veredus dmarc report FILE [--json]; - is standard input\n").finish(64);
    return;
  }
  std::string octets;
  if (words.left[0] == "-") {
    octets = common::read_input(kMostMessage);
  } else {
    std::ifstream file(words.left[0], std::ios::binary);
    octets.resize(kMostMessage + 1);
    file.read(octets.data(), static_cast<std::streamsize>(octets.size()));
    octets.resize(static_cast<size_t>(file.gcount()));
    if (!file && !file.eof()) {
      call.error("veredus: " + common::printable(words.left[0]) + " cannot be read\n").finish(66);
      return;
    }
  }
  dmarc::Told told = dmarc::tell_reports(octets, json);
  if (told.code != 0) call.error("veredus: " + told.error);
  call.write(told.text).finish(told.code);
}

void Dmarc::send(vrd::CommandCall call) {
  common::DailyReports* reports_of = first && first->reports ? &*first->reports : nullptr;
  common::DailyReports::command(reports_of, host, "dmarc", std::move(call));
}

constexpr vrd::About kAbout{"dmarc", "0.1", "Apache-2.0",
                            "Whether mail may be in the name of the domain in its From field, by DMARC (RFC 9989), and reports (RFC 9990)"};
constexpr vrd_setting action_on(const char* key, const char* dflt, const char* words, const char* doc) {
  return vrd::setting(key, VRD_SETTING_CHOICE, dflt, words, doc);
}
constexpr vrd_setting kSettings[] = {
    vrd::setting("enforce", VRD_SETTING_BOOL, "false", nullptr,
                 "Treat mail that fails as its domain asks for, by actions.quarantine and actions.reject. false: results are only told, in "
                 "Authentication-Results and notes."),
    vrd::setting(
        "actions", VRD_SETTING_RECORD, nullptr, nullptr,
        "What becomes of mail, by result: accept goes on and tells nothing; mark tells it in Authentication-Results; hold keeps it "
        "for a release; tempfail and reject refuse."),
    action_on("actions.none", "mark", "accept|mark|hold|reject", "The domain has no policy."),
    action_on("actions.pass", "mark", "accept|mark", "The message may bear the domain's name."),
    action_on("actions.fail", "mark", "accept|mark",
              "It fails, and nothing is enforced: the domain does not ask for it, or there is a reason not to."),
    action_on("actions.quarantine", "hold", "accept|mark|hold|reject", "With enforce: it fails, and the domain's policy is quarantine."),
    action_on("actions.reject", "reject", "accept|mark|hold|reject", "With enforce: it fails, and the domain's policy is reject."),
    action_on("actions.temperror", "mark", "accept|mark|tempfail", "DNS did not answer; tempfail lets the client try again."),
    action_on("actions.permerror", "mark", "accept|mark|hold|reject", "The domain's record has an error."),
    action_on("actions.bad_from", "reject", "accept|mark|hold|reject",
              "There is no From field, or several, or one that cannot be read: DMARC cannot protect anybody from such mail."),
    vrd::setting("trusted", VRD_SETTING_NETWORK, "[127.0.0.0/8, \"::1\"]", nullptr,
                 "Clients whose mail is not judged, such as hosts in front of this one; core.relay_networks are not either.",
                 VRD_SETTING_LIST),
    vrd::setting("forwarders", VRD_SETTING_NETWORK, nullptr, nullptr,
                 "Known forwarders: mail that fails is taken from them, whatever its domain asks for.", VRD_SETTING_LIST),
    vrd::setting("forwarder_domains", VRD_SETTING_PATTERN, nullptr, nullptr,
                 "Known forwarders, by the client's verified name, or by a domain for which SPF or DKIM passes.", VRD_SETTING_LIST),
    vrd::setting("exempt", VRD_SETTING_PATTERN, nullptr, nullptr, "Author domains whose policy is not enforced.", VRD_SETTING_LIST),
    vrd::setting("arc", VRD_SETTING_BOOL, "true", nullptr,
                 "Take mail that fails when a sealer that the plugin arc trusts says that it passed there."),
    vrd::setting("public_suffixes", VRD_SETTING_PATH, nullptr, nullptr,
                 "Find organisational domains with this list of public suffixes, as RFC 7489 did. Unset: by DNS, as RFC 9989 does."),
    vrd::setting("dns_timeout", VRD_SETTING_DURATION, "5s", "100ms..30s", "How long one question may take."),
    vrd::setting("check_timeout", VRD_SETTING_DURATION, "20s", "100ms..50s",
                 "How long all questions on a message may take; after that the result is temperror."),
    vrd::setting("reports", VRD_SETTING_CHOICE, "send", "send|keep|off",
                 "Aggregate reports to domains that ask for them: sent every day; kept, and sent by 'veredus dmarc send' only; none."),
    vrd::setting("report_recipients", VRD_SETTING_BOOL, "false", nullptr,
                 "Tell the domain of the recipients in reports (envelope_to), of messages to one domain: more rows, and others see which domains are here."),
    vrd::setting("organization", VRD_SETTING_TEXT, nullptr, "1..200", "Who reports: org_name of the reports. Default: submitter."),
    vrd::setting("contact", VRD_SETTING_TEXT, nullptr, "1..300", "Whom else to ask: extra_contact_info of the reports."),
    vrd::setting("submitter", VRD_SETTING_TEXT, nullptr, "1..253",
                 "Domain that reports, in subjects and names of files. Default: hostname."),
    vrd::setting("from", VRD_SETTING_TEXT, nullptr, "3..320",
                 "Sender of the reports; its domain should sign them with DKIM. Default: the postmaster."),
    vrd::setting("memory", VRD_SETTING_SIZE, "32MiB", "64KiB..4GiB",
                 "Room for what is counted a day, on each loop. When half of it is used, less is told of a message."),
    vrd::setting("report_size", VRD_SETTING_SIZE, "10MiB", "16KiB..50MiB",
                 "A report's message is not larger; records of the fewest messages are left out."),
    vrd::setting("spread", VRD_SETTING_DURATION, "4h", "0s..20h",
                 "Reports of a day are sent within this after midnight UTC, each domain's at its own time."),
    vrd::setting("check", VRD_SETTING_DURATION, "5m", "100ms..1h",
                 "How often it is looked for reports whose time has come, and those that failed are tried again."),
    vrd::setting("give_up", VRD_SETTING_DURATION, "1d", "1h..2d", "A report that could not be sent so long after its day is dropped."),
};
constexpr vrd::Hook kHooks[] = {
    vrd::co_hook<&Dmarc::Shard::on_message, 60'000>(
        VRD_STAGE_MESSAGE, {.may = VRD_MAY_AUTHRES | VRD_MAY_NOTES, .needs = VRD_NEED_CONTENT | VRD_NEED_RECEIVED, .on_fault = VRD_ON_FAULT_NEXT}),
};
constexpr vrd::Command kCommands[] = {
    vrd::command<&Dmarc::check>("check dmarc", "[--ip ADDRESS --helo NAME --from ADDRESS] [--psl FILE]",
                                "Judge a message on standard input by DMARC, with SPF when --ip is given, and DKIM.", VRD_COMMAND_OFFLINE),
    vrd::command<&Dmarc::org_domain>("check orgdomain", "NAME [--psl FILE]",
                                     "Find the organisational domain of a name, by DNS or with a list of public suffixes.",
                                     VRD_COMMAND_OFFLINE),
    vrd::command<&Dmarc::report>(
        "dmarc report", "FILE",
        "Read an aggregate report (XML, gzip, zip, or the mail that carried it; - is standard input): sources, results, what to look at.",
        VRD_COMMAND_OFFLINE),
    vrd::command<&Dmarc::send>("dmarc send", "[--day YYYY-MM-DD]",
                               "Send the reports of a day, by default of yesterday, that were not sent yet; a line each."),
};

}  // namespace

VEREDUS_PLUGIN(Dmarc, kAbout, kSettings, kHooks, kCommands)
