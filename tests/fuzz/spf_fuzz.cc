// Fuzz target: SPF records, macro strings, and whole checks over zones of strangers. The first octet chooses. What is read must be within the text,
// what is expanded within its bounds; a check must end with a result, after a bounded number of questions, with an explanation that can be shown.
//
// A check reads lines: the client's address, HELO, the sender; then "NAME TYPE TEXT" for records, or "NAME TYPE !" for a look-up that fails.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mailauth/base/fake_dns.h"
#include "mailauth/spf/macro.h"
#include "mailauth/spf/record.h"

namespace {

using namespace mailauth;

void require(bool condition) {
  if (!condition) std::abort();
}

bool inside(std::string_view part, std::string_view whole) { return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size()); }

void record(std::string_view text) {
  spf::Record read = spf::read_record(text);
  if (!read.problem.empty()) return;
  require(spf::is_record(text) && inside(read.redirect, text) && inside(read.exp, text));
  for (const spf::Term& term : read.terms) {
    require(inside(term.text, text) && inside(term.domain, text) && term.bits4 <= 32 && term.bits6 <= 128);
    require(term.domain.empty() || spf::domain_spec_problem(term.domain).empty());
  }
}

void macro(std::string_view text) {
  size_t cut = std::min(text.find('\n'), text.size());
  std::string local(text.substr(0, cut)), spec(text.substr(std::min(cut + 1, text.size())));
  std::string sender = local + "@a.test";
  spf::MacroValues values;
  values.local = local;
  values.sender = sender;
  values.sender_domain = values.domain = "a.test";
  values.ip = "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1";
  values.helo = local;
  if (auto out = spf::expanded(spec, values, 8192)) require(out->size() <= 8192);
  bool good = spf::macro_problem(spec, spf::MacroUse::domain).empty();
  if (good) require(spf::macro_problem(spec, spf::MacroUse::explanation).empty() && spf::macro_problem(spec, spf::MacroUse::modifier).empty());
  auto name = good ? spf::target_name(spec, values) : std::nullopt;
  if (name) require(!name->empty() && name->size() <= 253 && name->find("..") == std::string::npos && name->back() != '.');
}

std::string_view line(std::string_view& text) {
  size_t end = std::min(text.find('\n'), text.size());
  std::string_view out = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return out;
}

void add(FakeDns& dns, std::string_view row) {
  constexpr std::pair<std::string_view, uint32_t> kTypes[] = {{"A", VRD_DNS_A}, {"AAAA", VRD_DNS_AAAA}, {"MX", VRD_DNS_MX}, {"PTR", VRD_DNS_PTR}, {"TXT", VRD_DNS_TXT}};
  size_t first = row.find(' '), second = first == row.npos ? first : row.find(' ', first + 1);
  if (second == row.npos) return;
  std::string name(row.substr(0, first)), text(row.substr(second + 1));
  for (const auto& [word, type] : kTypes) {
    if (row.substr(first + 1, second - first - 1) != word) continue;
    if (text == "!") dns.fail(name, type, VRD_E_TIMEOUT);
    else dns.add(name, type, type == VRD_DNS_MX ? "10 " + text : text);
  }
}

void check(std::string_view text) {
  SpfQuery query;
  query.ip = line(text);
  query.helo = line(text);
  query.sender = line(text);
  FakeDns dns;
  for (int rows = 0; !text.empty() && rows < 200; ++rows) add(dns, line(text));
  SpfLimits limits;
  limits.steps = !query.ip.empty() && query.ip.back() % 2;
  SpfAnswer answer = run(check_spf(dns, query, limits));
  require(spf_word(answer.result).size() >= 4 && answer.lookups <= limits.lookups + 1 && answer.void_lookups <= limits.void_lookups + 1);
  require(dns.asked.size() <= 1 + (limits.lookups + 1) * (1 + limits.mx_hosts) + 3 * (1 + limits.ptr_names) + (limits.lookups + 2) * limits.ptr_names);
  require(answer.explanation.empty() || answer.result == SpfResult::fail);
  require(answer.explanation.size() <= limits.explanation && std::all_of(answer.explanation.begin(), answer.explanation.end(), [](char c) { return c >= ' ' && c < 0x7F; }));
  bool error = answer.result == SpfResult::temperror || answer.result == SpfResult::permerror || answer.result == SpfResult::none;
  require(answer.problem.empty() != error);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 16'384) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 == 0) record(text);
  else if (data[0] % 4 == 1) macro(text);
  else check(text);
  return 0;
}
