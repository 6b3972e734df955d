// Implementation of the run: one epoll set, edge-triggered, and a few ordered queues of what is due.
#include "load/generator.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace veredus::tools {
namespace {

constexpr std::uint64_t kMaxOpening = 256;
constexpr std::int64_t kMilli = 1'000'000;
constexpr std::int64_t kFirstBackoff = 2 * kMilli;
constexpr std::int64_t kLastBackoff = 20 * kMilli;
constexpr std::int64_t kSweepEvery = 250 * kMilli;
constexpr std::uint64_t kSignalTag = ~0ULL;

Fd open_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

}  // namespace

Generator::Generator(const LoadOptions& options) : options_(options), maker_(options), report_(options) {}

bool Generator::prepare() {
  if (!maker_.configure()) {
    std::fprintf(stderr, "veredus-load: --sizes cannot be read\n");
    return false;
  }
  if (!report_.open_files()) return false;
  raise_descriptor_limit();
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  signals_ = open_signals();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kSignalTag;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, signals_.get(), &event);
  const bool sends = options_.messages != 0 || options_.duration != 0;
  const auto active = sends ? options_.connections : 0;
  for (std::size_t i = 0; i < active + options_.idle; ++i) {
    connections_.push_back(std::make_unique<Connection>(*this, i, i >= active));
    reopen_.push({0, i});
  }
  active_open_ = active;
  gate_open_ = !options_.all_first;
  return true;
}

int Generator::run() {
  started_ = now_ = now_ns();
  report_.start(started_);
  while (!done()) turn();
  report_.print(now_, idle_open_, idle_gone_);
  if (report_.connects() == 0) return 3;
  const bool all_settled = options_.messages == 0 || report_.settled() == options_.messages;
  return report_.every_message_answered() && all_settled ? 0 : 1;
}

void Generator::turn() {
  open_due();
  wake_due();
  if (done()) return;
  wait_for_events();
  if (now_ >= next_sweep_) sweep();
}

std::int64_t Generator::next_wakeup() const {
  std::int64_t due = next_sweep_;
  if (gate_open_ && !waiting_.empty()) {
    due = std::min(due, next_message_due());
  }
  if (reopen_.empty() || opening_ >= kMaxOpening) return due;
  const bool probing = unreachable_since_ != 0;
  if (!probing || opening_ == 0) due = std::min(due, probing ? next_probe_ : reopen_.top().due);
  return due;
}

void Generator::wait_for_events() {
  std::array<epoll_event, 256> events{};
  const auto pause = std::max<std::int64_t>(next_wakeup() - now_ns(), 0);
  const timespec timeout{pause / 1'000'000'000, pause % 1'000'000'000};
  const int count = epoll_pwait2(epoll_.get(), events.data(), events.size(), &timeout, nullptr);
  now_ = now_ns();
  for (int i = 0; i < count; ++i) {
    if (events[i].data.u64 == kSignalTag) {
      on_signal();
    } else {
      connections_[events[i].data.u64]->on_event(events[i].events);
    }
  }
}

void Generator::on_signal() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGUSR1) {
      report_.print(now_, idle_open_, idle_gone_);
    } else {
      stop("interrupted");
    }
  }
}

void Generator::stop(const char* why) {
  stopping_ = true;
  reopen_ = {};
  for (auto& connection : connections_) {
    if (connection->is_open()) connection->abandon(why);
  }
  active_open_ = 0;
}

std::int64_t Generator::since_start(double seconds) const {
  return started_ + static_cast<std::int64_t>(seconds * 1e9);
}

std::int64_t Generator::next_message_due() const {
  return options_.rate > 0 ? since_start(static_cast<double>(numbers_) / options_.rate) : started_;
}

bool Generator::supply_ended() const {
  if (stopping_) return true;
  if (options_.messages != 0 && report_.settled() + in_hand_ >= options_.messages) return true;
  return options_.duration != 0 && now_ >= since_start(options_.duration);
}

