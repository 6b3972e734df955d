// Accounts and tables as the core asks plugins about them: which are asked, in which order, and what their answers come to.
#include <veredus/svc_auth.h>

#include "plugin/host_test_rig.h"
#include "plugin/providers_auth.h"
#include "plugin/providers_table.h"

using namespace veredus;
using namespace veredus::test;
using Kind = AuthAnswer::Kind;

namespace {

struct Rig : HostRig {
  explicit Rig(const std::vector<std::string>& fragments, std::vector<std::string> providers = {}, unsigned loops = 1) : HostRig(loops) {
    for (auto& one : all) one->services.host = host.get();
    adjust = [providers](Settings& core) { core.auth.providers = providers; };
    REQUIRE(enable(fragments) == "");
  }
  template <typename T>
  T wait(Task<T> task) {
    std::optional<T> out;
    scope->spawn(store(std::move(task), &out));
    until([&] { return out.has_value(); });
    REQUIRE(out.has_value());
    return std::move(*out);
  }
  template <typename T>
  static Task<void> store(Task<T> task, std::optional<T>* out) {
    T value = co_await std::move(task);
    out->emplace(std::move(value));
  }
  Deadline soon() { return Deadline::in(main(), Millis(200)); }
  AuthAnswer ask(const std::string& account, const std::string& secret, AuthKind kind = AuthKind::password, const std::string& acting_as = {}) {
    AuthQuestion question;
    question.kind = kind;
    question.mechanism = "PLAIN";
    question.account = account;
    question.acting_as = acting_as;
    question.secret = secret;
    return wait(auth.check(main(), std::move(question), "192.0.2.7", soon()));
  }
  PluginAuthPort auth{*host};
  PluginTablePort tables{*host};
};

std::string keeper(const std::string& instance, const std::string& settings = {}) {
  return "plugin: keeper\ninstance: " + instance + "\n" + settings;
}

constexpr uint32_t kPasswords = 1u << VRD_AUTH_PASSWORD, kTokens = 1u << VRD_AUTH_TOKEN;

}  // namespace

TEST_CASE("one provider: proven, denied, cannot be told") {
  Rig rig({keeper("one")});
  CHECK(rig.auth.kinds() == kPasswords);
  AuthAnswer proven = rig.ask("ann", "sesame");
  CHECK(proven.kind == Kind::ok);
  CHECK(proven.account == "ann");
  CHECK(proven.tenant == "acme");
  CHECK(rig.ask("ann", "wrong").kind == Kind::denied);
  CHECK(rig.ask("bob", "sesame").kind == Kind::denied);
  CHECK(rig.ask("trouble", "x").kind == Kind::temporary);
  CHECK(rig.ask("ann", "sesame", AuthKind::token).kind == Kind::temporary);  // nobody could be asked
  CHECK(rig.ask("ann", "sesame", AuthKind::password, "role").kind == Kind::ok);
  CHECK(rig.ask("ann", "sesame", AuthKind::password, "boss").kind == Kind::denied);
}

TEST_CASE("an account that is no name is the provider's mistake") {
  Rig rig({keeper("one")});
  CHECK(rig.ask("rude", "sesame").kind == Kind::temporary);
  CHECK(rig.count("plugin.misbehaved") == 1);
}

TEST_CASE("without providers nothing is offered and nobody gets in") {
  Rig rig({"plugin: recorder\n"});
  CHECK(rig.auth.kinds() == 0);
  CHECK(rig.ask("ann", "sesame").kind == Kind::temporary);
  CHECK(mechanisms_of(0).empty());
}

TEST_CASE("all are asked in the order of their fragments, or those that auth.providers names") {
  const std::vector<std::string> fragments = {keeper("first", "account: ann\npassword: one\n"), keeper("second", "account: ann\npassword: two\n")};
  {
    Rig rig(fragments);
    CHECK(rig.ask("ann", "one").kind == Kind::ok);
    CHECK(rig.ask("ann", "two").kind == Kind::ok);
    CHECK(rig.ask("ann", "three").kind == Kind::denied);
  }
  {
    Rig rig(fragments, {"second"});
    CHECK(rig.ask("ann", "one").kind == Kind::denied);
    CHECK(rig.ask("ann", "two").kind == Kind::ok);
  }
  Rig rig(fragments, {"second", "absent"});  // who knows what the absent one would say
  CHECK(rig.ask("ann", "two").kind == Kind::ok);
  CHECK(rig.ask("ann", "one").kind == Kind::temporary);
}

