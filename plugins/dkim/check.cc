#include "check.h"

#include <algorithm>

#include "common/report.hpp"
#include "incoming.h"

namespace mail_dkim {

namespace {

using common::printable;
using mailauth::DkimResult;

std::string properties_of(const DkimResult& result) {
  std::string out;
  auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += std::string(" ") + name + "=" + printable(value, 320);
  };
  add("header.d", result.domain);
  add("header.s", result.selector);
  add("header.a", result.algorithm);
  add("header.b", result.body_b);
  add("header.i", result.identity);
  return out;
}

std::string key_line(const DkimResult& result) {
  std::string out = "key: " + printable(result.selector, 253) + "._domainkey." + printable(result.domain, 253);
  if (result.key_bits > 0) out += ", " + std::to_string(result.key_bits) + " bits";
  if (!result.canonical.empty()) out += ", canonical form " + result.canonical;
  if (result.testing) out += ", in testing (t=y)";
  return out + "\n";
}

std::string warnings_of(const DkimResult& result) {
  std::string out, names;
  for (const std::string& name : result.uncovered) names += (names.empty() ? "" : ", ") + name;
  if (!names.empty()) out += "warning: the signature of " + printable(result.domain, 253) + " does not cover " + names + ": these may be changed, and it still holds\n";
  if (result.partial) out += "warning: the signature of " + printable(result.domain, 253) + " leaves the end of the body out (l=): anybody may have added to it\n";
  return out;
}

}  // namespace

std::string check_text(const std::vector<DkimResult>& results) {
  if (results.empty()) return "none\nreason: there is no signature\n";
  std::string out, more;
  for (const DkimResult& each : results) {
    out += each.result + properties_of(each) + (each.reason.empty() ? "" : ": " + printable(each.reason)) + "\n";
    if (!each.domain.empty()) more += key_line(each);
    more += warnings_of(each);
  }
  return out + more;
}

std::string check_json(const std::vector<DkimResult>& results) {
  nlohmann::ordered_json out;
  const DkimResult* best = best_of(results);
  out["result"] = best ? best->result : results.empty() ? "none" : "neutral";
  out["signatures"] = nlohmann::ordered_json::array();
  for (const DkimResult& each : results) {
    nlohmann::ordered_json one{{"result", each.result}};
    for (auto [name, value] : {std::pair<const char*, const std::string*>{"reason", &each.reason}, {"domain", &each.domain}, {"selector", &each.selector}, {"algorithm", &each.algorithm}, {"identity", &each.identity}, {"b", &each.body_b}, {"canonical", &each.canonical}})
      if (!value->empty()) one[name] = *value;
    if (each.key_bits > 0) one["key_bits"] = each.key_bits;
    one["testing"] = each.testing;
    one["partial"] = each.partial;
    if (!each.uncovered.empty()) one["uncovered"] = each.uncovered;
    out["signatures"].push_back(std::move(one));
  }
  return out.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

void cover(mailauth::SignOptions& options, std::string_view list, const mailauth::HeaderBlock& block) {
  std::vector<std::string> given{};
  while (!list.empty()) {
    size_t end = std::min(list.find(':'), list.size());
    if (end > 0) given.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  auto count = [](const auto& all, std::string_view name, auto name_of) { return std::count_if(all.begin(), all.end(), [&](const auto& each) { return mailauth::same_name(name_of(each), name); }); };
  auto listed = [&](std::string_view name) { return count(given, name, [](const std::string& each) { return std::string_view(each); }); };
  if (listed("From") == 0) given.insert(given.begin(), "From");
  options.names.clear();
  options.oversigned.clear();
  for (const std::string& name : given) {
    if (count(options.names, name, [](const std::string& each) { return std::string_view(each); }) > 0) continue;
    options.names.push_back(name);
    if (listed(name) > count(block.fields, name, [](const mailauth::Field& each) { return each.name; })) options.oversigned.push_back(name);
  }
}

std::string with_field(const mailauth::MessageInput& message, std::string_view input, const mailauth::NewField& field) {
  return mailauth::as_input(message, field.name + ": " + field.value + "\r\n") + std::string(input);
}

}  // namespace mail_dkim