bool Generator::done() const {
  if (stopping_) return true;
  if (active_open_ != 0) return false;
  if (options_.idle == 0 || idle_gone_ == options_.idle) return true;
  return options_.idle_seconds != 0 && now_ >= since_start(options_.idle_seconds);
}

// While the server is away one connection at a time probes for it.
bool Generator::may_open() const {
  if (unreachable_since_ != 0) return opening_ == 0 && now_ >= next_probe_;
  return opening_ < kMaxOpening;
}

void Generator::retire(std::size_t connection) {
  if (connections_[connection]->holds()) {
    ++idle_gone_;
  } else {
    --active_open_;
    open_gate_when_greeted();
  }
}

// With --all-first the run begins, and its clock starts, when every connection that is left has been greeted.
void Generator::open_gate_when_greeted() {
  if (gate_open_ || active_greeted_ < active_open_) return;
  gate_open_ = true;
  started_ = now_;
  report_.start(now_);
}

void Generator::open_due() {
  while (!reopen_.empty() && may_open() && reopen_.top().due <= now_) {
    const auto connection = reopen_.top().connection;
    reopen_.pop();
    if (!connections_[connection]->holds() && supply_ended()) {
      retire(connection);
    } else {
      ++opening_;
      connections_[connection]->open();
    }
  }
}

void Generator::wake_due() {
  for (auto count = gate_open_ ? waiting_.size() : 0; count > 0; --count) {
    if (!supply_ended() && now_ < next_message_due()) return;
    const auto connection = waiting_.front();
    waiting_.pop_front();
    connections_[connection]->wake();
  }
}

void Generator::sweep() {
  next_sweep_ = now_ + kSweepEvery;
  report_.flush();
  for (auto& connection : connections_) connection->check_deadline();
  const bool hopeless = unreachable_since_ != 0 && options_.reconnect &&
                        static_cast<double>(now_ - unreachable_since_) / 1e9 > options_.reconnect_for;
  if (hopeless) stop("no server");
}

Supply Generator::take_message(Message& message) {
  if (supply_ended()) return Supply::kNone;
  if (!gate_open_) return Supply::kLater;
  if (now_ < next_message_due()) return Supply::kLater;
  maker_.make(numbers_++, message);
  ++in_hand_;
  report_.begun();
  return Supply::kMessage;
}

void Generator::append_recipient(std::string& out, const Message& message, std::uint64_t index) {
  maker_.append_recipient(out, message.number, index);
}

void Generator::finished(const Finished& result) {
  --in_hand_;
  report_.finished(result, now_);
}

void Generator::watch(int fd, std::size_t connection) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = connection;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Generator::connected(std::size_t /*connection*/) {
  --opening_;
  unreachable_since_ = 0;
  backoff_ = 0;
  report_.connected();
}

void Generator::greeted(std::size_t connection) {
  if (!connections_[connection]->holds()) {
    ++active_greeted_;
    return open_gate_when_greeted();
  }
  ++idle_open_;
  if (idle_announced_ || idle_open_ != options_.idle) return;
  idle_announced_ = true;
  std::printf("idle %llu\n", static_cast<unsigned long long>(idle_open_));
  std::fflush(stdout);
}

void Generator::closed(std::size_t connection, Closing how, const char* why) {
  const bool holds = connections_[connection]->holds();
  if (how == Closing::kNeverOpened) --opening_;
  if (how != Closing::kOrderly) report_.connection_lost(why);
  if (holds && connections_[connection]->was_greeted()) --idle_open_;
  if (stopping_) return;
  if (how == Closing::kOrderly && !supply_ended()) return reopen_.push({now_, connection});
  if (how == Closing::kOrderly || !options_.reconnect || holds) return retire(connection);
  if (how == Closing::kLost) return reopen_.push({now_ + kFirstBackoff, connection});
  if (unreachable_since_ == 0) unreachable_since_ = now_;
  backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kLastBackoff);
  next_probe_ = now_ + backoff_;
  reopen_.push({now_, connection});
}

void Generator::wants_message(std::size_t connection) {
  waiting_.push_back(connection);
}

}  // namespace veredus::tools
