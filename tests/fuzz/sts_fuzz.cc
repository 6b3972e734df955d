// Fuzz target: records, policies and reports of strangers. The first octet chooses the reader. What is valid must come back the same from the
// form in which it is kept, allow what it names, and be valid when it is read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mta-sts/entry.h"
#include "tls-report/report.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void policy(std::string_view text) {
  mta_sts::ReadPolicy read = mta_sts::read_policy(text);
  require(read.valid == read.first_problem().empty());
  if (!read.valid) return;
  require(read.policy.mx.size() <= mta_sts::kMostPatterns && read.policy.max_age >= 0 && read.policy.max_age <= mta_sts::kLongestAge);
  mta_sts::Entry entry;
  entry.id = "1";
  entry.policy = read.policy;
  auto back = mta_sts::decoded(mta_sts::encoded(entry));
  require(back && back->policy.text() == read.policy.text());
  for (const std::string& one : read.policy.mx) require(read.policy.allows(one.starts_with("*.") ? "x" + one.substr(1) : one));
}

void record(std::string_view text) {
  mta_sts::Record read = mta_sts::read_record(text);
  if (read.valid) require(!read.id.empty() && read.id.size() <= 32 && mta_sts::begins_as_record(text));
  tls_report::Request request = tls_report::read_request(text);
  require(request.valid == !request.uris.empty());
  for (const std::string& uri : request.uris) require(tls_report::mail_address(uri).find_first_of("\r\n ") == std::string::npos);
}

void report(std::string_view text) {
  tls_report::check_report(text);
  if (auto summary = tls_report::decoded(text)) require(tls_report::encoded(*summary).size() < 64 * 1024);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) policy(text);
  else if (data[0] % 3 == 1) record(text);
  else report(text);
  return 0;
}
