// tls-report: TLS reports (RFC 8460): counts how connections to next hops were secured, and tells domains that ask for it. See README.md.
#include "collector.hpp"
#include "common/report.hpp"
#include "sender.hpp"

namespace {

using tls_report::Options;
constexpr size_t kMostInput = 32 << 20;

Options options_of(const vrd::Host& host, const vrd::Conf& conf) {
  Options out;
  std::string hostname(host.core("hostname")), postmaster(host.core("postmaster"));
  auto text = [&](const char* key, const std::string& otherwise) { return conf[key] ? std::string(conf.text(key)) : otherwise; };
  out.author.submitter = text("submitter", hostname);
  out.author.organization = text("organization", out.author.submitter);
  out.author.contact = text("contact", postmaster);
  out.author.sender = text("from", postmaster.empty() ? "postmaster@" + hostname : postmaster);
  out.ca_file = conf.text("ca_file");
  out.times = {conf.duration("spread"), conf.duration("check"), conf.duration("give_up")};
  out.timeout = conf.duration("post_timeout");
  return out;
}

class TlsReport : public vrd::Plugin<> {
 public:
  explicit TlsReport(vrd::Setup& setup)
      : Plugin(setup),
        options(options_of(host, setup.conf)),
        domains(static_cast<size_t>(setup.conf.number("domains"))),
        send_reports(setup.conf.flag("send")),
        sessions(setup.counter("sessions_total", "Connections counted")),
        lost(setup.counter("lost_total", "Connections not counted, because there were too many domains")),
        reports{setup.counter("sent_total", "Reports sent"), setup.counter("failed_total", "Attempts to send a report that failed")} {}

  struct Shard : vrd::ShardOf<TlsReport> {
    explicit Shard(const vrd::ShardSetup<TlsReport>& setup) : ShardOf(setup), collector_(host, loop, plugin.domains) {
      if (loop != 0) return;
      const Options& options = plugin.options;
      reports.emplace(host, std::make_unique<tls_report::ReportKind>(host, options), options.author.submitter, options.times, plugin.reports,
                      plugin.send_reports);
      plugin.first = this;
    }
    ~Shard() {
      if (plugin.first == this) plugin.first = nullptr;
    }
    void on_connected(const vrd::Call& call) {
      tls_report::Session session;
      session.domain = call.text(VRD_ATTR_POLICY_DOMAIN);
      session.result = call.text(VRD_ATTR_TLS_RESULT);
      if (session.result.empty() || !tls_report::is_domain(session.domain)) return;
      session.type = call.text(VRD_ATTR_POLICY_TYPE);
      session.text = tls_report::lines_of(call.text(VRD_ATTR_POLICY_TEXT));
      session.mx = tls_report::lines_of(call.text(VRD_ATTR_POLICY_MX));
      session.problem = call.text(VRD_ATTR_TLS_PROBLEM);
      session.source = call.text(VRD_ATTR_SOURCE_ADDRESS);
      session.host = call.text(VRD_ATTR_REMOTE_HOST);
      session.address = call.text(VRD_ATTR_REMOTE_ADDRESS);
      if (collector_.add(std::move(session))) plugin.sessions.add();
      else plugin.lost.add();
    }
    // Our own reports go also where TLS fails (RFC 8460 5.3, RFC 8689 5).
    vrd::Verdict on_headers(vrd::Call& call) const {
      bool ours = call.text(VRD_ATTR_PROTOCOL) == "internal" && call.text(VRD_ATTR_SENDER) == plugin.options.author.sender;
      if (ours && call.header("TLS-Report-Submitter") && call.header("TLS-Required")) call.edits().note("tls.required", "no");
      return vrd::next();
    }
    std::optional<common::DailyReports> reports;  // of loop 0

   private:
    tls_report::Collector collector_;
  };

  void send(vrd::CommandCall call);
  void check(vrd::CommandCall call);

