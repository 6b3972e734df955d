// The host services as a plugin uses them: their tables are called on the loop of an instance. Bad arguments, cancelling, bounds, and an
// end with operations under way.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <veredus/veredus.h>

#include <atomic>

#include "net/fake_resolver.h"
#include "plugin/host_test_rig.h"
#include "plugin/interfaces.h"
#include "plugin/plugin_metrics.h"
#include "store/memory_kv.h"

using namespace veredus;
using namespace veredus::test;

namespace {

struct Rig : HostRig {
  explicit Rig(const std::string& fragment = "plugin: servant\n") {
    all[0]->services.pool = &pool;
    all[0]->services.resolver = &resolver;
    all[0]->services.kv = &kv;
    REQUIRE(enable({fragment}) == "");
    plugin = host->current()->find("servant")->host();
  }
  ~Rig() { finish(); }
  WorkPool pool{2};
  FakeResolver resolver{main()};
  MemoryKv kv{clock};
  const vrd_host* plugin = nullptr;
};

vrd_str str(const char* text) { return {text, std::char_traits<char>::length(text)}; }
void count_up(void* ctx) { ++*static_cast<int*>(ctx); }

struct Heard {
  int calls = 0;
  vrd_status status = 1;
  std::string text;
};

void heard_call(void* ctx, vrd_status status, vrd_str octets) {
  auto* heard = static_cast<Heard*>(ctx);
  ++heard->calls;
  heard->status = status;
  heard->text.assign(octets.ptr, octets.len);
}
void heard_work(void* ctx, vrd_status status) {
  auto* heard = static_cast<Heard*>(ctx);
  ++heard->calls;
  heard->status = status;
}
void heard_dns(void* ctx, vrd_status status, const vrd_dns_answer* answer) {
  auto* heard = static_cast<Heard*>(ctx);
  ++heard->calls;
  heard->status = status;
  if (answer && answer->bogus) heard->text = "bogus";
  if (answer)
    for (uint32_t i = 0; i < answer->count; ++i) heard->text += std::string(answer->records[i]->text.ptr, answer->records[i]->text.len) + ";";
}
void heard_kv(void* ctx, vrd_status status, const vrd_kv_answer* answers, size_t count) {
  auto* heard = static_cast<Heard*>(ctx);
  ++heard->calls;
  heard->status = status;
  for (size_t i = 0; i < count; ++i)
    heard->text += std::to_string(answers[i].status) + ":" + std::to_string(answers[i].number) + ":" + std::string(answers[i].value.ptr, answers[i].value.len) + ";";
}

}  // namespace

TEST_CASE("timers: later, again and again, never after cancelling, not before the function has returned") {
  Rig rig;
  int once = 0, often = 0, never = 0;
  vrd_op often_op = 0, never_op = 0;
  CHECK(core_timer().start(rig.plugin, 0, 0, &once, count_up, nullptr) == VRD_OK);
  CHECK(once == 0);
  CHECK(core_timer().start(rig.plugin, 1, 10, &often, count_up, &often_op) == VRD_OK);
  CHECK(core_timer().start(rig.plugin, 5, 0, &never, count_up, &never_op) == VRD_OK);
  core_timer().cancel(rig.plugin, never_op);
  core_timer().cancel(rig.plugin, never_op);
  core_timer().cancel(rig.plugin, 0);
  core_timer().cancel(rig.plugin, 12345);
  CHECK(rig.until([&] { return often == 3; }));
  core_timer().cancel(rig.plugin, often_op);
  int after = 0;
  core_timer().start(rig.plugin, 25, 0, &after, count_up, nullptr);
  rig.until([&] { return after == 1; });
  CHECK(once == 1);
  CHECK(often == 3);
  CHECK(never == 0);
  CHECK(core_timer().start(rig.plugin, 1, 5, &once, count_up, nullptr) == VRD_E_INVALID);
  CHECK(core_timer().start(rig.plugin, 1, 0, &once, nullptr, nullptr) == VRD_E_INVALID);
  CHECK(core_timer().start(rig.plugin, UINT64_MAX, 0, &once, count_up, nullptr) == VRD_E_INVALID);
}

namespace {
struct Suicide {
  const vrd_host* host;
  vrd_op op = 0, other = 0;
  int calls = 0;
};
void cancel_itself(void* ctx) {
  auto* it = static_cast<Suicide*>(ctx);
  ++it->calls;
  core_timer().cancel(it->host, it->op);
  core_timer().cancel(it->host, it->other);
  core_timer().start(it->host, 0, 0, &it->calls, count_up, nullptr);
}
}  // namespace

