// What people are told: effective values, explanations, differences, completion, the manual.
#include "config/show.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/bind.h"
#include "config/schema.h"
#include "config/test_support.h"

using namespace veredus;
using namespace veredus::test;

namespace {

SettingsPtr good(const std::string& body) {
  auto result = core(body);
  REQUIRE_MESSAGE(result.ok(), result.error_text());
  return result.value().settings;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string changes(const std::string& before, const std::string& after) {
  std::string out;
  for (const SettingChange& change : diff_settings(*good(before), *good(after)))
    out += change.name + (change.reloadable ? " " : "! ");
  return out;
}

// The effective values, as a fragment that could be loaded.
std::string as_fragment(const Settings& settings) {
  std::string out = "core:\n";
  std::string group;
  for (const Setting& setting : core_settings()) {
    std::string name(setting.name);
    if (name.find('.') != std::string::npos || setting.fallback.empty()) continue;
    if (setting.type == Type::text) continue;
    out += "  " + name + ": " + show_setting(setting, &settings).dump() + "\n";
  }
  return out;
}

struct Vault {
  std::string secret = "hunter2";
};

}  // namespace

TEST_CASE("show names every setting with value and origin") {
  std::string text = render_show(*good("loops: 2\nqueue: { expire: 90m }"), false);
  CHECK(has(text, "\nloops: 2                                          # conf.d/00-core.yaml:2:3\n"));
  CHECK(has(text, "\nqueue.expire: 90m                                 # conf.d/00-core.yaml:3:12\n"));
  CHECK(has(text, "\nqueue.retry: [5m, 15m, 1h, 4h]                    # default\n"));
  CHECK(has(text, "\nlimits.message_size: 50MiB                        # default\n"));
  CHECK(has(text, "\nroutes: [{ match: \"*\", to: [mx], ip: system }]    # default\n"));
  CHECK(has(text, "\nresolvers: []                                     # default: /etc/resolv.conf\n"));
  CHECK(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) == core_settings().size());
}

TEST_CASE("show for programs is one object a line") {
  std::string text = render_show(*good("loops: 2"), true);
  size_t lines = 0;
  for (std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    auto object = nlohmann::json::parse(line);
    if (object["setting"] == "loops") CHECK(object["value"] == 2);
    if (object["setting"] == "loops") CHECK(object["origin"] == "conf.d/00-core.yaml:2:3");
    ++lines;
  }
  CHECK(lines == core_settings().size());
}

TEST_CASE("what is shown can be read again and means the same") {
  SettingsPtr first =
      good("relay_networks: [10.0.0.0/8]\nroutes: [{ match: a.test, to: [[mx, \"mx:b.test\"], mx] }]");
  std::string fragment = as_fragment(*first);
  auto second = parse(fragment);
  REQUIRE_MESSAGE(second.ok(), second.error_text());
  CHECK(second.value().settings->relay_networks == first->relay_networks);
  CHECK(second.value().settings->routes.at(0).to == first->routes.at(0).to);
}

TEST_CASE("secrets are hidden") {
  Setting row{.name = "secret", .member = bind::at<&Vault::secret>(), .secret = true};
  Vault vault;
  CHECK(show_setting(row, &vault) == "(hidden)");
  row.secret = false;
  CHECK(show_setting(row, &vault) == "hunter2");
}

TEST_CASE("explain one setting") {
  auto text = explain("queue.retry");
  REQUIRE(text);
  CHECK(*text ==
        "queue.retry\n"
        "  How long to wait after the first, second, ... failure of an item; the last one repeats.\n"
        "  type: a list of durations, 100ms to 30d\n"
        "  written like: 30s, 5m, 4h or 5d\n"
        "  default: [5m, 15m, 1h, 4h]\n"
        "  in force: after a reload\n"
        "  since: 0.1\n");
  CHECK(has(*explain("core.loops"), "in force: after a restart"));
  CHECK(has(*explain("message_size"), "limits.message_size\n"));
  CHECK(has(*explain("listeners[].role"), "type: mx, submission, relay, lmtp"));
  CHECK(has(*explain("postmaster"),
            "default: postmaster at the first name in relay_domains, else at hostname"));
}

TEST_CASE("explain a group, and what does not exist") {
  CHECK(has(*explain("queue"), "queue.expire\n"));
  CHECK(has(*explain("listeners"), "listeners[].address\n"));
  CHECK(explain("queue.retri").error().text ==
        "there is no setting 'queue.retri' (did you mean 'queue.retry'?)");
  CHECK(explain("retry").error().text == "there is no setting 'retry' (did you mean 'queue.retry'?)");
  CHECK(explain("").error().code == Errc::not_found);
  CHECK(explain(std::string(1'000'000, 'x')).error().code == Errc::not_found);
}

TEST_CASE("local_domains have effect: neither explanation, manual nor a warning says that they wait") {
  // No row waits for anything now: what is left to show is that none claims to.
  CHECK_FALSE(has(*explain("local_domains"), "no effect yet"));
  CHECK_FALSE(has(settings_reference_man(), "No effect yet"));
  auto result = core(kListener + "local_domains: [a.test]");
  REQUIRE_MESSAGE(result.ok(), result.error_text());
  CHECK(result.value().warnings.empty());
}

TEST_CASE("every chapter of the manual begins") {
  std::string page = settings_reference_man();
  for (const char* title : {"Host, process", "Who may", "Limits on", "Where mail", "Queue", "Deliveries"})
    CHECK_MESSAGE(has(page, "\n.SS " + std::string(title)), title);
}

TEST_CASE("differences, and which of them need a restart") {
  CHECK(changes("", "") == "");
  CHECK(changes("", "queue: { expire: 1d }\nmessage_size: 1MiB") == "limits.message_size queue.expire ");
  CHECK(changes("", "loops: 3\nspool: /x") == "spool! drop! loops! ");
  CHECK(changes(kListener, "listeners: [{ address: \"127.0.0.1:2525\", role: relay }]") ==
        "listeners[].role ");
  CHECK(changes(kListener, "listeners: [{ address: \"127.0.0.1:2526\" }]") == "listeners[].address! ");
  CHECK(changes(kListener, "") == "listeners[].address! listeners[].role listeners[].proxy listeners[].tls ");
  CHECK(changes("hosts: { a.test: [127.0.0.1] }", "hosts: { a.test: [127.0.0.2] }") == "hosts ");
}

TEST_CASE("completion knows settings and fields") {
  auto words = completion_words();
  for (const char* word :
       {"hostname", "queue.retry", "listeners[].role", "sources.NAME.ipv4", "limits.errors"})
    CHECK(std::find(words.begin(), words.end(), word) != words.end());
}

TEST_CASE("the manual has every setting and no line that roff would take for a request by accident") {
  std::string page = settings_reference_man();
  for (const std::string& word : completion_words()) {
    std::string heading = "\n.B " + word + "\n";
    CHECK_MESSAGE(has(page, heading), word);
  }
  for (std::string_view line : split(page, '\n')) {
    if (!line.starts_with('.') && !line.starts_with('\'')) continue;
    bool known = false;
    for (const char* macro :
         {".TH", ".SH", ".SS", ".TP", ".B", ".I", ".BR", ".BI", ".RB", ".IR", ".PP", ".br", ".EX", ".EE"})
      known |= line == macro || line.starts_with(std::string(macro) + " ");
    CHECK_MESSAGE(known, line);
  }
}
