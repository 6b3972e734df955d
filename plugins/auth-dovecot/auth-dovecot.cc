// auth-dovecot: svc.auth over Dovecot's client socket. Each loop has one connection, opened when it is first needed; questions are numbered
// and answered in any order. A connection that fails answers all as temporary; the next is tried after a pause that doubles.
#include <string.h>

#include <map>
#include <random>

#include <veredus/plugin.hpp>

#include "protocol.h"

namespace {

using auth_dovecot::Event;
constexpr vrd::milliseconds kFirstPause{100}, kLongestPause{10'000}, kConnectTime{5'000};

class AuthDovecot : public vrd::Plugin<> {
 public:
  explicit AuthDovecot(vrd::Setup& setup)
      : Plugin(setup),
        target("unix://" + std::string(setup.conf.text("socket"))),
        patience(setup.conf.duration("query_timeout")),
        most(static_cast<size_t>(setup.conf.number("waiting"))),
        proven(setup.counter("proven_total", "Passwords that Dovecot took")),
        denied(setup.counter("denied_total", "Passwords that Dovecot refused")),
        temporary(setup.counter("temporary_total", "Questions that Dovecot did not answer, or not now")),
        connections(setup.counter("connections_total", "Connections to Dovecot that were opened")) {}

  struct Shard : vrd::ShardOf<AuthDovecot>, vrd::AuthProvider {
    explicit Shard(const vrd::ShardSetup<AuthDovecot>& setup) : ShardOf(setup), random_(std::random_device()()) {}
    ~Shard() {
      if (stream_ != 0) stream().close(host.raw(), stream_);
    }

    void check(const vrd_auth_request& request, vrd::AuthAnswer answer) override {
      if (request.kind != VRD_AUTH_PASSWORD) return deny(answer);
      uint32_t id = ++last_id_;
      std::string line = auth_dovecot::request({id, vrd::view(request.account), vrd::view(request.acting_as), vrd::view(request.secret), vrd::view(request.client)});
      if (line.empty()) return deny(answer);
      if (open_.size() >= plugin.most || (state_ == State::closed && host.mono_ms() < closed_until_)) return put_off(answer);
      open_.emplace(id, Open{vrd::copy(request.account), vrd::copy(request.acting_as), host.mono_ms() + plugin.patience.count(), std::move(answer)});
      if (!std::exchange(watching_, true)) watch();
      if (state_ == State::ready) return send(line);
      unsent_ += line;  // with what is already asked, when the handshake is over
      wipe(line);
      if (state_ == State::closed) connect();
    }

   private:
    enum class State : uint8_t { closed, opening, ready };
    struct Open {
      std::string account, acting_as;
      int64_t until = 0;
      vrd::AuthAnswer answer;
    };

    static void wipe(std::string& text) {
      explicit_bzero(text.data(), text.size());
      text.clear();
    }
    void deny(vrd::AuthAnswer& answer) const {
      plugin.denied.add();
      answer.denied();
    }
    void put_off(vrd::AuthAnswer& answer) const {
      plugin.temporary.add();
      answer.fail(VRD_E_TEMPORARY);
    }
    const vrd_core_stream_1& stream() const { return vrd::Interfaces::need(host.interfaces().stream); }

    void connect() {
      static constexpr vrd_stream_events kEvents{VRD_SIZED(vrd_stream_events), 0, &opened, &data, &closed};
      vrd_stream_request request{VRD_SIZED(vrd_stream_request), static_cast<uint32_t>(kConnectTime.count()), static_cast<uint32_t>(plugin.patience.count()) + 1000, 0,
                                 vrd::str(plugin.target)};
      state_ = State::opening;
      reader_ = {};
      vrd_op op = 0;
      if (stream().open(host.raw(), &request, &kEvents, this, &op) != VRD_OK) lose("the connection cannot be opened");
      else if (state_ == State::opening) stream_ = op;  // else it has failed already
    }
    void send(std::string& lines) {
      vrd_status status = stream().send(host.raw(), stream_, vrd::str(lines));
      wipe(lines);
      if (status != VRD_OK) lose("Dovecot does not read");
    }

    static void opened(void* context, vrd_op op, vrd_status status) { static_cast<Shard*>(context)->on_opened(op, status); }
    static void data(void* context, vrd_op, vrd_str octets) { static_cast<Shard*>(context)->on_data(octets); }
    static void closed(void* context, vrd_op, vrd_status status) {
      auto& shard = *static_cast<Shard*>(context);
      shard.stream_ = 0;
      shard.lose(status == VRD_E_TIMEOUT ? "Dovecot does not answer" : "Dovecot has closed the connection");
    }
    void on_opened(vrd_op op, vrd_status status) {
      if (status != VRD_OK) stream_ = 0;
      if (status != VRD_OK) return lose(status == VRD_E_TIMEOUT ? "the connection was not made in time" : "nobody can be reached there; is Dovecot running, and may this user open the socket?");
      stream_ = op;
      plugin.connections.add();
      std::string hello = auth_dovecot::handshake(random_() & 0x7FFFFFFF);
      send(hello);
    }
    void on_data(vrd_str octets) {
      if (octets.len == 0) return lose("Dovecot has closed the connection");
      reader_.add(vrd::view(octets));
      for (Event event = reader_.next(); !std::holds_alternative<std::monostate>(event); event = reader_.next()) {
        std::visit([this](const auto& one) { take(one); }, event);
        if (state_ == State::closed) return;
      }
    }

