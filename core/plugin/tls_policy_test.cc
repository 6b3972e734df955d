// What recipient domains publish, as outbound asks plugins for it.
#include "plugin/host_test_rig.h"
#include "plugin/providers_tls_policy.h"

using namespace veredus;
using namespace veredus::test;

namespace {

using Found = Result<std::shared_ptr<const PublishedPolicy>>;

struct Rig : HostRig {
  explicit Rig(const std::vector<std::string>& fragments, unsigned loops = 1) : HostRig(loops) {
    for (auto& one : all) one->services.host = host.get();
    REQUIRE(enable(fragments) == "");
  }
  static Task<void> store(Task<Found> task, std::optional<Found>* out) {
    Found value = co_await std::move(task);
    out->emplace(std::move(value));
  }
  Found find(const std::string& domain) {
    std::optional<Found> out;
    scope->spawn(store(port.find(main(), domain, Deadline::in(main(), Millis(200))), &out));
    until([&] { return out.has_value(); });
    REQUIRE(out.has_value());
    return std::move(*out);
  }
  PluginTlsPolicyPort port{*host};
};

std::string servant(const std::string& mode, const std::string& instance = "") {
  return "plugin: servant\nmode: " + mode + "\n" + (instance.empty() ? "" : "instance: " + instance + "\n");
}

}  // namespace

TEST_CASE("a policy is copied, its names in lower case; a domain without one has none") {
  Rig rig({servant("now")});
  CHECK(rig.port.any());
  Found found = rig.find("sts.test");
  REQUIRE(found.ok());
  CHECK((*found)->mode == PublishedPolicy::Mode::enforce);
  CHECK((*found)->mx == std::vector<std::string>{"mx.sts.test", "*.sts.test"});
  CHECK((*found)->text == "version: STSv1\n");
  Found none = rig.find("other.test");
  REQUIRE(none.ok());
  CHECK((*none)->mode == PublishedPolicy::Mode::none);
  CHECK((*none)->result.empty());
}

TEST_CASE("a policy that cannot be had is none, with the reason") {
  Rig rig({servant("now")});
  Found found = rig.find("broken.test");
  REQUIRE(found.ok());
  CHECK((*found)->mode == PublishedPolicy::Mode::none);
  CHECK((*found)->result == "sts-policy-invalid");
  CHECK((*found)->problem == "no mx");
}

TEST_CASE("without a provider nobody is asked") {
  Rig rig({"plugin: recorder\n"});
  CHECK(!rig.port.any());
  Found found = rig.find("sts.test");
  REQUIRE(found.ok());
  CHECK((*found)->mode == PublishedPolicy::Mode::none);
}

TEST_CASE("a provider that fails, is silent or talks nonsense: it cannot be told now") {
  for (const char* mode : {"refuse", "never", "wrong"}) {
    CAPTURE(mode);
    Rig rig({servant(mode)});
    Found found = rig.find("sts.test");
    REQUIRE(!found.ok());
    CHECK(found.error().text.find("servant") != std::string::npos);
    CHECK(rig.count("plugin.misbehaved") == (std::string_view(mode) == "wrong" ? 1 : 0));
  }
}

TEST_CASE("of several providers the first with a policy wins, and a failure of another is no 'none'") {
  Rig rig({servant("refuse", "one"), servant("now", "two")});
  Found found = rig.find("sts.test");
  REQUIRE(found.ok());
  CHECK((*found)->mode == PublishedPolicy::Mode::enforce);
  CHECK(!rig.find("other.test").ok());
}

TEST_CASE("a provider that lives on one loop answers all of them") {
  Rig rig({"plugin: servant-serial\nmode: now\n"}, 3);
  Found found = rig.find("sts.test");
  REQUIRE(found.ok());
  CHECK((*found)->mode == PublishedPolicy::Mode::enforce);
}
