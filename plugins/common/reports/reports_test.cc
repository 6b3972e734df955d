// Days, parts of mails, gzip with bounds, and when which report is due.
#include <doctest/doctest.h>

#include <set>

#include "common/reports/daily.h"
#include "common/reports/days.h"
#include "common/reports/gzip.h"
#include "common/reports/mail_parts.h"

using namespace common;

TEST_CASE("days of UTC") {
  CHECK(day_of(0) == "1970-01-01");
  CHECK(day_of(-1) == "1969-12-31");
  CHECK(day_of(86'399'999) == "1970-01-01");
  CHECK(day_of(1'795'824'000'000) == "2026-11-28");
  CHECK(day_start("2026-11-28") == 1'795'824'000'000);
  CHECK(day_start("2028-02-29").has_value());
  for (const char* text : {"", "2026-02-30", "2026-02-29", "2026-1-1", "20261128", "1969-12-31", "2026-11-2x", "2026-11-281", "2026/11/28"})
    CHECK(!day_start(text).has_value());
}

TEST_CASE("lines of base64 have 76 octets at most and end with CRLF") {
  CHECK(base64_lines("").empty());
  CHECK(base64_lines("a") == "YQ==\r\n");
  CHECK(base64_lines("ab") == "YWI=\r\n");
  CHECK(base64_lines("abc") == "YWJj\r\n");
  CHECK(base64_lines(std::string(57, 'x')).size() == 78);
  CHECK(base64_lines(std::string(58, 'x')).size() == 78 + 6);
  CHECK(base64_lines("\xFF\xFE\xFD") == "//79\r\n");
}

TEST_CASE("what stands in a field breaks out of neither quotes nor line") {
  CHECK(in_quotes("A \"Ltd\" \\ B") == "\"A \\\"Ltd\\\" \\\\ B\"");
  CHECK(in_quotes("a\r\nBcc: x\xC3\xA4") == "\"a??Bcc: x??\"");
  CHECK(in_header(std::string(300, 'x')).size() == 200);
}

TEST_CASE("a date as in RFC 5322") { CHECK(mail_date(1'795'824'000'000) == "Sat, 28 Nov 2026 00:00:00 +0000"); }

TEST_CASE("gzip, with a bound on what comes out") {
  std::string problem, text(1000, 'x');
  CHECK(gunzipped(gzipped(text), {1000, 500}, problem) == text);
  CHECK(!gunzipped(gzipped(text), {999, 500}, problem).has_value());
  CHECK(!gunzipped(gzipped(text).substr(0, 10), {1000, 500}, problem).has_value());
}

TEST_CASE("reports of a day are spread over the hours after it, each domain's at its own time") {
  const int64_t end = *day_start("2026-11-29");
  std::set<int64_t> times;
  for (int i = 0; i < 1000; ++i) {
    int64_t at = report_time("mx.a.test", "d" + std::to_string(i) + ".test", "2026-11-28", milliseconds(4 * 3'600'000));
    CHECK(at >= end);
    CHECK(at < end + 4 * 3'600'000);
    times.insert((at - end) / 600'000);
  }
  CHECK(times.size() == 24);  // in every ten minutes some
  CHECK(report_time("mx.a.test", "b.test", "2026-11-28", milliseconds(0)) == end);
  CHECK(report_time("mx.a.test", "b.test", "2026-11-28", milliseconds(86'400'000)) !=
        report_time("mx.b.test", "b.test", "2026-11-28", milliseconds(86'400'000)));
}