TEST_CASE("a callback may cancel its own operation and others, and begin new ones") {
  Rig rig;
  Suicide it{rig.plugin};
  int other = 0;
  core_timer().start(rig.plugin, 1, 10, &it, cancel_itself, &it.op);
  core_timer().start(rig.plugin, 20, 0, &other, count_up, &it.other);
  CHECK(rig.until([&] { return it.calls == 2; }));
  int after = 0;
  core_timer().start(rig.plugin, 40, 0, &after, count_up, nullptr);
  rig.until([&] { return after == 1; });
  CHECK(it.calls == 2);
  CHECK(other == 0);
}

TEST_CASE("functions of a loop are refused on other threads, and the plugin is named") {
  Rig rig;
  vrd_status status = VRD_OK;
  int never = 0;
  std::thread([&] { status = core_timer().start(rig.plugin, 0, 0, &never, count_up, nullptr); }).join();
  CHECK(status == VRD_E_THREAD);
  CHECK(rig.count("plugin.misbehaved") == 1);
}

TEST_CASE("an end with operations under way: nothing is called any more") {
  int never = 0;
  Heard call;
  {
    Rig rig("plugin: servant\nmode: never\n");
    core_timer().start(rig.plugin, 60'000, 10, &never, count_up, nullptr);
    core_service().call(rig.plugin, str("servant"), str("x"), str("y"), 60'000, &call, heard_call, nullptr);
    rig.settle();
    MonoTime began = rig.clock.mono();
    rig.finish();
    CHECK(rig.clock.mono() - began < Millis(900));  // a plugin that waits for an answer keeps nothing alive
  }
  CHECK(never == 0);
  CHECK(call.calls == 0);
}

namespace {
struct TestJob {
  std::atomic<bool> go{false}, begun{false};
  Heard heard;
};
void wait_for_go(void* ctx) {
  auto* job = static_cast<TestJob*>(ctx);
  job->begun = true;
  while (!job->go) std::this_thread::yield();
}
void job_done(void* ctx, vrd_status status) { heard_work(&static_cast<TestJob*>(ctx)->heard, status); }
}  // namespace

TEST_CASE("work: runs elsewhere and ends here; what has not begun can be cancelled, what has begun is waited for") {
  Rig rig;
  TestJob running[2], waiting;
  vrd_op waiting_op = 0, running_op = 0;
  for (TestJob& job : running) CHECK(core_work().run(rig.plugin, &job, wait_for_go, job_done, &running_op) == VRD_OK);
  CHECK(rig.until([&] { return running[0].begun && running[1].begun; }));
  CHECK(core_work().run(rig.plugin, &waiting, wait_for_go, job_done, &waiting_op) == VRD_OK);
  rig.settle();
  core_work().cancel(rig.plugin, waiting_op);
  core_work().cancel(rig.plugin, running_op);
  CHECK(rig.until([&] { return waiting.heard.calls == 1; }));
  CHECK(waiting.heard.status == VRD_E_CANCELLED);
  CHECK(running[1].heard.calls == 0);
  CHECK(core_work().run(rig.plugin, nullptr, nullptr, job_done, nullptr) == VRD_E_INVALID);
  std::thread later([&] {
    for (TestJob& job : running) job.go = true;
  });
  rig.finish();  // waits
  later.join();
  for (TestJob& job : running) {
    CHECK(job.heard.calls == 1);
    CHECK(job.heard.status == VRD_OK);
  }
}

TEST_CASE("dns: records, reverse names by address, failures, cancelling, bad questions") {
  Rig rig;
  rig.resolver.add_a("a.test", "192.0.2.1");
  rig.resolver.add_ptr("1.2.0.192.in-addr.arpa", "host.test");
  rig.resolver.fail_with("broken.test", DnsType::a, DnsStatus::server_failure);
  rig.resolver.fail_with("bogus.test", DnsType::a, DnsStatus::server_failure);
  rig.resolver.answer("bogus.test", DnsType::a).bogus = true;
  auto ask = [&](const char* name, uint32_t type, Heard& heard, vrd_op* op = nullptr) {
    vrd_dns_request request{VRD_SIZED(vrd_dns_request), type, str(name), 1000, 0};
    return core_dns().query(rig.plugin, &request, &heard, heard_dns, op);
  };
  Heard address, reverse, broken, bogus, missing, cancelled;
  vrd_op op = 0;
  CHECK(ask("a.test.", VRD_DNS_A, address) == VRD_OK);
  CHECK(ask("192.0.2.1", VRD_DNS_PTR, reverse) == VRD_OK);
  CHECK(ask("broken.test", VRD_DNS_A, broken) == VRD_OK);
  CHECK(ask("bogus.test", VRD_DNS_A, bogus) == VRD_OK);
  CHECK(ask("missing.test", VRD_DNS_A, missing) == VRD_OK);
  CHECK(ask("a.test", VRD_DNS_A, cancelled, &op) == VRD_OK);
  core_dns().cancel(rig.plugin, op);
  CHECK(rig.until([&] { return address.calls && reverse.calls && broken.calls && bogus.calls && missing.calls; }));
  rig.settle();
  CHECK(address.text == "192.0.2.1;");
  CHECK(reverse.text == "host.test;");
  CHECK(broken.status == VRD_E_TEMPORARY);
  CHECK(broken.text.empty());
  CHECK(bogus.status == VRD_E_TEMPORARY);
  CHECK(bogus.text == "bogus");
  CHECK(missing.status == VRD_OK);
  CHECK(missing.text.empty());
  CHECK(cancelled.calls == 0);
  Heard never;
  CHECK(ask("", VRD_DNS_A, never) == VRD_E_INVALID);
  CHECK(ask("a.test", 99, never) == VRD_E_INVALID);
  CHECK(ask(std::string(300, 'x').c_str(), VRD_DNS_A, never) == VRD_E_INVALID);
  CHECK(core_dns().query(rig.plugin, nullptr, &never, heard_dns, nullptr) == VRD_E_INVALID);
  vrd_dns_request small{8, VRD_DNS_A, str("a.test"), 1000, 0};
  CHECK(core_dns().query(rig.plugin, &small, &never, heard_dns, nullptr) == VRD_E_INVALID);
}

namespace {
vrd_kv_op kv_op(uint32_t kind, const char* key, const char* value = "", uint32_t flags = 0, int64_t number = 0, int64_t capacity = 0, int64_t rate = 0) {
  return {VRD_SIZED(vrd_kv_op), kind, flags, 0, str(key), str(value), 0, number, capacity, rate};
}
std::string kv_run_all(Rig& rig, const std::vector<vrd_kv_op>& ops) {
  std::vector<const vrd_kv_op*> pointers;
  for (const vrd_kv_op& op : ops) pointers.push_back(&op);
  Heard heard;
  REQUIRE(core_kv().run(rig.plugin, pointers.data(), pointers.size(), 1000, &heard, heard_kv, nullptr) == VRD_OK);
  REQUIRE(rig.until([&] { return heard.calls == 1; }));
  return heard.status == VRD_OK ? heard.text : std::to_string(heard.status);
}
}  // namespace

TEST_CASE("kv: every kind of operation, and those that are none") {
  Rig rig;
  CHECK(kv_run_all(rig, {kv_op(VRD_KV_GET, "k"), kv_op(VRD_KV_PUT, "k", "one"), kv_op(VRD_KV_GET, "k")}) == "-3:0:;0:0:;0:0:one;");
  CHECK(kv_run_all(rig, {kv_op(VRD_KV_PUT, "k", "two", VRD_KV_IF_ABSENT), kv_op(VRD_KV_PUT, "new", "x", VRD_KV_IF_ABSENT), kv_op(VRD_KV_GET, "new")}) ==
        "-10:0:one;0:0:;0:0:x;");
  CHECK(kv_run_all(rig, {kv_op(VRD_KV_REMOVE, "k"), kv_op(VRD_KV_REMOVE, "k")}) == "0:0:;-3:0:;");
  CHECK(kv_run_all(rig, {kv_op(VRD_KV_ADD, "c", "", 0, 5), kv_op(VRD_KV_ADD, "c", "", 0, -7)}) == "0:5:;0:-2:;");
  CHECK(kv_run_all(rig, {kv_op(VRD_KV_TAKE, "b", "", 0, 1, 1, 1000)}) == "0:0:;");
  CHECK(kv_run_all(rig, {kv_op(VRD_KV_TAKE, "b", "", 0, 1, 1, 1)}).substr(0, 2) == "0:");
  Heard listed;
  CHECK(core_kv().list(rig.plugin, str("n"), str(""), 10, 1000, &listed, heard_kv, nullptr) == VRD_OK);
  CHECK(rig.until([&] { return listed.calls == 1; }));
  CHECK(listed.text == std::string("0:0:new\0x;", 10));
  rig.kv.break_with(fail(Errc::io, "broken"));
  CHECK(kv_run_all(rig, {kv_op(VRD_KV_GET, "k")}) == std::to_string(VRD_E_IO));
  Heard never;
  vrd_kv_op with_nul = kv_op(VRD_KV_GET, "k");
  with_nul.key = {"a\0b", 3};
  for (vrd_kv_op bad : {with_nul, kv_op(99, "k"), kv_op(VRD_KV_GET, ""), kv_op(VRD_KV_GET, std::string(600, 'k').c_str()), kv_op(VRD_KV_GET, "k", "", 8),
                        kv_op(VRD_KV_TAKE, "k", "", 0, 1, 0, 1), kv_op(VRD_KV_TAKE, "k", "", 0, 5, 1, 1)}) {
    const vrd_kv_op* one = &bad;
    CHECK(core_kv().run(rig.plugin, &one, 1, 1000, &never, heard_kv, nullptr) == VRD_E_INVALID);
  }
  CHECK(core_kv().run(rig.plugin, nullptr, 0, 1000, &never, heard_kv, nullptr) == VRD_E_INVALID);
  CHECK(core_kv().list(rig.plugin, str(""), str(""), 0, 1000, &never, heard_kv, nullptr) == VRD_E_INVALID);
}

TEST_CASE("what this host does not offer says so; what may be opened in create() only is refused later") {
  Rig rig;
  Heard never;
  vrd_http_request http{VRD_SIZED(vrd_http_request), 1000, str("GET"), str("http://127.0.0.1/"), nullptr, 0, str(""), 0, str(""), str("")};
  auto on_http = [](void*, vrd_status, const vrd_http_answer*, vrd_str) {};
  CHECK(core_http().request(rig.plugin, &http, nullptr, on_http, nullptr) == VRD_E_UNSUPPORTED);
  http.url = str("ftp://127.0.0.1/");
  CHECK(core_http().request(rig.plugin, &http, nullptr, on_http, nullptr) == VRD_E_INVALID);
  uint32_t handle = 0;
  CHECK(core_table().open(rig.plugin, str("servant"), &handle) == VRD_E_STATE);
  CHECK(core_helper().open(rig.plugin, str("x"), &handle) == VRD_E_STATE);
  vrd_metric_def def{VRD_SIZED(vrd_metric_def), VRD_METRIC_COUNTER, "late_total", "Late.", nullptr, nullptr};
  CHECK(core_metric().define(rig.plugin, &def, &handle) == VRD_E_STATE);
  core_metric().add(rig.plugin, 7, 0, 1);
  vrd_stream_events events{VRD_SIZED(vrd_stream_events), 0, [](void*, vrd_op, vrd_status) {}, [](void*, vrd_op, vrd_str) {}, [](void*, vrd_op, vrd_status) {}};
  vrd_stream_request request{VRD_SIZED(vrd_stream_request), 1000, 1000, 0, str("tls://a.test")};
  vrd_op stream = 0;
  CHECK(core_stream().open(rig.plugin, &request, &events, nullptr, &stream) == VRD_E_INVALID);
  request.target = str("a.test:25");
  CHECK(core_stream().open(rig.plugin, &request, &events, nullptr, &stream) == VRD_E_INVALID);
  CHECK(core_stream().send(rig.plugin, 99, str("x")) == VRD_E_CLOSED);
  core_stream().close(rig.plugin, 99);
  vrd_queue_message message{VRD_SIZED(vrd_queue_message), 0, str(""), nullptr, 0, str("Subject: x\r\n\r\n"), str(""), str("")};
  auto on_queue = [](void*, vrd_status, vrd_str, uint64_t) {};
  CHECK(core_queue().act(rig.plugin, nullptr, VRD_QUEUE_HOLD, str(""), nullptr, on_queue, nullptr) == VRD_E_INVALID);
  CHECK(core_queue().inject(rig.plugin, &message, nullptr, on_queue, nullptr) == VRD_E_UNSUPPORTED);
}

namespace {

// The other side of a stream, without waiting: what it got, and sockets that are closed in the end.
class Peer {
 public:
  explicit Peer(const std::string& path) {
    listening_ = socket(path.empty() ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un local{};
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    local.sun_family = AF_UNIX;
    path.copy(local.sun_path, sizeof local.sun_path - 1);
    bool bound = path.empty() ? bind(listening_, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0
                              : bind(listening_, reinterpret_cast<sockaddr*>(&local), sizeof local) == 0;
    REQUIRE(bound);
    REQUIRE(listen(listening_, 8) == 0);
    socklen_t size = sizeof any;
    getsockname(listening_, reinterpret_cast<sockaddr*>(&any), &size);
    target = path.empty() ? "tcp://127.0.0.1:" + std::to_string(ntohs(any.sin_port)) : "unix://" + path;
  }
  ~Peer() {
    stop_listening();
    if (connection_ >= 0) close(connection_);
  }
  void stop_listening() {
    if (listening_ >= 0) close(std::exchange(listening_, -1));
  }
  const std::string& got() {
    if (connection_ < 0) connection_ = accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    char buffer[65536];
    ssize_t size = 0;
    while (connection_ >= 0 && (size = recv(connection_, buffer, sizeof buffer, 0)) > 0) got_.append(buffer, static_cast<size_t>(size));
    ended = ended || (connection_ >= 0 && size == 0);
    return got_;
  }
  void say(const std::string& octets) { CHECK(send(connection_, octets.data(), octets.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(octets.size())); }
  void end() { shutdown(connection_, SHUT_WR); }

  std::string target;
  bool ended = false;

 private:
  int listening_ = -1, connection_ = -1;
  std::string got_;
};

struct Talk {
  int opened = 0, ends = 0, closed = 0;
  vrd_status open_status = 1, close_status = 1;
  std::string data;
};

const vrd_stream_events kTalk{VRD_SIZED(vrd_stream_events), 0,
                              [](void* ctx, vrd_op, vrd_status status) {
                                ++static_cast<Talk*>(ctx)->opened;
                                static_cast<Talk*>(ctx)->open_status = status;
                              },
                              [](void* ctx, vrd_op, vrd_str octets) {
                                static_cast<Talk*>(ctx)->ends += octets.len == 0;
                                if (octets.len > 0) static_cast<Talk*>(ctx)->data.append(octets.ptr, octets.len);
                              },
                              [](void* ctx, vrd_op, vrd_status status) {
                                ++static_cast<Talk*>(ctx)->closed;
                                static_cast<Talk*>(ctx)->close_status = status;
                              }};

vrd_op open_talk(Rig& rig, const std::string& target, Talk& talk, uint32_t idle_ms = 10'000) {
  vrd_stream_request request{VRD_SIZED(vrd_stream_request), 5000, idle_ms, 0, {target.data(), target.size()}};
  vrd_op stream = 0;
  CHECK(core_stream().open(rig.plugin, &request, &kTalk, &talk, &stream) == VRD_OK);
  CHECK(talk.opened == 0);  // not before the function has returned
  CHECK(core_stream().send(rig.plugin, stream, str("early")) == VRD_E_STATE);
  REQUIRE(rig.until([&] { return talk.opened == 1; }));
  return stream;
}

}  // namespace

TEST_CASE("streams: both ways, paused, ended by the other side; over TCP and a Unix socket") {
  for (bool local : {false, true}) {
    CAPTURE(local);
    Rig rig;
    Peer peer(local ? rig.state.file("socket") : "");
    Talk talk;
    vrd_op stream = open_talk(rig, peer.target, talk);
    CHECK(talk.open_status == VRD_OK);
    std::string large(300'000, 'x');
    CHECK(core_stream().send(rig.plugin, stream, str("hello ")) == VRD_OK);
    CHECK(core_stream().send(rig.plugin, stream, {large.data(), large.size()}) == VRD_OK);
    CHECK(rig.until([&] { return peer.got().size() == 6 + large.size(); }));
    CHECK(peer.got().substr(0, 7) == "hello x");
    peer.say("one");
    CHECK(rig.until([&] { return talk.data == "one"; }));
    core_stream().pause(rig.plugin, stream, 1);
    peer.say(" two");
    for (int i = 0; i < 5; ++i) rig.main().run_turn(Millis(1));
    CHECK(talk.data == "one");
    core_stream().pause(rig.plugin, stream, 0);
    CHECK(rig.until([&] { return talk.data == "one two"; }));
    peer.end();
    CHECK(rig.until([&] { return talk.closed == 1; }));
    CHECK(talk.ends == 1);
    CHECK(talk.close_status == VRD_E_CLOSED);
    CHECK(core_stream().send(rig.plugin, stream, str("x")) == VRD_E_CLOSED);
  }
}

TEST_CASE("streams: closing sends what waits and is told to nobody; nobody there; an answer that does not come") {
  Rig rig;
  Peer peer("");
  Talk talk;
  vrd_op stream = open_talk(rig, peer.target, talk);
  CHECK(core_stream().send(rig.plugin, stream, str("bye")) == VRD_OK);
  core_stream().close(rig.plugin, stream);
  core_stream().close(rig.plugin, stream);  // stale
  CHECK(rig.until([&] { return peer.got(), peer.ended; }));
  CHECK(peer.got() == "bye");
  CHECK(talk.closed == 0);
  Peer mute("");
  Talk patient;
  stream = open_talk(rig, mute.target, patient, 30);
  CHECK(core_stream().send(rig.plugin, stream, str("anybody?")) == VRD_OK);
  CHECK(rig.until([&] { return patient.closed == 1; }));
  CHECK(patient.close_status == VRD_E_TIMEOUT);
  mute.stop_listening();
  Talk nobody;
  open_talk(rig, mute.target, nobody);
  CHECK(nobody.open_status == VRD_E_IO);
  CHECK(nobody.closed == 0);
}

TEST_CASE("metrics: an instance that comes later goes on counting; labels; both kinds") {
  PluginMetrics::Definition one;
  one.plugin = "com.example.x";
  one.name = "things_total";
  one.doc = "Things.";
  one.label = "kind";
  one.label_values = {"a", "b"};
  auto first = PluginMetrics::define(one);
  REQUIRE(first);
  PluginMetrics::add(*first, 0, 2);
  PluginMetrics::add(*first, 1, 5);
  auto second = PluginMetrics::define(one);
  CHECK(second == first);
  PluginMetrics::add(*second, 0, 1);
  PluginMetrics::add(*second, 99, 1);
  PluginMetrics::add(70'000, 0, 1);
  std::string text = PluginMetrics::text();
  CHECK(has(text, "# TYPE veredus_plugin_com_example_x_things_total counter\n"));
  CHECK(has(text, "veredus_plugin_com_example_x_things_total{kind=\"a\"} 3\n"));
  CHECK(has(text, "veredus_plugin_com_example_x_things_total{kind=\"b\"} 5\n"));
}

TEST_CASE("calls from plugin to plugin: at once, later, refused, nonsense, too late, cancelled, unknown") {
  struct {
    const char* mode;
    const char* method;
    vrd_status status;
    const char* text;
  } cases[] = {{"now", "echo", VRD_OK, "abc"},      {"later", "echo", VRD_OK, "abc"},        {"twice", "echo", VRD_OK, "abc"},
               {"now", "refuse", VRD_E_DENIED, ""}, {"never", "echo", VRD_E_TIMEOUT, ""},    {"now", "short", VRD_E_FAULT, ""}};
  for (const auto& one : cases) {
    CAPTURE(one.mode);
    CAPTURE(one.method);
    Rig rig(std::string("plugin: servant\nmode: ") + one.mode + "\n");
    Heard heard, cancelled;
    vrd_op op = 0;
    CHECK(core_service().call(rig.plugin, str("servant"), str(one.method), str("abc"), 30, &heard, heard_call, nullptr) == VRD_OK);
    CHECK(core_service().call(rig.plugin, str("servant"), str(one.method), str("abc"), 30, &cancelled, heard_call, &op) == VRD_OK);
    CHECK(heard.calls == 0);
    rig.main().run_turn(Millis(0));
    core_service().cancel(rig.plugin, op);
    int before = cancelled.calls;
    CHECK(rig.until([&] { return heard.calls == 1; }));
    CHECK(heard.status == one.status);
    CHECK(heard.text == one.text);
    CHECK(cancelled.calls == before);
  }
  Rig rig;
  Heard unknown;
  CHECK(core_service().call(rig.plugin, str("nobody"), str("x"), str(""), 100, &unknown, heard_call, nullptr) == VRD_OK);
  CHECK(rig.until([&] { return unknown.calls == 1; }));
  CHECK(unknown.status == VRD_E_NOT_FOUND);
  CHECK(core_service().call(rig.plugin, str(""), str("x"), str(""), 100, &unknown, heard_call, nullptr) == VRD_E_INVALID);
  CHECK(core_service().call(rig.plugin, str("servant"), str("x"), str(""), 0, &unknown, heard_call, nullptr) == VRD_E_INVALID);
  CHECK(core_service().answer(0, VRD_OK, nullptr) == VRD_E_LATE);
  CHECK(core_service().answer(0xFFFFFFFFFFFFFFFF, VRD_OK, nullptr) == VRD_E_LATE);
}