TEST_CASE("trouble of one provider hides no yes of another, but every no") {
  Rig rig({keeper("first"), keeper("second", "account: trouble\n")});
  CHECK(rig.ask("trouble", "sesame").kind == Kind::temporary);
  Rig other({keeper("first"), "plugin: servant\nmode: refuse\n", keeper("second", "account: bob\n")});
  CHECK(other.ask("bob", "sesame").kind == Kind::ok);
  CHECK(other.ask("bob", "wrong").kind == Kind::temporary);
}

TEST_CASE("kinds: of all providers, old ones know passwords only, and a new configuration counts at once") {
  Rig rig({keeper("old", "knows: old\n")});
  CHECK(rig.auth.kinds() == kPasswords);
  CHECK(rig.auth.kinds() == kPasswords);
  CHECK(rig.enable({keeper("tokens", "knows: tokens\n")}) == "");
  CHECK(rig.auth.kinds() == kTokens);
  CHECK(mechanisms_of(kTokens) == std::vector<std::string>{"OAUTHBEARER", "XOAUTH2"});
  CHECK(rig.ask("", "sesame", AuthKind::token).account == "ann");
  CHECK(rig.enable({keeper("old", "knows: old\n"), keeper("tokens", "knows: tokens\n")}) == "");
  CHECK(rig.auth.kinds() == (kPasswords | kTokens));
}

TEST_CASE("a provider that does not answer in time") {
  Rig rig({"plugin: servant-serial\nmode: now\n", keeper("one")}, {}, 3);
  CHECK(rig.ask("ann", "sesame").kind == Kind::ok);  // the first is on another loop, and knows the password too
  CHECK(rig.ask("ann", "wrong").kind == Kind::denied);
}

TEST_CASE("a password tried with one plugin") {
  Rig rig({keeper("one"), "plugin: servant\nmode: now\n"}, {"one"});
  AuthTrial trial = rig.wait(try_password(*rig.host, "servant", "ann", "sesame", rig.soon()));
  CHECK(trial.kinds == kPasswords);
  CHECK(trial.answer.kind == Kind::ok);
  CHECK(rig.wait(try_password(*rig.host, "nobody", "ann", "sesame", rig.soon())).kinds == 0);
}

TEST_CASE("tables: found, absent, none of the name, trouble") {
  Rig rig({"plugin: servant\nmode: now\n"});
  CHECK(rig.tables.offers("servant"));
  CHECK_FALSE(rig.tables.offers("nobody"));
  TableAnswer found = rig.wait(rig.tables.look_up(rig.main(), "servant", "key", rig.soon()));
  CHECK(found.kind == TableAnswer::Kind::found);
  CHECK(found.value == "key");
  CHECK(rig.wait(rig.tables.look_up(rig.main(), "servant", "other", rig.soon())).kind == TableAnswer::Kind::absent);
  CHECK(rig.wait(rig.tables.look_up(rig.main(), "servant", "k" + std::string(512, 'x'), rig.soon())).kind == TableAnswer::Kind::absent);
  TableAnswer none = rig.wait(rig.tables.look_up(rig.main(), "nobody", "key", rig.soon()));
  CHECK(none.kind == TableAnswer::Kind::temporary);
  CHECK(none.problem == "There is no table 'nobody'");
  for (const char* mode : {"wrong", "refuse", "never"}) {
    Rig bad({"plugin: servant\nmode: " + std::string(mode) + "\n"});
    TableAnswer answer = bad.wait(bad.tables.look_up(bad.main(), "servant", "key", bad.soon()));
    CHECK(answer.kind == TableAnswer::Kind::temporary);
    CHECK(answer.problem.starts_with("The table 'servant' "));
  }
}
