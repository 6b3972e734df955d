// Plugins that provide something, as the core asks them: tables, routers, deliveries, names, stores, sinks, commands; breakers;
// a serial provider on another loop.
#include <veredus/veredus.h>

#include "log/sinks.h"
#include "plugin/host_test_rig.h"
#include "plugin/plugin_command.h"
#include "plugin/providers_deliver.h"
#include "plugin/providers_logsink.h"
#include "plugin/providers_resolver.h"
#include "plugin/providers_store.h"
#include "plugin/service_calls.h"
#include "plugin/service_state.h"

using namespace veredus;
using namespace veredus::test;

namespace {

struct Rig : HostRig {
  explicit Rig(const std::string& mode = "now", unsigned loops = 1, const std::string& name = "servant") : HostRig(loops) {
    for (auto& one : all) one->services.host = host.get();
    REQUIRE(enable({"plugin: " + name + "\nmode: " + mode + "\n"}) == "");
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
  LoopServices& services() { return all[0]->services; }
};

struct Keys {
  std::vector<vrd_str> keys;
  ServiceExpect expect() const { return {ServiceKind::table, keys.size(), true, {}, {}}; }
  vrd_status call(const void* table, void* object, vrd_pending token) const {
    return static_cast<const vrd_svc_table_1*>(table)->lookup(object, keys.data(), keys.size(), token);
  }
};

ServiceAnswer look_up(Rig& rig, const std::string& name = "servant") {
  Provider provider = find_provider(rig.services(), name, ServiceKind::table);
  REQUIRE(static_cast<bool>(provider));
  Keys keys{{VRD_STR("key"), VRD_STR("other")}};
  return rig.wait(ServiceCalls::of(rig.services()).ask(std::move(provider), std::move(keys), rig.soon()));
}

std::shared_ptr<const Message> message_to(std::vector<std::string> recipients) {
  auto out = std::make_shared<Message>();
  for (const std::string& text : recipients) {
    Recipient recipient;
    recipient.address = *Address::parse(text);
    out->envelope.recipients.push_back(recipient);
  }
  out->content.memory = std::make_shared<const std::string>("Subject: x\r\n\r\nbody\r\n");
  return out;
}

}  // namespace

TEST_CASE("a table answers row by row, also from the loop of a serial plugin") {
  for (const char* name : {"servant", "servant-serial"}) {
    CAPTURE(name);
    Rig rig("now", 3, name);
    ServiceAnswer answer = look_up(rig, name);
    REQUIRE(answer.ok());
    auto& rows = std::get<TableRows>(answer.value).rows;
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].found == 1);
    CHECK(std::string(rows[0].value.ptr) == "key");
    CHECK(rows[1].found == 0);
  }
}

TEST_CASE("a table that answers the wrong number of rows is at fault and named") {
  Rig rig("wrong");
  CHECK(look_up(rig).status == VRD_E_FAULT);
  CHECK(rig.count("plugin.misbehaved") == 1);
}

TEST_CASE("a provider that fails again and again is spared for a while; one that says no is not") {
  {
    Rig rig("refuse");
    for (int i = 0; i < 15; ++i) CHECK(look_up(rig).status == VRD_E_TEMPORARY);
    CHECK(rig.count("service.spared") == 0);
  }
  Rig rig("wrong");
  for (int i = 0; i < 10; ++i) CHECK(look_up(rig).status == VRD_E_FAULT);
  for (int i = 0; i < 5; ++i) CHECK(look_up(rig).status == VRD_E_TEMPORARY);
  CHECK(rig.count("service.spared") == 1);
  CHECK(ServiceCalls::stats(ServiceKind::table).spared == 5);
}

TEST_CASE("a provider that was spared is asked again after its rest, and told of when it answers") {
  Rig rig("mends");
  for (int i = 0; i < 10; ++i) CHECK(look_up(rig).status == VRD_E_FAULT);
  int spared = 0;
  ServiceAnswer answer = look_up(rig);
  for (; !answer.ok(); answer = look_up(rig)) {
    REQUIRE(answer.status == VRD_E_TEMPORARY);
    ++spared;
    rig.main().run_turn(Millis(1));
  }
  CHECK(spared > 0);
  CHECK(look_up(rig).ok());
  CHECK(rig.count("\"event\":\"service.spared\"") == 1);
  CHECK(rig.count("\"event\":\"service.again\"") == 1);
}

