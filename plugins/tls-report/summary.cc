// Counting, bounds, JSON.
#include "summary.h"

#include <nlohmann/json.hpp>

namespace tls_report {

namespace {

using nlohmann::json;
constexpr size_t kMostOctets = 60 * 1024;

std::vector<std::string> bounded(const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  for (const std::string& line : lines) {
    if (out.size() == kMostLines) break;
    out.push_back(line.substr(0, kLongestLine));
  }
  return out;
}

void count(Counts& counts, DetailKey key, uint64_t number, size_t most) {
  auto found = counts.details.find(key);
  if (found == counts.details.end() && counts.details.size() >= most) {
    key.source = key.host = key.address = key.reason = "";
    found = counts.details.find(key);
  }
  if (found == counts.details.end()) counts.details.emplace(std::move(key), number);
  else found->second += number;
}

// More policies a day than fit are counted with the last one that did.
Counts& counts_of(Summary& summary, PolicyKey key) {
  auto found = summary.policies.find(key);
  if (found != summary.policies.end()) return found->second;
  if (summary.policies.size() >= kMostPolicies) {
    for (auto& [other, counts] : summary.policies)
      if (other.type == key.type) return counts;
    return summary.policies.begin()->second;
  }
  return summary.policies[std::move(key)];
}

json to_json(const Summary& summary, bool details) {
  json out = json::array();
  for (const auto& [key, counts] : summary.policies) {
    json one{{"type", key.type}, {"text", key.text}, {"mx", key.mx}, {"good", counts.good}, {"bad", counts.bad}, {"details", json::array()}};
    Counts shown;
    for (const auto& [detail, number] : counts.details) count(shown, details ? detail : DetailKey{detail.result, "", "", "", ""}, number, kMostDetails);
    for (const auto& [detail, number] : shown.details) one["details"].push_back({detail.result, detail.source, detail.host, detail.address, detail.reason, number});
    out.push_back(std::move(one));
  }
  return out;
}

std::string dumped(const json& from) { return from.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

void Summary::add(const Session& session) {
  Counts& counts = counts_of(*this, {session.type, bounded(session.text), bounded(session.mx)});
  if (session.result == "success") {
    ++counts.good;
    return;
  }
  ++counts.bad;
  count(counts, {session.result, session.source, session.host.substr(0, 255), session.address, session.problem.substr(0, kLongestLine)}, 1, kMostDetails);
}

void Summary::merge(const Summary& other, size_t most_details) {
  for (const auto& [key, theirs] : other.policies) {
    Counts& mine = counts_of(*this, key);
    mine.good += theirs.good;
    mine.bad += theirs.bad;
    for (const auto& [detail, number] : theirs.details) count(mine, detail, number, most_details);
  }
}

std::string encoded(const Summary& summary) {
  std::string out = dumped(to_json(summary, true));
  if (out.size() > kMostOctets) out = dumped(to_json(summary, false));
  if (out.size() <= kMostOctets) return out;
  Summary small;
  for (const auto& [key, counts] : summary.policies) {
    Summary one;
    one.policies[{key.type, {}, {}}] = {counts.good, counts.bad, {}};
    small.merge(one, 1);
  }
  return dumped(to_json(small, false));
}

std::optional<Summary> decoded(std::string_view text) {
  json from = json::parse(text, nullptr, false);
  if (!from.is_array()) return std::nullopt;
  Summary out;
  try {
    for (const json& one : from) {
      Counts& counts = counts_of(out, {one.at("type"), one.at("text"), one.at("mx")});
      counts.good += one.at("good").get<uint64_t>();
      counts.bad += one.at("bad").get<uint64_t>();
      for (const json& row : one.at("details")) count(counts, {row.at(0), row.at(1), row.at(2), row.at(3), row.at(4)}, row.at(5).get<uint64_t>(), kMostDetails);
    }
  } catch (const json::exception&) {
    return std::nullopt;
  }
  return out;
}

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 240 || text.front() == '.' || text.back() == '.' || text.find("..") != text.npos) return false;
  bool address = text.substr(text.rfind('.') + 1).find_first_not_of("0123456789") == text.npos;  // of a route to one
  return !address && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == text.npos;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t end = text.find('\n');
    if (end != 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return out;
}

}  // namespace tls_report
