// The question at POLICY-DOMAIN._report._dmarc.HOST, and what its answer may change.
#include "mailauth/dmarc/destinations.h"

#include "mailauth/base/header_block.h"
#include "mailauth/dmarc/author.h"

namespace mailauth {

namespace {

constexpr size_t kLongestName = 253, kMostDestinations = 10;

std::string host_of(const std::string& address) { return domain_of(std::string_view(address).substr(address.rfind('@') + 1)); }

Destination refused(const ReportUri& uri, std::string problem, bool later = false) {
  return {uri.address.empty() ? uri.uri : uri.address, uri.most, std::move(problem), later};
}

// What the owner of a host says about reports of a domain.
struct Consent {
  bool given = false, later = false;
  std::vector<ReportUri> instead;
};

vrd::Task<Consent> consent_of(Dns& dns, std::string domain, std::string host) {
  Consent out;
  std::string name = domain + "._report._dmarc." + host;
  if (name.size() > kLongestName) co_return out;
  vrd::DnsResult found = co_await dns.ask(name, VRD_DNS_TXT);
  out.later = !found.ok();
  for (const vrd::DnsRecord& record : found.records) {
    if (record.type != VRD_DNS_TXT || !is_dmarc_record(record.text)) continue;
    out.given = true;
    for (ReportUri& uri : read_dmarc_record(record.text).rua) out.instead.push_back(std::move(uri));
  }
  co_return out;
}

void add_external(const ReportUri& uri, const std::string& host, const Consent& consent, std::vector<Destination>& out) {
  if (consent.later) return out.push_back(refused(uri, "DNS does not tell whether " + host + " wants these reports", true));
  if (!consent.given) return out.push_back(refused(uri, host + " has not said that it wants reports on this domain"));
  if (consent.instead.empty()) return out.push_back({uri.address, uri.most, "", false});
  for (const ReportUri& other : consent.instead) {
    if (out.size() >= kMostDestinations) return;
    bool same = !other.address.empty() && host_of(other.address) == host;
    if (same) out.push_back({other.address, other.most, "", false});
    else out.push_back(refused(other, host + " points to another host, which it may not"));
  }
}

}  // namespace

vrd::Task<std::vector<Destination>> destinations_of(Dns& dns, Discovery& discovery, RecordAt policy) {
  std::vector<Destination> out;
  if (!policy.record) co_return out;
  OrgDomain ours = co_await discovery.org_domain(policy.domain);
  for (const ReportUri& uri : policy.record->rua) {
    if (out.size() >= kMostDestinations) break;
    std::string host = host_of(uri.address);
    if (uri.address.empty() || host.empty()) {
      bool mail = uri.uri.size() >= 7 && same_name(std::string_view(uri.uri).substr(0, 7), "mailto:");
      out.push_back(refused(uri, mail ? "this is no address of mail" : "reports are sent by mail only, to mailto: addresses"));
      continue;
    }
    OrgDomain theirs = co_await discovery.org_domain(host);
    if (ours.failed || theirs.failed) {
      out.push_back(refused(uri, "DNS does not tell whose " + host + " is", true));
      continue;
    }
    if (ours.domain == theirs.domain) {
      out.push_back({uri.address, uri.most, "", false});
      continue;
    }
    Consent consent = co_await consent_of(dns, policy.domain, host);
    add_external(uri, host, consent, out);
  }
  co_return out;
}

}  // namespace mailauth
