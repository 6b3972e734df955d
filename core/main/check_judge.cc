// DANE and what it means for mail; advice.
#include "main/check_judge.h"

#include "base/text.h"

namespace veredus {

namespace {

using Kind = DaneOutcome::Kind;
using State = DaneLookup::State;
constexpr int64_t kSoon = 14;  // days in which a certificate should have been renewed

DaneOutcome outcome(Kind kind, std::string text) {
  DaneOutcome out;
  out.kind = kind;
  out.text = std::move(text);
  return out;
}

DaneOutcome without_records(const DaneLookup& lookup) {
  switch (lookup.state) {
    case State::failed: return outcome(Kind::failed, lookup.problem);
    case State::none: return outcome(Kind::absent, "there are no TLSA records at " + lookup.owner);
    default: return outcome(Kind::absent, lookup.problem);
  }
}

std::string count_text(size_t count, const std::string& what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

DaneOutcome match(const DaneLookup& lookup, const SmtpProbe& probe, std::span<const std::string> names, WallTime now) {
  DaneVerdict verdict = match_dane(lookup.tlsa, probe.tls.peer_chain, names, now);
  DaneOutcome out = outcome(verdict.matched ? Kind::matched : Kind::mismatch, verdict.text);
  out.usage2_expiry = verdict.matched && verdict.by->usage == 2;
  out.by_certificate = verdict.matched && verdict.by->usage == 3 && verdict.by->selector == 0;
  return out;
}

std::string clear_or_tls(const SmtpProbe& probe) {
  switch (probe.end) {
    case SmtpProbe::End::unreachable:
    case SmtpProbe::End::no_smtp: return "waits, and the next address or host is tried: " + probe.problem;
    case SmtpProbe::End::no_starttls: return "is sent in clear text, for everybody on the way to read";
    case SmtpProbe::End::injected: return "waits: " + probe.problem;
    case SmtpProbe::End::starttls_refused: return "is sent in clear text: " + probe.problem;
    case SmtpProbe::End::handshake_failed: return "is sent in clear text at a second connection: " + probe.problem;
    default: return "is sent encrypted, without a look at the certificate";
  }
}

std::string opportunistic(const SmtpProbe& probe, const DaneOutcome& dane) {
  switch (dane.kind) {
    case Kind::absent: return clear_or_tls(probe);
    case Kind::failed: return "waits, because DNS does not say whether there are TLSA records: " + dane.text;
    case Kind::unusable: return probe.secured() ? "is sent encrypted, as TLSA records demand; none of them can be used to look at the certificate" : "waits: " + probe.problem;
    case Kind::matched: return "is sent, encrypted and authenticated by DANE";
    default: return "is not sent here, because the domain publishes TLSA records: " + dane.text;
  }
}

std::string dane_level(const SmtpProbe& probe, const DaneOutcome& dane) {
  return dane.kind == Kind::absent ? clear_or_tls(probe) + "; DANE does not apply: " + dane.text : opportunistic(probe, dane);
}

std::string dane_only(const DaneOutcome& dane) {
  return dane.kind == Kind::matched ? "is sent, encrypted and authenticated" : "waits: " + dane.text;
}

std::string verify(const SmtpProbe& probe, const CertificateVerdict& verdict) {
  if (!probe.secured()) return "waits: " + probe.problem;
  return verdict.fault == CertificateFault::none ? "is sent, encrypted and authenticated" : "waits: " + verdict.text;
}

void advise_on_records(CheckReport& report, const DaneLookup& lookup) {
  for (const std::string& one : lookup.tlsa.unusable) report.fix("take this record away or mend it: " + one);
  if (lookup.tlsa.usable.empty() && lookup.tlsa.exists()) report.fix("publish a record of the form 3 1 1; as it is, encryption is demanded and nobody is authenticated");
}

}  // namespace

std::string day_of(WallTime when) { return iso8601(when).substr(0, 10); }

std::string record_line(const std::string& owner, const SmtpProbe& probe) {
  if (probe.tls.peer_chain.empty()) return {};
  auto record = make_tlsa(probe.tls.peer_chain[0], 3, 1, 1);
  return record ? owner + ". IN TLSA " + record->text() : std::string();
}

DaneOutcome judge_dane(const DaneLookup& lookup, const SmtpProbe& probe, std::span<const std::string> names, WallTime now) {
  if (lookup.state != State::records) return without_records(lookup);
  if (lookup.tlsa.usable.empty()) return outcome(Kind::unusable, "none of the " + count_text(lookup.tlsa.unusable.size(), "TLSA record") + " can be used by SMTP");
  if (probe.end == SmtpProbe::End::unreachable || probe.end == SmtpProbe::End::no_smtp) return outcome(Kind::unreachable, probe.problem);
  if (!probe.secured()) return outcome(Kind::no_tls, probe.problem);
  return match(lookup, probe, names, now);
}

void describe_mail(CheckReport& report, const SmtpProbe& probe, const CertificateVerdict& verdict, const DaneOutcome& dane) {
  auto say = [&](const std::string& level, const std::string& text) { report.note("mail", "at level " + level + " " + text, {{"level", level}, {"text", printable(text, 1000)}}); };
  say("opportunistic", opportunistic(probe, dane));
  say("encrypt", probe.secured() ? "is sent encrypted, without a look at the certificate" : "waits: " + probe.problem);
  say("verify", verify(probe, verdict));
  say("dane", dane_level(probe, dane));
  say("dane-only", dane_only(dane));
}

namespace {

std::string advice_on_trust(const SmtpProbe& probe, const CertificateFacts& facts, const DaneOutcome& dane) {
  if (probe.tls.peer_chain.size() == 1 && !facts.self_issued)
    return "the server sends its own certificate only; put the certificates of the CA behind it into the same file";
  if (dane.kind == Kind::matched) return "nothing for senders with DANE; those that verify by CA (level verify, MTA-STS) want a certificate of a public one";
  return "get a certificate from a public CA, or publish TLSA records: DANE needs no CA";
}

}  // namespace

void advise_on_tls(CheckReport& report, const SmtpProbe& probe, const CertificateVerdict& verdict, const DaneOutcome& dane, WallTime now) {
  using End = SmtpProbe::End;
  if (probe.end == End::unreachable) report.fix("see whether the server runs, and whether a firewall is in the way; many networks let nobody out to port 25");
  if (probe.end == End::no_starttls) report.fix("give the server a certificate and a key; if it has them, something in between takes STARTTLS away");
  if (probe.end == End::starttls_refused) report.fix("look into the server's log: it offers what it cannot do");
  if (probe.end == End::injected) report.fix("find out who adds plain text to the conversation: the server's software is out of date, or somebody is in between");
  if (probe.end == End::handshake_failed) report.fix("the server must speak TLS 1.2 or 1.3 with forward secrecy, and key and certificate must belong together");
  if (!probe.secured() || probe.tls.peer_chain.empty()) return;
  CertificateFacts facts = certificate_facts(probe.tls.peer_chain[0]);
  switch (verdict.fault) {
    case CertificateFault::none: break;
    case CertificateFault::expired: report.fix("renew the certificate"); break;
    case CertificateFault::host_mismatch: report.fix("get a certificate with the name of the host that MX records point to"); break;
    case CertificateFault::not_trusted: report.fix(advice_on_trust(probe, facts, dane)); break;
    default: report.fix(verdict.text);
  }
  int64_t days = facts.days_left(now);
  if (verdict.fault == CertificateFault::none && days < kSoon) report.fix("the certificate should have been renewed by now: " + std::to_string(days) + " days are left");
}

void advise_on_dane(CheckReport& report, const DaneLookup& lookup, const SmtpProbe& probe, const DaneOutcome& dane, WallTime now) {
  std::string paste = record_line(lookup.owner, probe);
  advise_on_records(report, lookup);
  if (lookup.state == State::none && !paste.empty()) report.fix("publish: " + paste);
  if (lookup.state == State::insecure) report.fix("sign the zone with DNSSEC and have the parent publish its DS; TLSA records count in signed zones only");
  if (dane.kind == Kind::failed && lookup.bogus) report.fix("mend the signatures of the zone: until then nobody who validates can send mail here");
  if (dane.kind == Kind::mismatch && !paste.empty()) report.fix("publish this record beside the others, and take those away that belong to nothing: " + paste);
  if (dane.kind == Kind::no_tls) report.fix("let the server do TLS, or take the TLSA records away; senders with DANE send nothing here now");
  if (probe.tls.peer_chain.empty()) return;
  CertificateFacts facts = certificate_facts(probe.tls.peer_chain[0]);
  if (dane.by_certificate) report.fix("a record of the form 3 0 1 must change with every renewal, before it; 3 1 1 stays as long as the key does: " + paste);
  if (dane.kind != Kind::matched || facts.days_left(now) >= kSoon) return;
  std::string days = facts.days_left(now) < 0 ? "the certificate has expired on " + day_of(facts.until) : "the certificate expires on " + day_of(facts.until);
  if (dane.usage2_expiry) report.fix(days + "; with usage 2 that ends the match");
  else report.note("note", days + ", which does not matter to records of usage 3; it does to senders that verify by CA (MTA-STS)");
}

}  // namespace veredus
