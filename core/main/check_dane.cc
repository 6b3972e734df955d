// `veredus check dane DOMAIN`: MX, addresses, TLSA records and the certificates behind them, and what follows for mail to the domain.
#include <algorithm>

#include "main/check_judge.h"
#include "main/check_world.h"

namespace veredus {

namespace {

using Kind = DaneOutcome::Kind;
using State = DaneLookup::State;
constexpr size_t kMostHosts = 12, kMostAddresses = 4;

struct Host {
  std::string name;
  uint16_t preference = 0;
  DaneLookup dane;
  std::vector<SmtpProbe> probes;
  std::string word;
};

struct Domain {
  std::string name;
  std::shared_ptr<const DnsAnswer> mx;
  std::vector<Host> hosts;
  bool null_mx = false, implicit = false;  // implicit: there is no MX, mail goes to the domain's own addresses
};

Task<void> probe_into(CheckWorld* world, ProbeOptions options, SmtpProbe* out) {
  *out = co_await probe_smtp(world->loop, std::move(options), world->deadline);
}

Task<void> look_at_host(CheckWorld* world, Host* host) {
  host->dane.problem = "there was no time left to look at it";
  host->dane = co_await find_dane(*world->resolver, host->name, world->options.port, world->deadline);
  size_t count = std::min(host->dane.addresses.size(), kMostAddresses);
  host->probes.resize(count);
  Scope scope(world->loop);
  for (size_t i = 0; i < count; ++i) {
    ProbeOptions options;
    options.to = Endpoint{host->dane.addresses[i], world->options.port};
    host->probes[i].to = options.to;
    host->probes[i].problem = "there was no time left to look at it";
    options.helo = world->helo;
    options.implicit = world->options.implicit;
    // RFC 7672 8.1: the name that the TLSA records were found under.
    options.sni = host->dane.state == State::records ? host->dane.base : host->name;
    scope.spawn(probe_into(world, std::move(options), &host->probes[i]));
  }
  (void)co_await scope.idle(Deadline{world->deadline.when + Millis(200)});
}

void take_hosts(Domain& domain) {
  for (const DnsRecord& record : domain.mx->records) {
    if (record.text.empty()) domain.null_mx = true;
    else domain.hosts.push_back({record.text, record.preference, {}, {}, {}});
  }
  std::stable_sort(domain.hosts.begin(), domain.hosts.end(), [](const Host& a, const Host& b) { return a.preference < b.preference; });
  if (domain.hosts.size() > kMostHosts) domain.hosts.resize(kMostHosts);
  domain.null_mx = domain.null_mx && domain.hosts.empty();
  domain.implicit = domain.mx->status == DnsStatus::no_data;
  if (domain.implicit) domain.hosts.push_back({domain.name, 0, {}, {}, {}});
}

std::string word_of(const DaneLookup& lookup) {
  switch (lookup.state) {
    case State::no_addresses: return "no-address";
    case State::failed: return lookup.bogus ? "bogus" : "dns-failed";
    case State::insecure: return "insecure";
    case State::none: return "none";
    default: return "unreachable";  // records; the probes say more
  }
}

std::string word_of(Kind kind) {
  switch (kind) {
    case Kind::matched: return "dane-ok";
    case Kind::mismatch: return "mismatch";
    case Kind::no_tls: return "no-tls";
    case Kind::unusable: return "unusable";
    default: return "unreachable";
  }
}

// From what breaks most to what is best.
size_t rank(const std::string& word) {
  static const std::vector<std::string> order{"bogus", "dns-failed", "mismatch", "no-tls", "unreachable", "no-address", "unusable", "insecure", "none", "dane-ok"};
  return static_cast<size_t>(std::find(order.begin(), order.end(), word) - order.begin());
}

std::string security_of(const Host& host) {
  std::string out = host.dane.secure_addresses ? "its addresses are authentic (DNSSEC)" : "its addresses are not signed";
  if (!host.dane.canonical.empty() && host.dane.canonical != host.name) out += "; it is an alias of " + host.dane.canonical + ", which RFC 5321 does not allow for an MX";
  return out;
}

// The level verify takes the name of a host only from signed MX records; else the certificate must be for the domain.
CertificateVerdict verdict_of(const CheckWorld& world, const Domain& domain, const Host& host, const SmtpProbe& probe) {
  CertificateVerdict out;
  std::vector<std::string> names{domain.name, "." + domain.name};
  if (domain.mx->authentic) names.push_back(host.name);
  if (!probe.secured()) out.fault = CertificateFault::missing, out.text = "there is no certificate to look at";
  else if (!world.anchors) out.fault = CertificateFault::not_trusted, out.text = "there are no trust anchors: " + world.anchors_problem;
  else out = verify_chain(probe.tls.peer_chain, *world.anchors, names, world.clock.wall());
  return out;
}

// RFC 7672 2.2.1: an MX that anybody may have forged leads to no host that could be authenticated.
DaneOutcome without_secure_mx(const Domain& domain) {
  DaneOutcome out;
  out.text = "the MX records of " + domain.name + " are not signed";
  return out;
}

void report_on_address(CheckWorld& world, const Domain& domain, Host& host, const SmtpProbe& probe) {
  WallTime now = world.clock.wall();
  std::vector<std::string> names{host.dane.base, host.name, domain.name};
  DaneOutcome dane = judge_dane(host.dane, probe, names, now);
  DaneOutcome for_mail = dane;
  if (!domain.mx->authentic) for_mail = without_secure_mx(domain);
  CheckReport report(host.name + " " + probe.to.text());
  std::string word = host.dane.state == State::records ? word_of(dane.kind) : word_of(host.dane);
  report.result(word, dane.text);
  report.data("kind", "host");
  report.data("host", host.name);
  report.data("preference", host.preference);
  report.data("secure", host.dane.secure_addresses);
  report.note("dns", security_of(host));
  describe_tlsa(report, host.dane);
  describe_conversation(report, probe);
  describe_chain(report, probe, now);
  describe_mail(report, probe, verdict_of(world, domain, host, probe), for_mail);
  advise_on_dane(report, host.dane, probe, dane, now);
  if (host.word.empty() || rank(word) < rank(host.word)) host.word = word;
  world.reports.push_back(std::move(report));
}

void report_on_host(CheckWorld& world, const Domain& domain, Host& host) {
  for (const SmtpProbe& probe : host.probes) report_on_address(world, domain, host, probe);
  if (!host.probes.empty()) return;
  host.word = word_of(host.dane);
  CheckReport report(host.name);
  report.result(host.word, host.dane.problem);
  report.data("kind", "host");
  report.data("host", host.name);
  report.note("mail", host.dane.state == State::no_addresses ? "cannot be sent to this host: it has no addresses" : "is not sent to this host until DNS answers");
  if (host.dane.state == State::no_addresses) report.fix("take the MX record away, or give the host an address");
  if (host.dane.bogus) report.fix("mend the signatures of the zone: until then nobody who validates can send mail here");
  world.reports.push_back(std::move(report));
}

std::string worst_of(const Domain& domain) {
  std::string worst, best;
  for (const Host& host : domain.hosts) {
    if (worst.empty() || rank(host.word) < rank(worst)) worst = host.word;
    if (best.empty() || rank(host.word) > rank(best)) best = host.word;
  }
  bool mixed = best == "dane-ok" && (worst == "none" || worst == "insecure" || worst == "unusable");
  return mixed ? "partial" : worst;
}

size_t usable_hosts(const Domain& domain) {
  return static_cast<size_t>(std::count_if(domain.hosts.begin(), domain.hosts.end(), [](const Host& host) {
    return host.word == "dane-ok" || host.word == "unusable" || host.word == "none" || host.word == "insecure";
  }));
}

std::string summary_of(const Domain& domain, const std::string& word) {
  std::string hosts = std::to_string(domain.hosts.size()) + (domain.hosts.size() == 1 ? " host" : " hosts");
  if (word == "dane-ok") return "mail is authenticated by DANE at " + (domain.hosts.size() == 1 ? "its host" : "all " + hosts);
  if (word == "partial") return "some of the " + hosts + " have DANE and some have not; who can choose the host can choose the one without";
  if (word == "none") return "the zones are signed and there are no TLSA records";
  if (word == "insecure") return domain.mx->authentic ? "the MX records are signed, the hosts are not" : "the MX records are not signed: who can forge them can have the mail";
  if (word == "unusable") return "there are TLSA records, but none that SMTP can use";
  return std::to_string(usable_hosts(domain)) + " of " + hosts + " can be sent mail by who looks at DANE";
}

void advise_on_domain(CheckReport& report, const Domain& domain, const std::string& word) {
  size_t usable = usable_hosts(domain);
  if (usable == domain.hosts.size()) report.note("mail", "reaches the domain");
  else if (usable > 0) report.note("mail", "reaches the domain through " + std::to_string(usable) + " of " + std::to_string(domain.hosts.size()) + " hosts; the others are passed over");
  else report.note("mail", "waits in the queue, and is returned when it is too old");
  if (!domain.mx->authentic && domain.mx->status == DnsStatus::ok) report.fix("sign the zone " + domain.name + " with DNSSEC and have its parent publish the DS; DANE begins with a signed MX");
  if (word == "partial") report.fix("publish TLSA records for every host, the backups too");
}

void report_on_domain(CheckWorld& world, Domain& domain, size_t place) {
  std::string word = worst_of(domain);
  bool dane_counts = domain.mx->authentic || word == "bogus" || word == "dns-failed" || rank(word) < rank("unusable");
  if (!dane_counts) word = "insecure";
  CheckReport report(domain.name);
  report.result(word, summary_of(domain, word));
  report.data("kind", "domain");
  report.data("domain", domain.name);
  report.data("secure", domain.mx->authentic);
  report.note("resolver", world.resolver_note);
  if (domain.implicit) report.note("note", "there are no MX records; mail goes to the addresses of the domain itself");
  for (const Host& host : domain.hosts)
    report.note("mx", std::to_string(host.preference) + " " + host.name + ": " + host.word, {{"preference", host.preference}, {"host", host.name}, {"result", host.word}});
  report.note("dns", domain.mx->authentic ? "the MX records are authentic (DNSSEC)" : "the MX records are not signed");
  advise_on_domain(report, domain, word);
  world.reports.insert(world.reports.begin() + static_cast<long>(place), std::move(report));
}

// Without hosts there is nothing more to say.
void report_without_hosts(CheckWorld& world, const Domain& domain) {
  CheckReport report(domain.name);
  const DnsAnswer& mx = *domain.mx;
  report.data("kind", "domain");
  report.data("domain", domain.name);
  report.data("secure", mx.authentic);
  if (mx.temporary()) report.result(mx.bogus ? "bogus" : "dns-failed", mx.problem);
  else if (domain.null_mx) report.result("null-mx", "the domain says that it takes no mail (RFC 7505)");
  else report.result("no-domain", mx.problem);
  report.note("resolver", world.resolver_note);
  report.note("mail", mx.temporary() ? "waits until DNS answers; it is never sent as if the domain were not signed" : "is returned at once: the domain takes none");
  if (mx.bogus) report.fix("mend the signatures of the zone " + domain.name + ": until then nobody who validates can send mail there");
  world.reports.push_back(std::move(report));
}

Task<void> story(CheckWorld& world) {
  Domain domain;
  domain.name = world.options.target;
  domain.mx = co_await world.resolver->query(domain.name, DnsType::mx, world.deadline);
  if (!domain.mx->temporary() && domain.mx->status != DnsStatus::no_name) take_hosts(domain);
  if (domain.hosts.empty()) {
    report_without_hosts(world, domain);
    co_return;
  }
  Scope scope(world.loop);
  for (Host& host : domain.hosts) scope.spawn(look_at_host(&world, &host));
  (void)co_await scope.idle(Deadline{world.deadline.when + Millis(300)});
  size_t place = world.reports.size();
  for (Host& host : domain.hosts) report_on_host(world, domain, host);
  report_on_domain(world, domain, place);
}

}  // namespace

int check_dane(const CheckCall& call) { return run_check(call, "domain", story); }

}  // namespace veredus
