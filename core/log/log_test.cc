// Log lines, escaping, bounds, redaction, the declared events, and the form for people.
#include "log/log.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "log/events.h"
#include "log/json_text.h"
#include "log/people.h"
#include "log/redaction.h"
#include "log/sinks.h"

using namespace veredus;
using nlohmann::json;

namespace {

constexpr EventDef kEvent{"test.event", Severity::info, "For this test."};

std::string one_line(std::initializer_list<Field> fields) {
  FakeClock clock;
  ListSink sink;
  Log(clock, sink).write(kEvent, fields);
  return sink.text();
}

std::string escaped(std::string_view text, size_t max = 1000) {
  std::string out;
  append_json_string(out, text, max);
  return out;
}

}  // namespace

TEST_CASE("a line has time, level, event and the fields in order") {
  CHECK(one_line({{"id", "ABC"}, {"size", 42}, {"ok", true}, {"ratio", 0.5}}) ==
        "{\"time\":\"2025-06-15T15:06:40.000Z\",\"level\":\"info\",\"event\":\"test.event\","
        "\"id\":\"ABC\",\"size\":42,\"ok\":true,\"ratio\":0.5}\n");
}

TEST_CASE("time follows the clock to the millisecond") {
  FakeClock clock;
  ListSink sink;
  Log log(clock, sink);
  clock.advance(Millis(1234));
  log.write(kEvent, {});
  clock.advance(Millis(5));
  log.write(kEvent, {});
  log.flush();
  CHECK(json::parse(sink.lines().at(0))["time"] == "2025-06-15T15:06:41.234Z");
  CHECK(json::parse(sink.lines().at(1))["time"] == "2025-06-15T15:06:41.239Z");
}

TEST_CASE("nothing reaches the sink before flush, everything after") {
  FakeClock clock;
  ListSink sink;
  Log log(clock, sink);
  log.write(kEvent, {});
  log.write(kEvent, {});
  CHECK(sink.text().empty());
  log.flush();
  CHECK(sink.lines().size() == 2);
}

TEST_CASE("events below the threshold are not written") {
  FakeClock clock;
  ListSink sink;
  Log log(clock, sink, Severity::warning);
  log.write(kEvent, {});
  log.flush();
  CHECK(sink.text().empty());
  log.set_threshold(Severity::debug);
  log.write(kEvent, {});
  log.flush();
  CHECK(sink.count("test.event") == 1);
}

TEST_CASE("any octets become valid JSON") {
  CHECK(escaped("a\"b\\c\n\r\t") == "\"a\\\"b\\\\c\\n\\r\\t\"");
  CHECK(escaped(std::string_view("\0\x1b\x7f", 3)) == "\"\\u0000\\u001b\\u007f\"");
  CHECK(escaped("gr\xC3\xBC\xC3\x9F") == "\"gr\xC3\xBC\xC3\x9F\"");
  CHECK(escaped("\xFF\xC3") == "\"\\\\xff\\\\xc3\"");
  CHECK(escaped("\xC0\x80\xED\xA0\x80") == "\"\\\\xc0\\\\x80\\\\xed\\\\xa0\\\\x80\"");
  CHECK(escaped("\xC2\x9B") == "\"\\u009b\"");
  CHECK(escaped("\xF0\x9F\x90\x8E") == "\"\xF0\x9F\x90\x8E\"");
  CHECK(escaped("\xF5\x80\x80\x80") == "\"\\\\xf5\\\\x80\\\\x80\\\\x80\"");
}

TEST_CASE("every single and double octet parses and is UTF-8") {
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; b += 7) {
      std::string text{static_cast<char>(a), static_cast<char>(b)};
      std::string out = escaped(text);
      REQUIRE(is_utf8(out));
      REQUIRE(json::accept(out));
    }
}

TEST_CASE("a cut string stays valid at every bound and within it") {
  std::string text = "plain \xC3\xBC \x01 \xFF \" \xF0\x9F\x90\x8E end";
  for (size_t max = 8; max < 80; ++max) {
    std::string out;
    bool whole = append_json_string(out, text, max);
    REQUIRE(json::accept(out));
    REQUIRE(out.size() <= max);
    REQUIRE(whole == (out.find("...") == std::string::npos));
  }
}

TEST_CASE("a line is bounded and says that it was cut") {
  std::string big(100'000, 'x');
  std::string line = one_line({{"id", "ABC"}, {"reply", big}, {"more", big}, {"count", 7}});
  CHECK(line.size() <= Log::kMaxLine);
  json parsed = json::parse(line);
  CHECK(parsed["id"] == "ABC");
  CHECK(parsed["cut"] == true);
  CHECK(parsed["reply"].get<std::string>().ends_with("..."));
}

TEST_CASE("a line of worst-case octets is bounded and valid") {
  std::string line = one_line({{"a", std::string(9000, '\x01')}, {"b", std::string(9000, '\xFF')}});
  CHECK(line.size() <= Log::kMaxLine);
  CHECK(json::accept(line));
}

TEST_CASE("numbers at their limits") {
  json parsed = json::parse(one_line({{"min", INT64_MIN}, {"max", INT64_MAX}, {"nan", 0.0 / 0.0}}));
  CHECK(parsed["min"] == INT64_MIN);
  CHECK(parsed["max"] == INT64_MAX);
  CHECK(parsed["nan"].is_null());
}

TEST_CASE("secret keys are redacted, others are not") {
  json parsed = json::parse(one_line({{"password", "hunter2"}, {"bind_password", "x"}, {"id", "password"}}));
  CHECK(parsed["password"] == "(hidden)");
  CHECK(parsed["bind_password"] == "(hidden)");
  CHECK(parsed["id"] == "password");
  CHECK(is_secret_key("token"));
  CHECK_FALSE(is_secret_key("mytokens"));
  CHECK_FALSE(is_secret_key("nottoken"));
}

TEST_CASE("declared events have distinct names of the form area.event, and a sentence") {
  std::set<std::string_view> names;
  for (const EventDef* event : all_events()) {
    CHECK_MESSAGE(names.insert(event->name).second, event->name);
    CHECK_MESSAGE(std::count(event->name.begin(), event->name.end(), '.') == 1, event->name);
    CHECK_MESSAGE(event->name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.") == std::string_view::npos,
                  event->name);
    CHECK_MESSAGE(event->doc.ends_with('.'), event->name);
  }
  CHECK(names.contains("message.accepted"));
}

TEST_CASE("people see a plain line") {
  CHECK(format_for_people(
            "{\"time\":\"2025-06-15T15:06:40.000Z\",\"level\":\"notice\",\"event\":\"message.accepted\","
            "\"id\":\"ABC\",\"sender\":\"a b@x.test\",\"size\":3,\"tls\":false}\n") ==
        "2025-06-15 15:06:40.000 notice  message.accepted     id=ABC sender=\"a b@x.test\" size=3 tls=false");
}

TEST_CASE("people never see control characters, and foreign lines pass") {
  CHECK(format_for_people("{\"event\":\"x.y\",\"a\":\"\\u001b[2J\"}") ==
        "- -       x.y                  a=?[2J");
  CHECK(format_for_people("plain \x1b text") == "plain ? text");
  CHECK(format_for_people("{broken") == "{broken");
  CHECK(format_for_people("[1]") == "[1]");
  CHECK(format_for_people("{\"a\":1}") == "{\"a\":1}");
  CHECK(format_for_people("\xFF") == "?");
  CHECK(format_for_people("") == "");
}
