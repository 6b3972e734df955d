// Resolving next hops to addresses.
#include "outbound/host_walk.h"

#include <algorithm>
#include <map>

#include "log/events.h"
#include "outbound/classify.h"

namespace veredus {

namespace {

template <typename T>
T take_front(std::deque<T>& queue) {
  T out = std::move(queue.front());
  queue.pop_front();
  return out;
}

}  // namespace

std::string Target::text() const {
  if (!plugin.empty()) return "plugin:" + plugin;
  if (!unix_path.empty()) return unix_path;
  std::string ip = to.ip.text();
  std::string place = "[" + ip + "]:" + std::to_string(to.port);
  return host.empty() ? place : host + " " + place;
}

HostWalk::HostWalk(OutboundContext& context, std::shared_ptr<const Destination> destination, SettingsPtr settings)
    : context_(context), destination_(std::move(destination)), settings_(std::move(settings)) {
  ip_ = destination_->ip == IpPreference::system ? settings_->outbound.ip : destination_->ip;
  add_entries(destination_->to);
}

// Balanced next hops are first in turn, each as often as its weight says; those behind the first, for the case that it fails, are drawn.
void HostWalk::add_entries(const NextHops& to) {
  for (std::vector<NextHop> balanced : to) {
    uint64_t number = balanced.size() > 1 ? context_.turn++ : 0;
    while (!balanced.empty()) {
      auto taken = balanced.begin() + static_cast<ptrdiff_t>(place_of(number, balanced));
      entries_.push_back(std::move(*taken));
      balanced.erase(taken);
      number = context_.random();
    }
  }
}

// Whose share of the circle of weights holds this number.
size_t HostWalk::place_of(uint64_t number, const std::vector<NextHop>& balanced) {
  uint64_t circle = 0;
  for (const NextHop& hop : balanced) circle += hop.weight;
  number %= circle;
  size_t place = 0;
  for (; number >= balanced[place].weight; ++place) number -= balanced[place].weight;
  return place;
}

Task<std::optional<Target>> HostWalk::next() {
  for (;;) {
    if (seen_.size() > kMostTargets) co_return std::nullopt;
    if (!ready_.empty()) {
      Target target = take_front(ready_);
      if (!context_.hosts.doubtful(target.text(), context_.loop.now())) co_return target;
      late_.push_back(std::move(target));
    } else if (!groups_.empty()) {
      co_await expand_group(take_front(groups_));
    } else if (!entries_.empty()) {
      co_await expand_entry(take_front(entries_));
    } else if (!late_.empty()) {
      co_return take_front(late_);
    } else if (!begin_fallback()) {
      co_return std::nullopt;
    }
  }
}

// A domain that takes no mail, or leads back to us, is not helped by another way to it.
bool HostWalk::begin_fallback() {
  bool hopeless = failures_.reply().permanent() && seen_.empty();
  if (fallback_ || hopeless || settings_->outbound.fallback.empty()) return false;
  fallback_ = true;
  add_entries(settings_->outbound.fallback);
  return true;
}

Task<void> HostWalk::expand_entry(NextHop hop) {
  mx_entry_ = hop.kind == NextHop::Kind::mx;
  if (hop.kind == NextHop::Kind::router) co_return;  // chosen from before there is a destination
  if (hop.kind == NextHop::Kind::plugin) {
    Target target;
    target.plugin = hop.host;
    target.argument = hop.argument;
    add_target(std::move(target));
    co_return;
  }
  if (hop.kind == NextHop::Kind::lmtp_unix) {
    Target target;
    target.host = target.unix_path = hop.host;
    target.lmtp = true;
    add_target(std::move(target));
  } else if (!mx_entry_) {
    groups_.push_back({Host{hop.host, hop.port, hop.kind == NextHop::Kind::lmtp}});
  } else if (hop.host.starts_with('[')) {
    groups_.push_back({Host{hop.host, settings_->outbound.port, false}});
  } else {
    std::string domain = hop.host.empty() ? destination_->domain : hop.host;
    co_await expand_mx(std::move(domain));
  }
}

Task<void> HostWalk::expand_mx(std::string domain) {
  auto answer = co_await context_.resolver.query(domain, DnsType::mx, Deadline::in(context_.loop, kDnsPatience));
  if (answer->status == DnsStatus::no_data || (answer->status == DnsStatus::ok && answer->records.empty())) {
    groups_.push_back({Host{domain, settings_->outbound.port, false, true, answer->authentic, domain}});
  } else if (answer->status != DnsStatus::ok) {
    fail_lookup(domain, answer->status, domain == destination_->domain);
  } else {
    take_mx_records(domain, *answer);
  }
}

void HostWalk::take_mx_records(const std::string& domain, const DnsAnswer& answer) {
  std::map<uint16_t, Group> by_preference;
  for (const DnsRecord& record : answer.records)
    if (!record.text.empty()) by_preference[record.preference].push_back(Host{record.text, settings_->outbound.port, false, true, answer.authentic, domain});
  if (by_preference.empty()) failures_.add(local_reply(556, {5, 1, 10}, "The domain " + domain + " takes no mail (null MX)"));
  for (auto& [preference, group] : by_preference) {
    std::shuffle(group.begin(), group.end(), context_.random);
    groups_.push_back(std::move(group));
  }
}

// A group that holds one of our own listeners, and every less preferred one, would bring the message back to us.
Task<void> HostWalk::expand_group(Group group) {
  std::vector<Target> found;
  for (const Host& host : group) co_await find_addresses(host, found);
  auto self = std::find_if(found.begin(), found.end(), [&](const Target& target) { return context_.own.is_self(*settings_, target.to); });
  if (self == found.end()) {
    for (Target& target : found) add_target(std::move(target));
    co_return;
  }
  context_.log.write(events::kDestinationLoop, {{"destination", destination_->name}, {"remote", self->text()}});
  failures_.add(local_reply(550, {5, 4, 6}, "Mail for " + destination_->name + " loops back to this host"));
  if (mx_entry_) groups_.clear();
}

std::vector<DnsType> HostWalk::families() const {
  const DnsType four = DnsType::a, six = DnsType::aaaa;
  switch (ip_) {
    case IpPreference::ipv4_only: return {four};
    case IpPreference::ipv6_only: return {six};
    case IpPreference::ipv4: return {four, six};
    case IpPreference::ipv6: return {six, four};
    case IpPreference::system: break;
  }
  if (context_.own.has_ipv6()) return {six, four};
  return {four, six};
}

Task<void> HostWalk::find_addresses(Host host, std::vector<Target>& found) {
  auto literal = host.name.starts_with('[') ? IpAddress::parse_literal(host.name) : IpAddress::parse(host.name);
  if (literal) {
    Target target;
    target.host = host.name.starts_with('[') ? std::string() : host.name;
    target.to = Endpoint{*literal, host.port};
    target.lmtp = host.lmtp;
    target.mx = host.mx;
    target.mx_domain = host.mx_domain;
    found.push_back(std::move(target));
    co_return;
  }
  size_t before = found.size();
  DnsStatus worst = DnsStatus::ok;
  bool only_if_needed = ip_ == IpPreference::system && !context_.own.has_ipv6();
  for (DnsType type : families()) {
    if (only_if_needed && found.size() > before) break;
    DnsStatus status = co_await find_family(host, type, found);
    worst = std::max(worst, status);
  }
  if (found.size() == before) fail_lookup(host.name, worst, host.name == destination_->domain);
}

Task<DnsStatus> HostWalk::find_family(Host host, DnsType type, std::vector<Target>& found) {
  auto answer = co_await context_.resolver.query(host.name, type, Deadline::in(context_.loop, kDnsPatience));
  if (answer->status != DnsStatus::ok) co_return answer->status;
  auto first = static_cast<ptrdiff_t>(found.size());
  for (const DnsRecord& record : answer->records) {
    Target target;
    target.host = host.name;
    target.to = Endpoint{record.address, host.port};
    target.lmtp = host.lmtp;
    target.mx = host.mx;
    target.secure_mx = host.secure_mx;
    target.mx_domain = host.mx_domain;
    if (record.address) found.push_back(std::move(target));
  }
  std::shuffle(found.begin() + first, found.end(), context_.random);
  co_return found.size() > static_cast<size_t>(first) ? DnsStatus::ok : DnsStatus::no_data;
}

// What the recipient's own domain lacks is final; a next hop of the configuration may be mended.
void HostWalk::fail_lookup(const std::string& name, DnsStatus status, bool own_domain) {
  if (status >= DnsStatus::timeout)
    return failures_.add(local_reply(451, {4, 4, 3}, "DNS gives no answer about " + name + " now"));
  if (!own_domain && !mx_entry_) return failures_.add(local_reply(451, {4, 4, 4}, "The next hop " + name + " has no address in DNS"));
  if (status == DnsStatus::no_name && own_domain)
    return failures_.add(local_reply(550, {5, 1, 2}, "The domain " + name + " does not exist"));
  failures_.add(local_reply(550, {5, 4, 4}, "The mail host " + name + " has no address"));
}

void HostWalk::add_target(Target target) {
  target.fallback = fallback_;
  if (seen_.insert(target.text() + "/" + target.argument).second) ready_.push_back(std::move(target));
}

}  // namespace veredus
