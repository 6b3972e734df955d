// What each mechanism asks and compares (RFC 7208 5). Coroutines; what they refer to belongs to check_spf(), which awaits them.
#include <algorithm>

#include "mailauth/spf/check.h"
#include "mailauth/base/parallel.h"

namespace mailauth::spf {

namespace {

Match no_match() { return {}; }

Match ends(SpfResult result, std::string problem) {
  Match out;
  out.failed = Outcome{result, {}, std::move(problem)};
  return out;
}

uint32_t address_type(const Check& check) { return check.client.v4 ? VRD_DNS_A : VRD_DNS_AAAA; }
std::string_view type_name(uint32_t type) { return type == VRD_DNS_A ? "A" : type == VRD_DNS_AAAA ? "AAAA" : type == VRD_DNS_MX ? "MX" : type == VRD_DNS_PTR ? "PTR" : "TXT"; }

std::optional<Address> address_of(const vrd::DnsRecord& record) {
  Address out;
  out.v4 = record.type == VRD_DNS_A;
  if (!out.v4 && record.type != VRD_DNS_AAAA) return std::nullopt;
  if (record.data.size() != (out.v4 ? 4u : 16u)) return out.v4 ? read_v4(record.text) : read_v6(record.text);
  std::copy(record.data.begin(), record.data.end(), out.octets.begin());  // the host gives the octets too, a zone in memory may not
  return out;
}

// The address of an answer that the client's is in the network of.
std::optional<Address> matching(const Check& check, const vrd::DnsResult& found, uint32_t bits4, uint32_t bits6) {
  for (const vrd::DnsRecord& record : found.records) {
    auto address = address_of(record);
    if (address && check.client.within(*address, address->v4 ? bits4 : bits6)) return address;
  }
  return std::nullopt;
}

bool has_type(const vrd::DnsResult& found, uint32_t type) {
  return std::any_of(found.records.begin(), found.records.end(), [&](const vrd::DnsRecord& record) { return record.type == type; });
}

// What an answer without a record of the type costs. A problem ends the check.
std::optional<Match> void_problem(Check& check, const Place& place, std::string_view term, uint32_t type, const std::string& name, const vrd::DnsResult& found) {
  std::string records(type_name(type));
  if (is_failure(found)) {
    check.tell(place, term, failed_look_up(records, name, found.status));
    return ends(SpfResult::temperror, failed_look_up(records, name, found.status));
  }
  if (has_type(found, type)) return std::nullopt;
  bool allowed = check.may_be_void();
  check.tell(place, term, name + (found.nxdomain ? " does not exist" : " has no " + records + " records") + ": a void look-up, no match");
  if (allowed) return std::nullopt;
  return ends(SpfResult::permerror, "more than " + std::to_string(check.limits.void_lookups) + " look-ups found nothing; the last was for the " + records + " records of " + name);
}

// No name that DNS can have: the term does not match (RFC 7208 4.8).
Match no_name(Check& check, const Term& term, const Place& place) {
  check.tell(place, term.text, "what it names cannot be asked for in DNS: no match");
  return no_match();
}

// Whether the client has one of the addresses of a name; void answers are told already.
Match told(Check& check, const Term& term, const Place& place, const std::string& name, const vrd::DnsResult& found) {
  std::optional<Address> by = matching(check, found, term.bits4, term.bits6);
  Match out;
  out.matches = by.has_value();
  if (!check.tells() || !has_type(found, address_type(check))) return out;
  check.tell(place, term.text, by ? name + " has " + by->readable() + ": match" : name + " has no address that fits: no match");
  return out;
}

vrd::Task<Match> match_a(Check& check, const Term& term, const Place& place) {
  std::optional<std::string> name = co_await name_of(check, term.domain, place);
  if (!name) co_return no_name(check, term, place);
  vrd::DnsResult found = co_await check.dns.ask(*name, address_type(check));
  if (auto problem = void_problem(check, place, term.text, address_type(check), *name, found)) co_return *problem;
  co_return told(check, term, place, *name, found);
}

// Names of the mail exchangers, the preferred ones first.
std::vector<std::string> exchangers(const vrd::DnsResult& found) {
  std::vector<const vrd::DnsRecord*> sorted;
  for (const vrd::DnsRecord& record : found.records)
    if (record.type == VRD_DNS_MX) sorted.push_back(&record);
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->preference < b->preference; });
  std::vector<std::string> out;
  for (const vrd::DnsRecord* record : sorted) out.push_back(record->text);
  return out;
}

vrd::Task<Match> match_exchangers(Check& check, const Term& term, const Place& place, std::vector<std::string> names) {
  std::erase(names, "");
  uint32_t type = address_type(check);
  std::vector<vrd::DnsResult> found = co_await AskAll(check.dns, names, type);
  for (size_t i = 0; i < found.size(); ++i) {
    if (auto problem = void_problem(check, place, term.text, type, names[i], found[i])) co_return *problem;
    Match match = told(check, term, place, names[i], found[i]);
    if (match.matches) co_return match;
  }
  co_return no_match();
}

vrd::Task<Match> match_mx(Check& check, const Term& term, const Place& place) {
  std::optional<std::string> name = co_await name_of(check, term.domain, place);
  if (!name) co_return no_name(check, term, place);
  vrd::DnsResult found = co_await check.dns.ask(*name, VRD_DNS_MX);
  if (auto problem = void_problem(check, place, term.text, VRD_DNS_MX, *name, found)) co_return *problem;
  std::vector<std::string> names = exchangers(found);
  if (names.size() > check.limits.mx_hosts) {
    std::string text = *name + " has " + std::to_string(names.size()) + " mail exchangers; 'mx' may name " + std::to_string(check.limits.mx_hosts);
    check.tell(place, term.text, text);
    co_return ends(SpfResult::permerror, text);
  }
  co_return co_await match_exchangers(check, term, place, std::move(names));
}

