// `veredus check tls HOST`: every address of a host is connected to, and judged as each level would.
#include "main/check_judge.h"
#include "main/check_world.h"

namespace veredus {

namespace {

constexpr size_t kMostAddresses = 6;

struct Looked {
  DaneLookup dane;
  std::vector<SmtpProbe> probes;
};

Task<void> probe_into(CheckWorld* world, ProbeOptions options, SmtpProbe* out) {
  *out = co_await probe_smtp(world->loop, std::move(options), world->deadline);
}

Task<void> probe_all(CheckWorld& world, Looked& looked) {
  size_t count = std::min(looked.dane.addresses.size(), kMostAddresses);
  looked.probes.resize(count);
  Scope scope(world.loop);
  for (size_t i = 0; i < count; ++i) {
    ProbeOptions options;
    options.to = Endpoint{looked.dane.addresses[i], world.options.port};
    looked.probes[i].to = options.to;
    looked.probes[i].problem = "there was no time left to look at it";
    options.helo = world.helo;
    options.sni = !world.options.name.empty() ? world.options.name : world.options.address ? std::string() : world.options.target;
    options.implicit = world.options.implicit;
    scope.spawn(probe_into(&world, std::move(options), &looked.probes[i]));
  }
  (void)co_await scope.idle(Deadline{world.deadline.when + Millis(200)});
}

std::string word_of(const SmtpProbe& probe, const CertificateVerdict& verdict) {
  switch (probe.end) {
    case SmtpProbe::End::unreachable: return "unreachable";
    case SmtpProbe::End::no_smtp: return "no-smtp";
    case SmtpProbe::End::no_starttls: return "no-starttls";
    case SmtpProbe::End::starttls_refused:
    case SmtpProbe::End::injected:
    case SmtpProbe::End::handshake_failed: return "tls-failed";
    default: return verdict.fault == CertificateFault::none ? "valid" : "untrusted";
  }
}

CertificateVerdict verdict_of(const CheckWorld& world, const SmtpProbe& probe) {
  CertificateVerdict out;
  std::vector<std::string> names;
  if (!world.options.name.empty()) names = {world.options.name};
  else if (!world.options.address) names = {world.options.target};
  if (!probe.secured()) out.fault = CertificateFault::missing, out.text = "there is no certificate to look at";
  else if (!world.anchors) out.fault = CertificateFault::not_trusted, out.text = "there are no trust anchors: " + world.anchors_problem;
  else out = verify_chain(probe.tls.peer_chain, *world.anchors, names, world.clock.wall());
  return out;
}

std::string summary_of(const SmtpProbe& probe, const CertificateVerdict& verdict, WallTime now) {
  if (!probe.secured()) return probe.problem;
  std::string out = probe.tls.text() + ", ";
  if (verdict.fault != CertificateFault::none) return out + verdict.text;
  CertificateFacts facts = certificate_facts(probe.tls.peer_chain[0]);
  return out + "the certificate is good, " + expiry_text(facts, now);
}

void describe_dns(CheckReport& report, const CheckWorld& world, const DaneLookup& dane) {
  report.data("host", world.options.target);
  report.data("port", world.options.port);
  if (world.options.address) return;
  report.note("resolver", world.resolver_note);
  std::string security = dane.secure_addresses ? "authentic (DNSSEC)" : "not signed";
  if (!dane.addresses.empty()) report.note("dns", "the addresses are " + security + (dane.canonical == world.options.target ? "" : "; the name is an alias of " + dane.canonical));
  report.data("secure", dane.secure_addresses);
}

void report_on(CheckWorld& world, const Looked& looked, const SmtpProbe& probe) {
  WallTime now = world.clock.wall();
  CertificateVerdict verdict = verdict_of(world, probe);
  std::vector<std::string> names{looked.dane.base, world.options.target};
  DaneOutcome dane = judge_dane(looked.dane, probe, names, now);
  CheckReport report(world.options.target + " " + probe.to.text());
  report.result(word_of(probe, verdict), summary_of(probe, verdict, now));
  describe_dns(report, world, looked.dane);
  describe_conversation(report, probe);
  describe_chain(report, probe, now);
  if (probe.secured())
    report.note("verification", verdict.fault == CertificateFault::none ? "good, by " + world.ca : verdict.text,
                {{"fault", std::string(certificate_fault_word(verdict.fault))}, {"text", verdict.text}});
  describe_tlsa(report, looked.dane);
  if (!world.options.address) report.note("dane", dane.text);
  describe_extras(report, probe);
  describe_mail(report, probe, verdict, dane);
  advise_on_tls(report, probe, verdict, dane, now);
  if (looked.dane.state == DaneLookup::State::records) advise_on_dane(report, looked.dane, probe, dane, now);
  world.reports.push_back(std::move(report));
}

void report_no_address(CheckWorld& world, const DaneLookup& dane) {
  CheckReport report(world.options.target);
  report.result(dane.state == DaneLookup::State::no_addresses ? "none" : dane.bogus ? "bogus" : "dns-failed", dane.problem);
  report.note("resolver", world.resolver_note);
  report.note("mail", std::string("to this host ") + (dane.state == DaneLookup::State::no_addresses ? "cannot be sent: it has no addresses" : "waits until DNS answers"));
  world.reports.push_back(std::move(report));
}

Task<void> story(CheckWorld& world) {
  Looked looked;
  looked.dane = co_await find_dane(*world.resolver, world.options.target, world.options.port, world.deadline);
  if (looked.dane.addresses.empty()) {
    report_no_address(world, looked.dane);
    co_return;
  }
  co_await probe_all(world, looked);
  for (const SmtpProbe& probe : looked.probes) report_on(world, looked, probe);
}

}  // namespace

int check_tls(const CheckCall& call) { return run_check(call, "host", story); }

}  // namespace veredus
