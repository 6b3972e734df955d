// HostWalk: the addresses of a destination in the order they are to be tried, found step by step: fail-over lists, MX records by preference
// (RFC 5321 5.1), addresses of each host, then next hops for the case that nothing else can be reached. Belongs to one lease.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>

#include "outbound/context.h"

namespace veredus {

struct Target {
  std::string host;  // the name the address came from
  Endpoint to;
  std::string unix_path;         // instead of `to`
  std::string plugin, argument;  // instead of either
  bool lmtp = false;
  bool mx = false;         // found by MX records, or in their place
  bool secure_mx = false;  // the answer that named it was authentic
  std::string mx_domain;   // whose MX records
  bool fallback = false;   // of outbound.fallback, not of the destination
  std::string text() const;  // "mx1.example.test [192.0.2.1]:25", "plugin:maildir"
};

// One reply for all that failed: permanent only if every single failure is.
class FailureSummary {
 public:
  void add(Reply reply) {
    if (reply_.code == 0 || (reply_.permanent() && !reply.permanent())) reply_ = std::move(reply);
  }
  const Reply& reply() const { return reply_; }  // code 0 = nothing failed

 private:
  Reply reply_;
};

class HostWalk {
 public:
  HostWalk(OutboundContext& context, std::shared_ptr<const Destination> destination, SettingsPtr settings);

  Task<std::optional<Target>> next();  // nullopt: none left; failures() has what stood in the way
  FailureSummary& failures() { return failures_; }

  static constexpr size_t kMostTargets = 20;
  static constexpr Millis kDnsPatience{30'000};

 private:
  struct Host {
    std::string name;
    uint16_t port = 0;
    bool lmtp = false;
    bool mx = false, secure_mx = false;
    std::string mx_domain;
  };
  using Group = std::vector<Host>;  // of equal preference

  void add_entries(const NextHops& to);
  static size_t place_of(uint64_t number, const std::vector<NextHop>& balanced);
  Task<void> expand_entry(NextHop hop);
  Task<void> expand_mx(std::string domain);
  void take_mx_records(const std::string& domain, const DnsAnswer& answer);
  Task<void> expand_group(Group group);
  Task<void> find_addresses(Host host, std::vector<Target>& found);
  Task<DnsStatus> find_family(Host host, DnsType type, std::vector<Target>& found);
  std::vector<DnsType> families() const;
  bool begin_fallback();
  void add_target(Target target);
  void fail_lookup(const std::string& name, DnsStatus status, bool own_domain);

  OutboundContext& context_;
  std::shared_ptr<const Destination> destination_;
  SettingsPtr settings_;
  IpPreference ip_;
  std::deque<NextHop> entries_;
  std::deque<Group> groups_;  // of the entry being walked
  std::deque<Target> ready_, late_;
  std::set<std::string> seen_;
  bool mx_entry_ = false, fallback_ = false;
  FailureSummary failures_;
};

}  // namespace veredus
