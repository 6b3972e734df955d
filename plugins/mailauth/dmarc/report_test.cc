// Reports written, packed, sent as a mail, unpacked and read; and those that are meant to harm.
#include <doctest/doctest.h>
#include <zlib.h>

#include <cstring>

#include <nlohmann/json.hpp>

#include "mailauth/dmarc/report_mail.h"
#include "mailauth/dmarc/report_summary.h"
#include "mailauth/dmarc/unpack.h"

using namespace mailauth;
using common::gzipped;

namespace {

AggregateReport sample() {
  AggregateReport out;
  out.org = "Example & <Sons>";
  out.email = "dmarc@mx.test";
  out.id = "abc123";
  out.generator = "veredus";
  out.errors = {"there are 2 records"};
  out.begin = 1'764'201'600;
  out.end = out.begin + 86'399;
  out.policy = {"a.test", "reject", "none", "", "r", "s", "0", "n", "treewalk"};
  ReportRow good, bad;
  good.source = "192.0.2.1", good.disposition = "pass", good.dkim = true, good.header_from = "a.test", good.envelope_from = "b.test";
  good.signatures = {{"a.test", "s1", "pass"}, {"b.test", "s2", "fail"}};
  good.spf_domain = "b.test", good.spf_result = "pass";
  bad.source = "2001:db8::1", bad.disposition = "none", bad.header_from = "x.a.test",
  bad.reasons = {{"trusted_forwarder", "list.test"}, {"local_policy", ""}};
  out.rows = {{good, 12}, {bad, 3}};
  return out;
}

std::string documents_of(std::string_view octets, const UnpackLimits& limits = {}) {
  Unpacked out = unpack_reports(octets, limits);
  std::string all;
  for (const auto& one : out.documents) all += one.xml;
  return all;
}

std::string problem_of(std::string_view octets, const UnpackLimits& limits = {}) {
  Unpacked out = unpack_reports(octets, limits);
  REQUIRE(out.problems.size() > 0);
  return out.problems.front();
}

std::string little(uint64_t number, size_t size) {
  std::string out;
  for (size_t i = 0; i < size; ++i) out += static_cast<char>(number >> (8 * i) & 0xFF);
  return out;
}

std::string deflated(const std::string& text) {
  std::string gzip = gzipped(text);
  return gzip.substr(10, gzip.size() - 18);
}

std::string zip_of(const std::string& name, const std::string& text, bool pack, uint32_t flags = 0) {
  std::string data = pack ? deflated(text) : text, method = little(pack ? 8 : 0, 2);
  auto crc = static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
  std::string sizes = little(crc, 4) + little(data.size(), 4) + little(text.size(), 4) + little(name.size(), 2) + little(0, 2);
  std::string local = "PK\3\4" + little(20, 2) + little(flags, 2) + method + little(0, 4) + sizes + name + data;
  std::string entry = "PK\1\2" + little(20, 2) + little(20, 2) + little(flags, 2) + method + little(0, 4) + sizes + little(0, 2) +
                      little(0, 4) + little(0, 4) + little(0, 4) + name;
  return local + entry + "PK\5\6" + little(0, 4) + little(1, 2) + little(1, 2) + little(entry.size(), 4) + little(local.size(), 4) +
         little(0, 2);
}

ReadReport read(const std::string& xml) { return read_report(xml, {}); }

std::string with_record(const std::string& record) {
  return "<feedback><report_metadata><org_name>o</org_name><report_id>1</report_id></report_metadata><policy_published><domain>a.test</"
         "domain><p>none</p></policy_published>" +
         record + "</feedback>";
}

}  // namespace

TEST_CASE("what is written is read again") {
  AggregateReport report = sample();
  std::string xml = report_xml(report);
  ReadReport back = read(xml);
  CHECK(back.readable);
  CHECK(back.problems.empty());
  CHECK(back.version == "1.0");
  CHECK(back.space == kReportNamespace);
  CHECK(back.report.org == report.org);
  CHECK(back.report.id == report.id);
  CHECK(back.report.begin == report.begin);
  CHECK(back.report.end == report.end);
  CHECK(back.report.errors == report.errors);
  CHECK(back.report.policy == report.policy);
  CHECK(back.report.rows == report.rows);
}