    void take(const std::monostate&) {}
    void take(const auth_dovecot::Ready&) {
      state_ = State::ready;
      if (std::exchange(told_, false)) host.notice("again", {{"socket", plugin.target}});
      pause_ = {};
      std::string lines = std::exchange(unsent_, {});
      if (!lines.empty()) send(lines);
    }
    void take(const auth_dovecot::Broken& broken) { lose(broken.problem); }
    void take(const auth_dovecot::Passed& passed) {
      auto node = open_.extract(passed.id);
      if (node.empty()) return;
      Open& open = node.mapped();
      // Who acts as somebody else is told with that name, as Dovecot's master users are; the account is who has proven himself.
      std::string_view name = passed.user.empty() || !open.acting_as.empty() ? open.account : passed.user;
      plugin.proven.add();
      open.answer.proven(name);
    }
    void take(const auth_dovecot::Failed& failed) {
      auto node = open_.extract(failed.id);
      if (node.empty()) return;
      if (failed.temporary) {
        host.warning("temporary", {{"account", node.mapped().account}, {"reason", failed.reason.empty() ? "Dovecot says: a temporary failure" : failed.reason}});
        put_off(node.mapped().answer);
      } else {
        deny(node.mapped().answer);
      }
    }
    void take(const auth_dovecot::Unexpected& unexpected) {
      auto node = open_.extract(unexpected.id);
      if (!node.empty()) put_off(node.mapped().answer);
    }

    // One timer for all: the oldest question is the first to be late.
    void watch() {
      vrd::milliseconds rest(std::max<int64_t>(1, open_.begin()->second.until - host.mono_ms()));
      host.after(rest).then([this](vrd::TimerResult rang) {
        watching_ = false;
        if (!rang.ok()) return;  // the shard ends
        give_up_late();
        if (!open_.empty()) watch();
        watching_ = !open_.empty();
      });
    }
    void give_up_late() {
      while (!open_.empty() && open_.begin()->second.until <= host.mono_ms()) {
        auto node = open_.extract(open_.begin());
        put_off(node.mapped().answer);
      }
    }
    void lose(std::string_view problem) {
      if (state_ == State::closed) return;
      state_ = State::closed;
      if (vrd_op op = std::exchange(stream_, 0)) stream().close(host.raw(), op);
      wipe(unsent_);
      auto open = std::exchange(open_, {});
      bool idle = open.empty() && pause_ == vrd::milliseconds(0);  // Dovecot was started again while nobody asked
      for (auto& [id, one] : open) put_off(one.answer);
      if (idle) return;
      pause_ = pause_ == vrd::milliseconds(0) ? kFirstPause : std::min(pause_ * 2, kLongestPause);
      closed_until_ = host.mono_ms() + pause_.count();
      if (!std::exchange(told_, true))
        host.error("lost", {{"socket", plugin.target}, {"reason", problem}, {"remedy", "look at Dovecot; until it answers, clients are told to come again"}});
    }

    State state_ = State::closed;
    vrd_op stream_ = 0;
    auth_dovecot::Reader reader_;
    std::map<uint32_t, Open> open_;  // asked and not answered, in the order of their numbers
    bool watching_ = false;
    std::string unsent_;
    uint32_t last_id_ = 0;
    vrd::milliseconds pause_{0};
    int64_t closed_until_ = 0;
    bool told_ = false;
    std::mt19937 random_;
  };

  const std::string target;
  const vrd::milliseconds patience;
  const size_t most;
  const vrd::Metric proven, denied, temporary, connections;
};

constexpr vrd::About kAbout{"auth-dovecot", "0.1", "Apache-2.0", "Accounts that a Dovecot knows, asked through its authentication socket"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("socket", VRD_SETTING_PATH, "/run/dovecot/auth-client", nullptr, "Dovecot's socket for clients: unix_listener auth-client in its service auth."),
    vrd::setting("query_timeout", VRD_SETTING_DURATION, "25s", "100ms..1m", "How long an answer is waited for. Dovecot delays refusals, up to 17 seconds for clients that guess."),
    vrd::setting("waiting", VRD_SETTING_INT, "1000", "1..100000", "Questions that may wait for an answer, on each loop; more are put off."),
};

}  // namespace

VEREDUS_PLUGIN(AuthDovecot, kAbout, kSettings)
