// Notes about what a server said and sent.
#include "base/text.h"
#include "main/check_judge.h"

namespace veredus {

namespace {

std::string joined(const std::vector<std::string>& all, const char* between, size_t most = 20) {
  std::string out;
  for (size_t i = 0; i < all.size() && i < most; ++i) out += (i ? between : "") + all[i];
  return all.size() > most ? out + between + "..." : out;
}

bool offers(const std::vector<std::string>& extensions, std::string_view keyword) {
  for (const std::string& one : extensions)
    if (iequals(split(one, ' ')[0], keyword)) return true;
  return false;
}

nlohmann::json certificate_json(const CertificateFacts& facts, WallTime now) {
  return {{"subject", facts.subject},
          {"issuer", facts.issuer},
          {"names", facts.names},
          {"from", iso8601(facts.from)},
          {"until", iso8601(facts.until)},
          {"days_left", facts.days_left(now)},
          {"key", facts.key},
          {"signature", facts.signature},
          {"sha256", facts.fingerprint}};
}

std::string certificate_text(const CertificateFacts& facts, WallTime now) {
  std::string names = facts.names.empty() ? "no names" : joined(facts.names, " ", 10);
  std::string issuer = facts.self_issued ? "self-signed" : "issued by " + facts.issuer;
  return (facts.subject.empty() ? "no subject" : facts.subject) + "; " + names + "; " + issuer + "; " + facts.key + ", signed with " + facts.signature + "; " +
         expiry_text(facts, now) + "; SHA-256 " + facts.fingerprint;
}

}  // namespace

std::string expiry_text(const CertificateFacts& facts, WallTime now) {
  int64_t days = facts.days_left(now);
  if (now < facts.from) return "not valid before " + day_of(facts.from);
  if (days < 0) return "expired " + day_of(facts.until) + ", " + std::to_string(-days) + " days ago";
  return "expires " + day_of(facts.until) + ", in " + std::to_string(days) + " days";
}

void describe_conversation(CheckReport& report, const SmtpProbe& probe) {
  report.data("address", probe.to.text());
  if (!probe.greeting.empty()) report.note("greeting", probe.greeting);
  if (!probe.before.empty()) report.note("extensions", joined(probe.before, ", "), probe.before);
  bool tried = probe.end != SmtpProbe::End::unreachable && probe.end != SmtpProbe::End::no_smtp;
  if (tried) report.data("starttls", offers(probe.before, "STARTTLS"));
  if (!probe.problem.empty()) report.note("problem", probe.problem);
  if (probe.tls.version.empty()) return;
  report.note("tls", probe.tls.text(), {{"version", probe.tls.version}, {"cipher", probe.tls.cipher}});
  report.note("alpn", probe.tls.alpn.empty() ? "the server does not negotiate one" : probe.tls.alpn, probe.tls.alpn);
}

void describe_chain(CheckReport& report, const SmtpProbe& probe, WallTime now) {
  const auto& chain = probe.tls.peer_chain;
  for (size_t i = 0; i < chain.size() && i < 10; ++i) {
    CertificateFacts facts = certificate_facts(chain[i]);
    std::string text = facts.readable ? certificate_text(facts, now) : "what was sent is no certificate";
    report.note(i == 0 ? "certificate" : "chain", text, certificate_json(facts, now));
  }
}

void describe_extras(CheckReport& report, const SmtpProbe& probe) {
  if (!probe.secured()) return;
  report.note("extensions-tls", joined(probe.inside, ", "), probe.inside);
  report.note("requiretls", offers(probe.inside, "REQUIRETLS") ? "offered" : "not offered; mail that demands it (RFC 8689) cannot go here", offers(probe.inside, "REQUIRETLS"));
  if (offers(probe.inside, "STARTTLS")) report.note("note", "STARTTLS is offered inside TLS too, which RFC 3207 forbids");
  if (probe.resumes) report.note("resumption", *probe.resumes ? "works" : probe.resumption_problem, *probe.resumes);
}

void describe_tlsa(CheckReport& report, const DaneLookup& lookup) {
  if (!lookup.owner.empty()) report.data("tlsa_name", lookup.owner);
  for (const TlsaRecord& one : lookup.tlsa.usable) report.note("tlsa", lookup.owner + " " + one.short_text() + ": can be used", {{"record", one.text()}, {"usable", true}});
  for (const std::string& one : lookup.tlsa.unusable) report.note("tlsa", lookup.owner + " " + one, {{"record", printable(one, 500)}, {"usable", false}});
}

}  // namespace veredus