TEST_CASE("no provider, or not of this service") {
  Rig rig;
  CHECK(!find_provider(rig.services(), "nobody", ServiceKind::table));
  CHECK(!find_provider(rig.services(), "", ServiceKind::table));
}

TEST_CASE("a router chooses next hops, or fails the recipient; nonsense and refusals are temporary") {
  Rig rig;
  PluginRouterPort port(*rig.host);
  auto message = message_to({"a@b.test", "a@gone.test"});
  auto envelope = std::make_shared<const Envelope>(message->envelope);
  RouteAnswer first = rig.wait(port.route(rig.main(), "servant", envelope, 0));
  CHECK(first.next_hop == "smtp://192.0.2.1:2525|smtp://192.0.2.2");
  CHECK(first.pool == "bulk");
  CHECK(first.failure.code == 0);
  RouteAnswer gone = rig.wait(port.route(rig.main(), "servant", envelope, 1));
  CHECK(gone.failure.code == 550);
  CHECK(gone.failure.lines[0] == "moved away");
  CHECK(rig.wait(port.route(rig.main(), "nobody", envelope, 0)).failure.temporary());
  for (const char* mode : {"wrong", "refuse"}) {
    Rig bad(mode);
    PluginRouterPort other(*bad.host);
    CHECK(bad.wait(other.route(bad.main(), "servant", envelope, 0)).failure.temporary());
  }
}

TEST_CASE("deliveries: one outcome a row; those left out have none; failures are temporary") {
  Rig rig;
  PluginDeliverPort port(*rig.host);
  CHECK(port.offers("servant"));
  CHECK(!port.offers("nobody"));
  DeliverRequest request{"servant", "box", message_to({"a@b.test", "c@b.test", "d@b.test", "e@b.test"}), {1, 0, 3, 2}, 0, rig.soon()};
  auto outcomes = rig.wait(port.deliver(rig.main(), request));
  REQUIRE(outcomes.size() == 3);
  CHECK(outcomes[0].recipient == 1);
  CHECK(outcomes[0].outcome == Outcome::delivered);
  CHECK(outcomes[0].reply.lines[0] == "box");
  CHECK(outcomes[1].outcome == Outcome::temporary);
  CHECK(outcomes[1].reply.joined() == "452 4.2.2 full");
  CHECK(outcomes[2].outcome == Outcome::permanent);
  request.name = "nobody";
  CHECK(rig.wait(port.deliver(rig.main(), request)).front().outcome == Outcome::not_tried);
  CHECK(rig.host->current()->find("servant")->record()->views == 0);
  for (const char* mode : {"refuse", "never"}) {
    Rig bad(mode);
    PluginDeliverPort other(*bad.host);
    DeliverRequest again{"servant", "", message_to({"a@b.test"}), {0}, 0, bad.soon()};
    auto failed = bad.wait(other.deliver(bad.main(), again));
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].outcome == Outcome::temporary);
    CHECK(failed[0].reply.temporary());
  }
  Rig wrong("wrong");
  PluginDeliverPort other(*wrong.host);
  DeliverRequest again{"servant", "", message_to({"a@b.test"}), {0}, 0, wrong.soon()};
  CHECK(wrong.wait(other.deliver(wrong.main(), again)).empty());
  CHECK(wrong.count("plugin.misbehaved") == 1);
}

