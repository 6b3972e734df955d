// Counting with bounds, reports field by field, records, and reports of others.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "common/reports/gzip.h"
#include "report.h"

using namespace tls_report;
using nlohmann::json;

namespace {

Session session(const std::string& result, const std::string& host = "mx.b.test") {
  Session out;
  out.domain = "b.test";
  out.type = "sts";
  out.text = {"version: STSv1", "mode: enforce", "mx: mx.b.test", "max_age: 86400"};
  out.mx = {"mx.b.test"};
  out.result = result;
  if (result != "success") out.problem = "the certificate has expired";
  out.source = "192.0.2.1";
  out.host = host;
  out.address = "192.0.2.9";
  return out;
}

Report report() {
  Report out;
  out.domain = "b.test";
  out.day = "2026-11-28";
  out.id = "77.1";
  out.author = {"A \"Ltd\"", "mailto:tls@a.test", "mx.a.test", "tls@a.test"};
  for (int i = 0; i < 3; ++i) out.summary.add(session("success"));
  for (int i = 0; i < 2; ++i) out.summary.add(session("certificate-expired"));
  return out;
}

}  // namespace

TEST_CASE("a report has the fields of RFC 8460 4.4") {
  json made = json::parse(report_json(report()));
  CHECK(made["organization-name"] == "A \"Ltd\"");
  CHECK(made["date-range"] == json{{"start-datetime", "2026-11-28T00:00:00Z"}, {"end-datetime", "2026-11-28T23:59:59Z"}});
  CHECK(made["contact-info"] == "mailto:tls@a.test");
  CHECK(made["report-id"] == "77.1");
  REQUIRE(made["policies"].size() == 1);
  json policy = made["policies"][0];
  CHECK(policy["policy"] == json{{"policy-type", "sts"}, {"policy-string", {"version: STSv1", "mode: enforce", "mx: mx.b.test", "max_age: 86400"}}, {"policy-domain", "b.test"}, {"mx-host", {"mx.b.test"}}});
  CHECK(policy["summary"] == json{{"total-successful-session-count", 3}, {"total-failure-session-count", 2}});
  REQUIRE(policy["failure-details"].size() == 1);
  CHECK(policy["failure-details"][0] == json{{"result-type", "certificate-expired"}, {"sending-mta-ip", "192.0.2.1"}, {"receiving-mx-hostname", "mx.b.test"}, {"receiving-ip", "192.0.2.9"},
                                             {"failed-session-count", 2}, {"failure-reason-code", "the certificate has expired"}});
}

TEST_CASE("a report that was made is a report that is valid, also in gzip") {
  std::string text = report_json(report());
  CHECK(check_report(text).valid());
  CHECK(check_report(common::gzipped(text)).valid());
  CHECK(!check_report(common::gzipped(text).substr(0, 40)).valid());
}

TEST_CASE("failures beyond the bound are counted without details, and nothing is lost") {
  Summary summary;
  for (int i = 0; i < 1000; ++i) summary.add(session("certificate-expired", "mx" + std::to_string(i) + ".b.test"));
  const Counts& counts = summary.policies.begin()->second;
  CHECK(counts.bad == 1000);
  CHECK(counts.details.size() == kMostDetails + 1);
  uint64_t sum = 0;
  for (const auto& [key, number] : counts.details) sum += number;
  CHECK(sum == 1000);
  CHECK(encoded(summary).size() < 64 * 1024);
}

TEST_CASE("many and long policies stay below the bound of the store") {
  Summary summary;
  for (int i = 0; i < 50; ++i) {
    Session one = session("validation-failure");
    one.text = std::vector<std::string>(200, std::string(1000, static_cast<char>('a' + i % 20)));
    one.problem = std::string(5000, 'p');
    summary.add(one);
  }
  CHECK(summary.policies.size() <= kMostPolicies);
  std::string text = encoded(summary);
  CHECK(text.size() < 64 * 1024);
  auto back = decoded(text);
  REQUIRE(back);
  uint64_t bad = 0;
  for (const auto& [key, counts] : back->policies) bad += counts.bad;
  CHECK(bad == 50);
}

TEST_CASE("summaries come back from the store and add up") {
  Summary summary = report().summary;
  auto back = decoded(encoded(summary));
  REQUIRE(back);
  back->merge(summary, 100);
  REQUIRE(back->policies.size() == 1);
  CHECK(back->policies.begin()->second.good == 6);
  CHECK(back->policies.begin()->second.details.begin()->second == 4);
  for (const char* text : {"", "{}", "[1]", "[{\"type\":1}]", "nonsense"}) CHECK((!decoded(text).has_value()));
}

