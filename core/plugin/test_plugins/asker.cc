// A plugin for tests: a command that asks a service of the host and prints the answer, so that scenarios can try each in a real daemon.
#include <unistd.h>
#include <veredus/plugin.hpp>

namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

class Asker : public vrd::Plugin<> {
 public:
  explicit Asker(vrd::Setup& setup) : Plugin(setup), runs_(setup.counter("runs_total", "Commands run")) {
    if (setup.conf["table"]) table_ = setup.table(setup.conf.text("table"));
    if (setup.conf["helper"]) helper_ = setup.helper(setup.conf.text("helper"));
  }

  void run(vrd::CommandCall call) {
    runs_.add();
    const Words words = call.arguments;
    const std::string service = words.empty() ? "" : words[0];
    if (words.size() >= 3 && service == "kv") return kv(std::move(call), words[1], words[2]);
    if (words.size() >= 2 && service == "dns") return dns(std::move(call), words[1]);
    if (words.size() >= 2 && service == "http") return http(std::move(call), words[1]);
    if (words.size() >= 2 && service == "table") return table(std::move(call), words[1]);
    if (words.size() >= 2 && service == "helper") return helper(std::move(call), words[1]);
    if (words.size() >= 3 && service == "inject") return inject(std::move(call), words[1], words[2]);
    if (words.size() >= 2 && service == "hold") return hold(std::move(call), words[1]);
    if (words.size() >= 4 && service == "call") return ask(std::move(call), words);
    if (service == "timer") return timer(std::move(call));
    if (service == "work") return work(std::move(call));
    if (service == "never") return stuck_.push_back(std::move(call));
    call.error("no such service\n").finish(64);
  }

 private:
  static void end(vrd::CommandCall& call, const vrd::Outcome& outcome, const std::string& text) {
    call.write(outcome.ok() ? text + "\n" : "status " + std::to_string(outcome.status) + "\n").finish(outcome.ok() ? 0 : 1);
  }
  void kv(vrd::CommandCall call, const std::string& key, const std::string& number) const {
    host.kv(2s).add(key, std::stoll(number)).then([call = std::move(call)](vrd::KvResult r) mutable { end(call, r, std::to_string(r.first().number)); });
  }
  void dns(vrd::CommandCall call, const std::string& name) const {
    host.dns(name, VRD_DNS_A, 3s).then([call = std::move(call)](vrd::DnsResult r) mutable {
      std::string text = r.nxdomain ? "no such name" : "";
      for (const vrd::DnsRecord& record : r.records) text += record.text + " ";
      end(call, r, text);
    });
  }
  void http(vrd::CommandCall call, const std::string& url) const {
    host.http("GET", url).timeout(3s).then([call = std::move(call)](vrd::HttpResult r) mutable { end(call, r, std::to_string(r.code) + " " + r.body); });
  }
  void table(vrd::CommandCall call, const std::string& key) const {
    host.lookup(table_, key, 2s).then([call = std::move(call)](vrd::TableResult r) mutable { end(call, r, r.first().value_or("(none)")); });
  }
  void helper(vrd::CommandCall call, const std::string& text) const {
    host.ask(helper_, text, 5s, STDIN_FILENO).then([call = std::move(call)](vrd::HelperResult r) mutable {
      if (r.fd >= 0) close(r.fd);
      end(call, r, r.octets + (r.fd >= 0 ? " with a descriptor" : ""));
    });
  }
  void inject(vrd::CommandCall call, const std::string& sender, const std::string& recipient) const {
    vrd::NewMessage message{sender, {recipient}, "Subject: injected\r\n\r\nby a plugin\r\n"};
    host.inject(std::move(message)).then([call = std::move(call)](vrd::QueueResult r) mutable { end(call, r, r.id); });
  }
  void hold(vrd::CommandCall call, const std::string& recipient) const {
    vrd::Selector selector;
    selector.recipient = recipient;
    host.act(std::move(selector), VRD_QUEUE_HOLD, "asked").then([call = std::move(call)](vrd::QueueResult r) mutable { end(call, r, std::to_string(r.touched)); });
  }
  void ask(vrd::CommandCall call, const Words& words) const {
    host.call(words[1], words[2], words[3], 2s).then([call = std::move(call)](vrd::CallResult r) mutable { end(call, r, r.octets); });
  }
  void timer(vrd::CommandCall call) const {
    const int64_t began = host.mono_ms();
    host.after(50ms).then([this, began, call = std::move(call)](vrd::TimerResult r) mutable { end(call, r, host.mono_ms() - began >= 50 ? "in time" : "too early"); });
  }
  void work(vrd::CommandCall call) const {
    host.work([main = gettid()] { return gettid() != main; }).then([call = std::move(call)](vrd::WorkResult<bool> r) mutable {
      end(call, r, r.value.value_or(false) ? "on another thread" : "on the same thread");
    });
  }

  vrd::Metric runs_;
  vrd::Table table_;
  vrd::Helper helper_;
  std::vector<vrd::CommandCall> stuck_;
};

constexpr vrd::About kAbout{"asker", "1.0", "Apache-2.0", "Asks services of the host"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("table", VRD_SETTING_TABLE, nullptr, nullptr, "A table to ask."),
    vrd::setting("helper", VRD_SETTING_TEXT, nullptr, nullptr, "A helper to ask."),
};
constexpr vrd::Command kCommands[] = {vrd::command<&Asker::run>("ask", "SERVICE [ARGUMENT]...", "Asks a service and prints its answer.")};

}  // namespace

VEREDUS_PLUGIN(Asker, kAbout, kSettings, kCommands)
