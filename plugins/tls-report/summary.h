// Summary: what one loop saw of one policy domain on one day: counts by policy, and failures by their details. Bounded: what is too much is
// counted without details. Its form in core.kv, and merging. Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tls_report {

constexpr size_t kMostPolicies = 8, kMostDetails = 60, kMostLines = 60, kLongestLine = 300;

// One session, as hooks see it at `connected`.
struct Session {
  std::string domain;             // of the policy
  std::string type;               // tlsa, sts, no-policy-found
  std::vector<std::string> text;  // the policy, a line each
  std::vector<std::string> mx;
  std::string result;             // "success", or a result type of RFC 8460 4.3
  std::string problem;
  std::string source, host, address;  // ours; of the next hop
};

struct PolicyKey {
  std::string type;
  std::vector<std::string> text, mx;
  auto operator<=>(const PolicyKey&) const = default;
};
struct DetailKey {
  std::string result, source, host, address, reason;
  auto operator<=>(const DetailKey&) const = default;
};
struct Counts {
  uint64_t good = 0, bad = 0;
  std::map<DetailKey, uint64_t> details;
};

struct Summary {
  std::map<PolicyKey, Counts> policies;

  void add(const Session& session);
  void merge(const Summary& other, size_t most_details);
  bool empty() const { return policies.empty(); }
};

std::string encoded(const Summary& summary);  // below 64 KiB
std::optional<Summary> decoded(std::string_view text);

bool is_domain(std::string_view text);
std::vector<std::string> lines_of(std::string_view text);

}  // namespace tls_report