TEST_CASE("rows and policies are kept in a store") {
  for (const auto& [row, count] : sample().rows) CHECK(decoded_row(encoded(row)) == row);
  CHECK(decoded_policy(encoded(sample().policy)) == sample().policy);
  for (const char* text : {"", "[]", "{}", "[1,2,3,4,5,6,7,8,9,10,11]", "nonsense"}) {
    CHECK_FALSE(decoded_row(text));
    CHECK_FALSE(decoded_policy(text));
  }
  ReportRow huge;
  huge.source = std::string(100'000, '\xFF');
  for (int i = 0; i < 1'000; ++i) huge.signatures.push_back({std::string(1'000, 'd'), std::string(1'000, '"'), std::string(1'000, 'r')});
  CHECK(encoded(huge).size() < 32 * 1024);
}

TEST_CASE("names of files") { CHECK(report_file_name(sample(), "mx.test") == "mx.test!a.test!1764201600!1764287999!abc123.xml.gz"); }

TEST_CASE("XML, gzip, zip and a mail give the same document") {
  std::string xml = report_xml(sample());
  CHECK(documents_of(xml) == xml);
  CHECK(documents_of("\xEF\xBB\xBF\r\n" + xml) == "\xEF\xBB\xBF\r\n" + xml);
  CHECK(documents_of(gzipped(xml)) == xml);
  CHECK(documents_of(gzipped(xml.substr(0, 100)) + gzipped(xml.substr(100))) == xml);
  CHECK(documents_of(zip_of("r.xml", xml, true)) == xml);
  CHECK(documents_of(zip_of("r.xml", xml, false)) == xml);
  CHECK(documents_of(zip_of("r.xml.gz", gzipped(xml), false)) == xml);
  std::string mail = report_mail(sample(), {"dmarc@mx.test", "reports@a.test", "mx.test", "Sat, 28 Nov 2026 00:00:00 +0000"}, gzipped(xml));
  CHECK(documents_of(mail) == xml);
  CHECK(mail.find("Subject: Report Domain: a.test\r\n Submitter: mx.test\r\n Report-ID: <abc123>\r\n") != mail.npos);
  CHECK(documents_of("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n" + mail +
                     "\r\n--o--\r\n") == xml);
}

TEST_CASE("a report that is too large leaves out what concerns the fewest messages") {
  AggregateReport report = sample();
  uint32_t noise = 1;
  for (uint64_t i = 0; i < 5'000; ++i) {
    ReportRow row;
    row.source = "192.0.2.1", row.disposition = "none";
    row.envelope_from = std::to_string(noise = noise * 1'664'525 + 1'013'904'223) + ".test";
    report.rows.emplace_back(row, i + 20);
  }
  std::string gzip = packed_report(report, 20'000);
  ReportMail mail{"dmarc@mx.test", "reports@a.test", "mx.test", "Sat, 28 Nov 2026 00:00:00 +0000"};
  std::string octets = report_mail(report, mail, gzip);
  CHECK(octets.size() <= 20'000);
  ReadReport back = read(documents_of(octets));
  CHECK(back.problems.empty());
  CHECK(back.report.rows.size() == report.rows.size());
  CHECK(back.report.rows.size() < 3'000);
  CHECK(back.report.rows.front().second == 5'019);
  REQUIRE(back.report.errors.size() == 1);
  CHECK(back.report.errors[0].find(std::to_string(5'002 - back.report.rows.size()) + " records are left out") != std::string::npos);
  CHECK(packed_report(report, 1).size() > 0);
  CHECK(report.rows.size() == 1);
}

TEST_CASE("mails as people send them") {
  std::string xml = "<feedback></feedback>", head = "From: a@b.test\nContent-Type: ";
  CHECK(documents_of(head + "text/xml\n\n" + xml) == xml);
  CHECK(documents_of(head + "application/xml; name=\"r.xml\"\nContent-Transfer-Encoding: quoted-printable\n\n<feedback=3E=\n</feedback>") ==
        xml);
  CHECK(documents_of(head + "application/octet-stream\nContent-Transfer-Encoding: BASE64\n\nPGZlZWRi\r\nYWNrPjwv\r\nZmVlZGJhY2s+\r\n") ==
        xml);
  CHECK(documents_of(head + "multipart/mixed;\n boundary=\"x y\"\n\n--x y\n\ntext\n--x y\nContent-Type: text/xml\n\n" + xml + "\n") ==
        xml + "\n");
  CHECK(problem_of(head + "text/html\n\n<html></html>").find("carries no report") != std::string::npos);
  CHECK(problem_of(head + "multipart/mixed\n\n" + xml).find("carries no report") != std::string::npos);
  CHECK(problem_of("hello").find("neither XML") != std::string::npos);
  CHECK(problem_of("").find("neither XML") != std::string::npos);
}

TEST_CASE("bombs cost no more than the limits") {
  std::string zeros(80 << 20, ' ');
  CHECK(problem_of(gzipped(zeros)).find("500 times") != std::string::npos);
  CHECK(problem_of(zip_of("r.xml", zeros, true)).find("500 times") != std::string::npos);
  UnpackLimits small;
  small.all = 10'000;
  std::string noise = "<";
  for (uint32_t i = 0, x = 1; i < 20'000; ++i) noise += static_cast<char>('a' + (x = x * 1'664'525 + 1'013'904'223) % 26);
  CHECK(problem_of(gzipped(noise), small).find("larger than") != std::string::npos);
  std::string nested = "<a/>";
  for (int i = 0; i < 20; ++i) nested = gzipped(nested);
  CHECK(problem_of(nested).find("in one another") != std::string::npos);
  std::string parts = "Content-Type: multipart/mixed; boundary=o\n\n";
  for (int i = 0; i < 5'000; ++i) parts += "--o\nContent-Type: text/xml\n\n<a/>\n";
  CHECK(unpack_reports(parts, {}).documents.size() == 100);
  std::string deep;
  for (int i = 0; i < 5'000; ++i)
    deep += "Content-Type: multipart/mixed; boundary=o" + std::to_string(i) + "\n\n--o" + std::to_string(i) + "\n";
  CHECK(problem_of(deep).find("in one another") != std::string::npos);
}

TEST_CASE("archives that are damaged") {
  std::string xml = report_xml(sample()), zip = zip_of("r.xml", xml, true), gzip = gzipped(xml);
  CHECK(problem_of(gzip.substr(0, gzip.size() / 2)).find("damaged") != std::string::npos);
  CHECK(problem_of(zip.substr(0, zip.size() - 10)).find("damaged") != std::string::npos);
  CHECK(problem_of("PK\3\4nothing").find("damaged") != std::string::npos);
  CHECK(problem_of(zip_of("r.xml", xml, true, 1)).find("encrypted") != std::string::npos);
  std::string wrong = zip_of("r.xml", xml, false);
  wrong[60]++;
  CHECK(problem_of(wrong).find("check sum") != std::string::npos);
  for (size_t at = 0; at < zip.size(); ++at)  // no octet of it may do harm
    for (char value : {'\0', '\x7F', '\xFF'}) {
      std::string changed = zip;
      changed[at] = value;
      unpack_reports(changed, {});
    }
}

TEST_CASE("XML that defines entities is not read") {
  for (const char* text :
       {"<!DOCTYPE feedback [<!ENTITY a \"x\">]><feedback>&a;</feedback>",
        "<?xml version='1.0'?><!DOCTYPE feedback SYSTEM \"file:///etc/passwd\"><feedback/>", "<feedback><!ENTITY a 'b'></feedback>"}) {
    ReadReport out = read(text);
    CHECK_FALSE(out.readable);
    CHECK(out.problems.front().find("document type") != std::string::npos);
  }
  CHECK_FALSE(read("<feedback>&undefined;</feedback>").problems.empty());
  CHECK(read(std::string("<\0f\0", 4)).problems.front().find("value 0") != std::string::npos);
  CHECK_FALSE(read("<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE feedback+AD4-<feedback/>").readable);
}

TEST_CASE("what is no report, or ends too soon") {
  for (const char* text : {"", "<", "<html></html>", "<feedback><record>", "<feedback></record>", "text"}) {
    CAPTURE(text);
    ReadReport out = read(text);
    CHECK_FALSE(out.readable);
    CHECK_FALSE(out.problems.empty());
  }
  std::string deep = "<feedback>";
  for (int i = 0; i < 10'000; ++i) deep += "<a>";
  CHECK(read(deep).problems.front().find("deep") != std::string::npos);
}

TEST_CASE("values of a wrong kind are told, and the rest is read") {
  ReadReport out =
      read(with_record("<record><row><source_ip>nowhere</source_ip><count>many</count><policy_evaluated><disposition>eaten</"
                       "disposition><dkim>maybe</dkim><spf>pass</spf></policy_evaluated></row></record>"
                       "<record><row><source_ip>192.0.2.1</source_ip><count>-1</count></row></record>"
                       "<record><row><source_ip>192.0.2.1</source_ip><count>99999999999999999999</count></row></record>"
                       "<record><row><source_ip>192.0.2.1</source_ip><count> 7\n</count></row></record>"));
  CHECK(out.readable);
  CHECK(out.problem_count == 6);
  REQUIRE(out.report.rows.size() == 4);
  CHECK(out.report.rows[0].second == 0);
  CHECK(out.report.rows[3].second == 7);
}

TEST_CASE("a number of records, problems and texts that has no end") {
  std::string many = "<record><row><source_ip>x</source_ip></row></record>", all;
  for (int i = 0; i < 1'000; ++i) all += many;
  ReadLimits limits;
  limits.records = 500;
  ReadReport out = read_report(with_record(all), limits);
  CHECK(out.report.rows.size() == 500);
  CHECK(out.problems.size() == 50);
  CHECK(out.problem_count > 500);
  CHECK(read("<feedback><report_metadata><org_name>" + std::string(1 << 20, 'x') + "</org_name></report_metadata></feedback>")
            .report.org.size() == 4'096);
}

TEST_CASE("old and strange reports are read") {
  ReadReport bare =
      read(with_record("<record><row><source_ip>192.0.2.1</source_ip><count>1</count><policy_evaluated><disposition>none</"
                       "disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>"
                       "<x:other xmlns:x='urn:x'><row><count>5</count></row></x:other></record>"));
  CHECK(bare.readable);
  CHECK(bare.problems.empty());
  CHECK(bare.report.rows[0].second == 1);
  ReadReport latin = read(
      "<?xml version='1.0' encoding='iso-8859-1'?><feedback><report_metadata><org_name>Caf\xE9</org_name></report_metadata></feedback>");
  CHECK(latin.report.org == "Caf\xC3\xA9");
  CHECK(read("<feedback xmlns='http://dmarc.org/dmarc-xml/0.1'><record/></feedback>").report.rows.size() == 1);
  CHECK(read("<feedback><report_metadata><org_name><![CDATA[A & B]]></org_name></report_metadata></feedback>").report.org == "A & B");
}

TEST_CASE("a summary counts by source and says what to look at") {
  ReadReport out = read(report_xml(sample()));
  ReportSummary summary = summarise(out.report);
  CHECK(summary.messages == 15);
  CHECK(summary.passed == 12);
  REQUIRE(summary.sources.size() == 2);
  CHECK(summary.sources[0].address == "2001:db8::1");
  CHECK(summary.sources[0].advice.front().find("forwarded") != std::string::npos);
  CHECK(summary.sources[1].dkim_aligned == 12);
  CHECK(summary.sources[1].spf_aligned == 0);
  std::string text = summary_text(out, "r.xml");
  CHECK(text.find("messages: 15, of which 12 pass and 3 fail\n") != text.npos);
  CHECK(text.find("source: 192.0.2.1: 12 messages, all pass; aligned by DKIM: all, by SPF: none\n") != text.npos);
  CHECK(summary_json(out, "")["sources"][1]["messages"] == 12);
}