TEST_CASE("names by a plugin: cached by TTL, never by somebody else") {
  Rig rig;
  PluginResolver resolver(rig.main(), "servant"), nobody(rig.main(), "nobody");
  for (int i = 0; i < 3; ++i) {
    auto answer = rig.wait(resolver.query("A.test", DnsType::a, rig.soon()));
    CHECK(answer->status == DnsStatus::ok);
    CHECK(answer->authentic);
    REQUIRE(answer->records.size() == 1);
    CHECK(answer->records[0].address.text() == "192.0.2.9");
  }
  CHECK(rig.count("servant.resolving") == 1);
  CHECK(rig.wait(resolver.query("none.test", DnsType::a, rig.soon()))->status == DnsStatus::no_name);
  PluginResolver with_hosts(rig.main(), "servant", HostsTable({{"listed.test", {*IpAddress::parse("192.0.2.77")}}}));
  CHECK(rig.wait(with_hosts.query("listed.test", DnsType::a, rig.soon()))->records.at(0).address.text() == "192.0.2.77");
  CHECK(rig.wait(with_hosts.query("a.test", DnsType::a, rig.soon()))->records.at(0).address.text() == "192.0.2.9");
  auto bogus = rig.wait(resolver.query("bogus.test", DnsType::a, rig.soon()));
  CHECK(bogus->bogus);
  CHECK(bogus->temporary());
  CHECK(!rig.wait(resolver.query("old.test", DnsType::a, rig.soon()))->bogus);  // a plugin built before there was such a member
  CHECK(rig.wait(nobody.query("a.test", DnsType::a, rig.soon()))->temporary());
  for (const char* mode : {"wrong", "refuse"}) {
    Rig bad(mode);
    PluginResolver other(bad.main(), "servant");
    CHECK(bad.wait(other.query("a.test", DnsType::a, bad.soon()))->status == DnsStatus::server_failure);
  }
}

TEST_CASE("a store behind a plugin") {
  Rig rig;
  PluginKv kv("servant"), nobody("nobody");
  std::vector<KvOp> ops = {KvOp::get("k"), KvOp::remove("k"), KvOp::add("n", 7), KvOp::take("b", TokenBucket{5, 1, 1})};
  auto answers = rig.wait(kv.run(rig.main(), "space", ops, rig.soon()));
  REQUIRE(answers.ok());
  CHECK((*answers)[0].value == "k");
  CHECK((*answers)[0].done);
  CHECK(!(*answers)[1].done);
  CHECK((*answers)[2].number == 7);
  CHECK((*answers)[3].done);
  auto listed = rig.wait(kv.run(rig.main(), "space", {KvOp::list("")}, rig.soon()));
  REQUIRE(listed.ok());
  REQUIRE((*listed)[0].entries.size() == 1);
  CHECK((*listed)[0].entries[0].key == "key");
  CHECK((*listed)[0].entries[0].value == "value");
  CHECK(!rig.wait(nobody.run(rig.main(), "space", {KvOp::get("k")}, rig.soon())).ok());
}

TEST_CASE("a sink gets the lines of others, and its own events do not come back") {
  CHECK(without_lines_of("{\"event\":\"a.b\"}\n{\"event\":\"sink.x\"}\n{\"event\":\"c.d\",\"plugin\":\"sink/1\"}\n{\"event\":\"e\"}\n", "sink", "sink/1") ==
        "{\"event\":\"a.b\"}\n{\"event\":\"e\"}\n");
  Rig rig;
  PluginLogSinks sinks(*rig.host);
  sinks.write("{\"event\":\"a.b\"}\n");
  CHECK(rig.until([&] { return rig.count("servant.sunk") == 1; }));
  sinks.write("{\"event\":\"servant.sunk\"}\n");
  rig.settle();
  CHECK(rig.count("servant.sunk") == 1);
}

TEST_CASE("a plugin's command: output, exit code, refusal, and a user who went away") {
  Rig rig;
  auto generation = rig.host->current();
  std::vector<std::string> words = {"servant", "greet", "ann"};
  FoundCommand found = find_plugin_command(*generation, words);
  REQUIRE(static_cast<bool>(found));
  CHECK(found.words == 2);
  CHECK(!find_plugin_command(*generation, std::vector<std::string>{"servant"}));
  PluginCommand command(rig.main());
  CHECK(command.begin(*found.instance, *found.command, std::span(words).subspan(2)).ok());
  auto progress = rig.wait(command.next(rig.soon()));
  CHECK(progress.out == "hello ann");
  CHECK(progress.err == "a remark\n");
  CHECK(progress.exit == 3);
  PluginCommand refused(rig.main());
  Status status = refused.begin(*found.instance, *found.command, {});
  REQUIRE(!status.ok());
  CHECK(has(status.error().text, "whom?"));
}
