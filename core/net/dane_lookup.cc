// Addresses first: without authentic ones there is nothing to look for.
#include "net/dane_lookup.h"

#include "base/text.h"

namespace veredus {

namespace {

using Answer = std::shared_ptr<const DnsAnswer>;
using State = DaneLookup::State;

void give_up(DaneLookup& out, const DnsAnswer& answer) {
  out.state = State::failed;
  out.bogus = answer.bogus;
  out.problem = answer.problem;
}

void take_addresses(DaneLookup& out, const DnsAnswer& answer) {
  for (const DnsRecord& record : answer.records) out.addresses.push_back(record.address);
}

// False: the story ends here.
bool read_addresses(DaneLookup& out, const DnsAnswer& v6, const DnsAnswer& v4) {
  take_addresses(out, v6);
  take_addresses(out, v4);
  const DnsAnswer& best = v4.records.empty() && !v6.records.empty() ? v6 : v4;
  out.canonical = best.canonical;
  out.secure_addresses = (v4.authentic || v4.temporary()) && (v6.authentic || v6.temporary()) && best.authentic;
  if (out.addresses.empty() && (v4.temporary() || v6.temporary())) {
    give_up(out, v4.temporary() ? v4 : v6);
    return false;
  }
  if (out.addresses.empty()) out.state = State::no_addresses, out.problem = best.problem;
  return !out.addresses.empty();
}

// True: settled, also when there are no records there.
bool read_records(DaneLookup& out, const DnsAnswer& answer) {
  if (answer.temporary()) {
    give_up(out, answer);
    return true;
  }
  if (answer.status == DnsStatus::ok && !answer.authentic) {
    out.state = State::insecure;
    out.problem = "the TLSA records of " + out.owner + " are not signed";
    return true;
  }
  out.tlsa = read_tlsa(answer);
  out.state = out.tlsa.exists() ? State::records : State::none;
  out.problem.clear();
  return out.tlsa.exists();
}

Task<bool> ask_records(Resolver& resolver, DaneLookup& out, std::string base, uint16_t port, Deadline deadline) {
  out.base = std::move(base);
  out.owner = "_" + std::to_string(port) + "._tcp." + out.base;
  Answer answer = co_await resolver.query(out.owner, DnsType::tlsa, deadline);
  co_return read_records(out, *answer);
}

// An alias whose target is not signed may be signed itself.
Task<bool> alias_is_secure(Resolver& resolver, std::string host, DaneLookup& out, Deadline deadline) {
  Answer alias = co_await resolver.query(std::move(host), DnsType::cname, deadline);
  if (alias->temporary()) give_up(out, *alias);
  co_return alias->status == DnsStatus::ok && alias->authentic;
}

}  // namespace

Task<DaneLookup> find_dane(Resolver& resolver, std::string host, uint16_t port, Deadline deadline) {
  DaneLookup out;
  if (auto address = IpAddress::parse(host)) {
    out.state = State::insecure;
    out.problem = "an address has no TLSA records";
    out.addresses = {*address};
    co_return out;
  }
  host = lowered(host);
  Answer v6 = co_await resolver.query(host, DnsType::aaaa, deadline);
  Answer v4 = co_await resolver.query(host, DnsType::a, deadline);
  if (!read_addresses(out, *v6, *v4)) co_return out;
  bool alias = out.canonical != host;
  out.state = State::insecure;
  out.problem = "the addresses of " + host + " are not signed";
  if (!out.secure_addresses) {
    bool secure_alias = false;
    if (alias) secure_alias = co_await alias_is_secure(resolver, host, out, deadline);
    if (secure_alias) (void)co_await ask_records(resolver, out, host, port, deadline);
    co_return out;
  }
  bool settled = co_await ask_records(resolver, out, out.canonical, port, deadline);
  if (!settled && alias) (void)co_await ask_records(resolver, out, host, port, deadline);
  co_return out;
}

}  // namespace veredus
