// What a probe and DNS mean for mail, in the words of the manual page. Values; any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "main/check_probe.h"
#include "main/check_report.h"
#include "net/certificate_facts.h"
#include "net/dane_lookup.h"
#include "net/tls_verify.h"

namespace veredus {

// How DANE ends at one server.
struct DaneOutcome {
  enum class Kind : uint8_t {
    absent,      // no records, or not signed: DANE does not apply
    failed,      // DNS did not answer, or bogus: mail waits
    unusable,    // records that SMTP cannot use: TLS is required, the certificate is not looked at
    no_tls,      // records, and no TLS
    unreachable, // records, and nobody there
    mismatch,
    matched,
  } kind = Kind::absent;
  std::string text;
  bool usage2_expiry = false;  // the match holds only until a certificate of the chain expires
  bool by_certificate = false; // by a record that changes with every renewal
};
DaneOutcome judge_dane(const DaneLookup& lookup, const SmtpProbe& probe, std::span<const std::string> names, WallTime now);

// Notes of the report, in the order of the conversation.
void describe_conversation(CheckReport& report, const SmtpProbe& probe);
void describe_chain(CheckReport& report, const SmtpProbe& probe, WallTime now);
void describe_extras(CheckReport& report, const SmtpProbe& probe);
void describe_tlsa(CheckReport& report, const DaneLookup& lookup);

// "mail:" lines: what happens at each level.
void describe_mail(CheckReport& report, const SmtpProbe& probe, const CertificateVerdict& verdict, const DaneOutcome& dane);
void advise_on_tls(CheckReport& report, const SmtpProbe& probe, const CertificateVerdict& verdict, const DaneOutcome& dane, WallTime now);
void advise_on_dane(CheckReport& report, const DaneLookup& lookup, const SmtpProbe& probe, const DaneOutcome& dane, WallTime now);

std::string day_of(WallTime when);                                           // "2027-01-01"
std::string expiry_text(const CertificateFacts& facts, WallTime now);        // "expires 2027-01-01, in 33 days"
std::string record_line(const std::string& owner, const SmtpProbe& probe);  // a 3 1 1 record to paste

}  // namespace veredus