  const Options options;
  const size_t domains;
  const bool send_reports;
  const vrd::Metric sessions, lost;
  const common::DailyReports::Counters reports;
  Shard* first = nullptr;  // commands and loop 0 are one thread
};

void TlsReport::send(vrd::CommandCall call) {
  common::DailyReports* reports_of = first && first->reports ? &*first->reports : nullptr;
  common::DailyReports::command(reports_of, host, "tls-report", std::move(call));
}

void TlsReport::check(vrd::CommandCall call) {
  common::Words words(call.arguments);
  bool json = words.flag("--json");
  if (!words.left.empty()) {
    call.error("usage: veredus check tlsrpt < REPORT\n").finish(64);
    return;
  }
  tls_report::Checked checked = tls_report::check_report(common::read_input(kMostInput));
  common::Report report;
  for (const auto& problem : checked.problems) report.line("problem", (problem.line ? "line " + std::to_string(problem.line) + ": " : "") + problem.text);
  for (const auto& [name, text] : checked.facts) report.line(name, text);
  report.result(checked.valid() ? "valid" : "invalid");
  call.write(json ? report.json() : report.text()).finish(0);
}

constexpr vrd::About kAbout{"tls-report", "0.1", "Apache-2.0", "TLS reports (RFC 8460): counts how connections were secured and tells domains that ask"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("organization", VRD_SETTING_TEXT, nullptr, "1..200", "Who reports: organization-name of the reports. Default: submitter."),
    vrd::setting("contact", VRD_SETTING_TEXT, nullptr, "1..300", "Whom to ask: contact-info of the reports. Default: the postmaster."),
    vrd::setting("submitter", VRD_SETTING_TEXT, nullptr, "1..253", "Domain that reports, in TLS-Report-Submitter and names. Default: hostname."),
    vrd::setting("from", VRD_SETTING_TEXT, nullptr, "3..320", "Sender of the mails. Default: the postmaster."),
    vrd::setting("ca_file", VRD_SETTING_PATH, nullptr, nullptr, "Certificates of the authorities to trust for reports by HTTPS; unset: those of the system."),
    vrd::setting("send", VRD_SETTING_BOOL, "true", nullptr, "Send reports every day. false: only 'veredus tls-report send' sends."),
    vrd::setting("spread", VRD_SETTING_DURATION, "4h", "0s..20h", "Reports of a day are sent within this after midnight UTC, each domain's at its own time."),
    vrd::setting("check", VRD_SETTING_DURATION, "5m", "100ms..1h", "How often it is looked for reports whose time has come, and those that failed are tried again."),
    vrd::setting("give_up", VRD_SETTING_DURATION, "1d", "1h..2d", "A report that could not be sent so long after its day is dropped."),
    vrd::setting("post_timeout", VRD_SETTING_DURATION, "60s", "1s..5m", "How long one report by HTTPS may take."),
    vrd::setting("domains", VRD_SETTING_INT, "100000", "1..10000000", "Domains counted a day, on each loop."),
};
using S = TlsReport::Shard;
constexpr vrd::Hook kHooks[] = {
    vrd::hook<&S::on_headers>(VRD_STAGE_HEADERS, {.may = VRD_MAY_NOTES, .needs = VRD_NEED_CONTENT, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_connected>(VRD_STAGE_CONNECTED),
};
constexpr vrd::Command kCommands[] = {
    vrd::command<&TlsReport::send>("tls-report send", "[--day YYYY-MM-DD]", "Send the reports of a day, by default of yesterday, that were not sent yet; a line each."),
    vrd::command<&TlsReport::check>("check tlsrpt", "", "Read a TLS report (JSON, or in gzip) from standard input and say whether it is valid, and what it tells.", VRD_COMMAND_OFFLINE),
};

}  // namespace

VEREDUS_PLUGIN(TlsReport, kAbout, kSettings, kHooks, kCommands)