TEST_CASE("records that ask for reports") {
  CHECK(read_request("v=TLSRPTv1; rua=mailto:a@b.test").uris == std::vector<std::string>{"mailto:a@b.test"});
  CHECK(read_request("v=TLSRPTv1;rua=mailto:a@b.test , https://b.test/r;").uris.size() == 2);
  CHECK(read_request("v=TLSRPTv1; x=y; rua=https://b.test/r").valid);
  for (const char* text : {"v=TLSRPTv1", "v=TLSRPTv1;", "v=TLSRPTv2; rua=mailto:a@b.test", "v=TLSRPTv1; rua=", "v=TLSRPTv1; rua=http://b.test/", "v=TLSRPTv1; rua=ftp:x"}) {
    CAPTURE(text);
    CHECK(!read_request(text).valid);
  }
  CHECK(mail_address("mailto:a%2Bx@b.test?subject=y") == "a+x@b.test");
  for (const char* uri : {"mailto:", "mailto:nobody", "mailto:a@b,c@d", "mailto:a%0d%0a@b.test", "https://b.test"}) CHECK(mail_address(uri).empty());
}

TEST_CASE("the mail of a report") {
  std::string mail = report_mail(report(), "r@b.test", report_json(report()), "Sat, 28 Nov 2026 00:00:00 +0000");
  for (const char* part : {"Subject: Report Domain: b.test\r\n Submitter: mx.a.test\r\n Report-ID: <77.1@mx.a.test>\r\n", "TLS-Report-Domain: b.test\r\n", "TLS-Report-Submitter: mx.a.test\r\n",
                           "TLS-Required: No\r\n", "report-type=\"tlsrpt\"", "From: \"A \\\"Ltd\\\"\" <tls@a.test>\r\n", "Content-Type: application/tlsrpt+gzip\r\n",
                           "filename=\"mx.a.test!b.test!1795824000!1795910399!77.1.json.gz\""}) {
    CAPTURE(part);
    CHECK(mail.find(part) != std::string::npos);
  }
  for (size_t at = mail.find('\n'); at != std::string::npos; at = mail.find('\n', at + 1)) CHECK(mail[at - 1] == '\r');
}

TEST_CASE("reports of others: what is wrong, and where") {
  struct Case {
    const char *text, *part;
  };
  const std::string good = report_json(report());
  for (const Case& one : {Case{"", "no JSON"}, {"{\n\"a\": 1,\n}", "no JSON"}, {"[]", "no JSON object"}, {"{\"a\": 1e999}", "number"}, {"{}", "'organization-name' is missing"}, {"{\"policies\": []}", "'policies' is empty"}}) {
    Checked checked = check_report(one.text);
    REQUIRE(!checked.valid());
    bool there = false;
    for (const Finding& finding : checked.problems) there = there || finding.text.find(one.part) != std::string::npos;
    CHECK(there);
  }
  CHECK(check_report("{\n\"a\": 1,\n}").problems.front().line == 3);
  auto with = [&](const char* pointer, const json& value) {
    json report = json::parse(good);
    report[json::json_pointer(pointer)] = value;
    return check_report(report.dump());
  };
  CHECK(with("/report-id", "other").valid());
  for (auto [pointer, value] : std::initializer_list<std::pair<const char*, json>>{{"/report-id", 5}, {"/date-range/start-datetime", "yesterday"}, {"/date-range/end-datetime", "2025-01-01T00:00:00Z"},
                                                                                   {"/policies/0/policy/policy-type", "dane"}, {"/policies/0/policy/mx-host", "mx.b.test"}, {"/policies/0/summary/total-failure-session-count", 1},
                                                                                   {"/policies/0/summary/total-successful-session-count", -1}, {"/policies/0/failure-details/0/failed-session-count", "2"}}) {
    CAPTURE(pointer);
    CHECK(!with(pointer, value).valid());
  }
}

TEST_CASE("domains, not addresses") {
  for (const char* text : {"b.test", "b", "a-b.1.test", "_x.test"}) CHECK(is_domain(text));
  for (const char* text : {"", "127.0.0.1", "::1", ".test", "b.test.", "a..b", "A.test", "a/b"}) CHECK(!is_domain(text));
}
