// TXT at _mta-sts.DOMAIN (RFC 8461 3.1); https://mta-sts.DOMAIN/.well-known/mta-sts.txt (3.3): no redirections, no cookies, no proxy.
#include "fetch.hpp"

namespace mta_sts {

namespace {

constexpr uint64_t kLargestPolicy = 64 * 1024;
constexpr size_t kLongestProblem = 300;

std::string media_type(const vrd::HttpResult& result) {
  for (const auto& [name, value] : result.headers)
    if (name == "content-type") {
      std::string type = lowered(value.substr(0, value.find(';')));
      while (type.ends_with(' ') || type.ends_with('\t')) type.pop_back();
      return type;
    }
  return {};
}

Fetched failed(std::string result, std::string problem) {
  Fetched out;
  out.result = std::move(result);
  out.problem = problem.substr(0, kLongestProblem);
  return out;
}

// What libcurl says when a certificate does not fit has this word in all its versions.
bool is_about_certificate(const std::string& problem) { return lowered(problem).find("certificate") != std::string::npos; }

Fetched without_answer(const vrd::HttpResult& result, const std::string& host, const Source& source) {
  std::string why = result.error.empty() ? "the request failed with status " + std::to_string(result.status) : result.error;
  if (result.status == VRD_E_TIMEOUT) return failed("sts-policy-fetch-error", host + " did not answer within " + std::to_string(source.timeout.count() / 1000) + " s: " + why);
  if (result.status == VRD_E_MEMORY) return failed("sts-policy-invalid", "the policy of " + host + " is larger than 64 KiB");
  if (is_about_certificate(why)) return failed("sts-webpki-invalid", "the certificate of " + host + " is not valid: " + why);
  return failed("sts-policy-fetch-error", host + " cannot be asked: " + why);
}

Fetched judge(const vrd::HttpResult& result, const std::string& host) {
  if (result.code >= 300 && result.code < 400)
    return failed("sts-policy-fetch-error", host + " redirects (HTTP " + std::to_string(result.code) + "), which policies must not (RFC 8461 3.3)");
  if (result.code != 200) return failed("sts-policy-fetch-error", host + " answers HTTP " + std::to_string(result.code) + ", not 200");
  std::string type = media_type(result);
  if (type != "text/plain") return failed("sts-policy-fetch-error", "the policy's Content-Type is '" + type.substr(0, 80) + "', not text/plain");
  ReadPolicy read = read_policy(result.body);
  Fetched out = read.valid ? Fetched() : failed("sts-policy-invalid", read.first_problem());
  out.policy = std::move(read.policy);
  out.findings = std::move(read.findings);
  return out;
}

}  // namespace

std::string policy_url(const std::string& domain, int64_t port) {
  return "https://mta-sts." + domain + (port == 443 ? "" : ":" + std::to_string(port)) + "/.well-known/mta-sts.txt";
}

vrd::Task<Announced> look_up(const vrd::Host& host, std::string domain, milliseconds timeout) {
  Announced out;
  vrd::DnsResult found = co_await host.dns("_mta-sts." + domain, VRD_DNS_TXT, timeout);
  if (!found.ok()) {
    out.state = Announced::State::failed;
    out.problem = found.bogus ? "the DNSSEC signatures of _mta-sts." + domain + " are wrong" : "_mta-sts." + domain + " cannot be looked up now";
    co_return out;
  }
  std::vector<std::string> meant;
  for (const vrd::DnsRecord& record : found.records) {
    if (record.type != VRD_DNS_TXT) continue;
    out.texts.push_back(record.text);
    if (begins_as_record(record.text)) meant.push_back(record.text);
  }
  out.problem = out.texts.empty() ? "there is no TXT record at _mta-sts." + domain : "no TXT record at _mta-sts." + domain + " begins with 'v=STSv1;'";
  if (meant.empty()) co_return out;
  out.state = Announced::State::several;
  out.problem = "there are " + std::to_string(meant.size()) + " MTA-STS records at _mta-sts." + domain + "; more than one counts as none (RFC 8461 3.1)";
  if (meant.size() > 1) co_return out;
  Record record = read_record(meant.front());
  out.state = record.valid ? Announced::State::present : Announced::State::malformed;
  out.id = record.id;
  out.problem = record.valid || record.findings.empty() ? "" : "the record counts as none: " + record.findings.front().text;
  co_return out;
}

vrd::Task<Fetched> fetch(const vrd::Host& host, std::string domain, Source source) {
  auto request = host.http("GET", policy_url(domain, source.port));
  request.header("Accept", "text/plain").header("User-Agent", "veredus").timeout(source.timeout).max_response(kLargestPolicy).ca_file(source.ca_file);
  vrd::HttpResult result = co_await request;
  std::string name = "mta-sts." + domain;
  Fetched out = result.ok() ? judge(result, name) : without_answer(result, name, source);
  out.code = result.code;
  out.body = std::move(result.body);
  co_return out;
}

}  // namespace mta_sts