bool is_below(std::string_view name, std::string_view domain) {
  auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == (b >= 'A' && b <= 'Z' ? b + 32 : b); };
  if (name.size() < domain.size() || (name.size() > domain.size() && name[name.size() - domain.size() - 1] != '.')) return false;
  return std::equal(domain.begin(), domain.end(), name.end() - static_cast<long>(domain.size()), same);
}

// The names that PTR records give the client, unconfirmed; asked for once a check. A failure is as good as none (RFC 7208 5.5).
vrd::Task<vrd_status> ask_client_names(Check& check) {
  if (check.client_names) co_return VRD_OK;
  std::string reverse = check.client.reverse_name();
  vrd::DnsResult found = co_await check.dns.ask(reverse, VRD_DNS_PTR);
  std::vector<std::string> names;
  for (const vrd::DnsRecord& record : found.records) {
    if (record.type != VRD_DNS_PTR || record.text.empty() || names.size() == check.limits.ptr_names) continue;
    names.push_back(record.text);
    if (names.back().ends_with('.')) names.back().pop_back();
  }
  check.client_names = std::move(names);
  co_return found.status;
}

// Those of the names that have the client's address.
vrd::Task<std::vector<std::string>> confirmed(Check& check, std::vector<std::string> names) {
  std::vector<vrd::DnsResult> found = co_await AskAll(check.dns, names, address_type(check));
  std::vector<std::string> out;
  for (size_t i = 0; i < found.size(); ++i)
    if (found[i].ok() && matching(check, found[i], 32, 128)) out.push_back(names[i]);
  co_return out;
}

vrd::Task<Match> match_ptr(Check& check, const Term& term, const Place& place) {
  std::optional<std::string> target = co_await name_of(check, term.domain, place);
  if (!target) co_return no_name(check, term, place);
  vrd_status status = co_await ask_client_names(check);
  std::vector<std::string> below;
  for (const std::string& name : *check.client_names)
    if (is_below(name, *target)) below.push_back(name);
  std::vector<std::string> names;
  if (!below.empty()) names = co_await confirmed(check, below);
  Match out;
  out.matches = !names.empty();
  if (!check.tells()) co_return out;
  std::string client = check.client.readable();
  if (out.matches) check.tell(place, term.text, names[0] + " is a name of " + client + " and below " + *target + ": match");
  else if (status < 0) check.tell(place, term.text, failed_look_up("PTR", check.client.reverse_name(), status) + ": no match");
  else check.tell(place, term.text, client + " has no confirmed name below " + *target + ": no match");
  co_return out;
}

vrd::Task<Match> match_exists(Check& check, const Term& term, const Place& place) {
  std::optional<std::string> name = co_await name_of(check, term.domain, place);
  if (!name) co_return no_name(check, term, place);
  vrd::DnsResult found = co_await check.dns.ask(*name, VRD_DNS_A);
  if (auto problem = void_problem(check, place, term.text, VRD_DNS_A, *name, found)) co_return *problem;
  Match out;
  out.matches = has_type(found, VRD_DNS_A);
  if (out.matches) check.tell(place, term.text, *name + " has an A record: match");
  co_return out;
}

Match match_network(Check& check, const Term& term, const Place& place) {
  Match out;
  out.matches = check.client.within(term.network, term.network.v4 ? term.bits4 : term.bits6);
  if (check.tells()) check.tell(place, term.text, check.client.readable() + (out.matches ? " is in it: match" : " is not in it: no match"));
  return out;
}

}  // namespace

vrd::Task<std::string> validated_name(Check& check, std::string domain) {
  co_await ask_client_names(check);
  if (!check.confirmed_names) check.confirmed_names = co_await confirmed(check, *check.client_names);
  const std::vector<std::string>& names = *check.confirmed_names;
  auto same = [&](const std::string& name) { return name.size() == domain.size() && is_below(name, domain); };
  auto place = std::find_if(names.begin(), names.end(), same);
  if (place == names.end()) place = std::find_if(names.begin(), names.end(), [&](const std::string& name) { return is_below(name, domain); });
  if (place != names.end()) co_return *place;
  co_return names.empty() ? std::string("unknown") : names[0];
}

vrd::Task<std::optional<std::string>> name_of(Check& check, std::string_view spec, const Place& place) {
  if (spec.empty()) co_return place.domain;
  std::string validated;
  if (wants_validated_name(spec)) validated = co_await validated_name(check, place.domain);
  co_return target_name(spec, check.values(place.domain, validated));
}

vrd::Task<Match> match_term(Check& check, const Term& term, const Place& place) {
  Match out;
  switch (term.mechanism) {
    case Mechanism::include:
    case Mechanism::all: out.matches = true; break;
    case Mechanism::a: out = co_await match_a(check, term, place); break;
    case Mechanism::mx: out = co_await match_mx(check, term, place); break;
    case Mechanism::ptr: out = co_await match_ptr(check, term, place); break;
    case Mechanism::exists: out = co_await match_exists(check, term, place); break;
    case Mechanism::ip4:
    case Mechanism::ip6: out = match_network(check, term, place); break;
  }
  co_return out;
}

}  // namespace mailauth::spf
