#include "mailauth/spf/check.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

#include "common/text.hpp"

namespace mailauth {

std::string_view spf_word(SpfResult result) {
  switch (result) {
    case SpfResult::none: return "none";
    case SpfResult::neutral: return "neutral";
    case SpfResult::pass: return "pass";
    case SpfResult::fail: return "fail";
    case SpfResult::softfail: return "softfail";
    case SpfResult::temperror: return "temperror";
    case SpfResult::permerror: break;
  }
  return "permerror";
}

namespace spf {

namespace {

using common::lowered;
// U-labels as A-labels (RFC 8616 4); what cannot be converted stays, and is then no domain name.
std::string ascii(const std::string& domain) {
  bool plain = std::all_of(domain.begin(), domain.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (plain || domain.find('\0') != domain.npos) return domain;
  char* out = nullptr;
  int code = idn2_to_ascii_8z(domain.c_str(), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  std::unique_ptr<char, decltype(&idn2_free)> owned(out, &idn2_free);
  return code == IDN2_OK ? out : domain;
}

std::string without_dot(std::string name) {
  if (name.ends_with('.')) name.pop_back();
  return name;
}

}  // namespace

Check::Check(Dns& with, const SpfQuery& asked, const SpfLimits& bounds, SpfAnswer& out) : dns(with), limits(bounds), answer(out) {
  if (auto address = read_client(asked.ip)) client = *address, good_client = true;
  size_t at = asked.sender.rfind('@');
  answer.identity = asked.sender.empty() ? "helo" : "mailfrom";
  sender_domain = without_dot(ascii(asked.sender.empty() ? asked.helo : at == std::string::npos ? asked.sender : asked.sender.substr(at + 1)));
  answer.domain = lowered(sender_domain);
  local = at == std::string::npos || at == 0 ? "postmaster" : asked.sender.substr(0, at);
  sender = local + "@" + sender_domain;
  ip_ = client.dotted();
  readable_ip_ = client.readable();
  helo_ = asked.helo;
  receiver_ = asked.receiver.empty() ? "unknown" : asked.receiver;
  time_ = std::to_string(asked.now);
}

void Check::tell(const Place& place, std::string_view term, std::string text) {
  if (!tells()) return;
  answer.steps.push_back({place.depth, place.domain, std::string(term.substr(0, 200)), std::move(text), answer.lookups, answer.void_lookups});
}

MacroValues Check::values(const std::string& domain, const std::string& validated) const {
  MacroValues out{sender, local, sender_domain, domain, ip_, client.v4 ? "in-addr" : "ip6", helo_, validated, readable_ip_, receiver_, time_};
  return out;
}

std::string failed_look_up(std::string_view type, const std::string& name, vrd_status status) {
  std::string why = status == VRD_E_TIMEOUT ? "no answer in time" : status == VRD_E_BUSY ? "too many questions are under way" : "the name server fails or refuses, or its answer is not valid";
  return "the " + std::string(type) + " records of " + name + " cannot be looked up now: " + why;
}

bool is_failure(const vrd::DnsResult& result) { return !result.ok() && result.status != VRD_E_INVALID && result.status != VRD_E_NOT_FOUND; }

}  // namespace spf
}  // namespace mailauth
