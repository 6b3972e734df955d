// Implementation of the sink's server: an edge-triggered epoll loop over sessions kept in reusable slots.
#include "sink/server.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

namespace veredus::tools {
namespace {

// The upper half of an epoll key is a slot's generation, never as large as these.
constexpr std::uint64_t kSignalKey = 0xffffffff00000000ULL;
constexpr std::uint64_t kListenerKey = 0xfffffffe00000000ULL;
constexpr std::int64_t kFlushEvery = 100'000'000;

Fd open_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

}  // namespace

Server::Server(SinkOptions& options) : options_(options), store_(options) {}

bool Server::watch(int fd, std::uint64_t key, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

bool Server::prepare() {
  raise_descriptor_limit();
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  signals_ = open_signals();
  return watch(signals_.get(), kSignalKey, EPOLLIN) && store_.prepare() && open_listeners();
}

bool Server::open_listeners() {
  for (const auto& where : options_.listen) {
    Endpoint actual;
    auto fd = listen_on(where, actual);
    if (!fd) {
      std::fprintf(stderr, "veredus-sink: %s: %s\n", where.text().c_str(), std::strerror(errno));
      return false;
    }
    watch(fd.get(), kListenerKey | listeners_.size(), EPOLLIN);
    listeners_.push_back(std::move(fd));
    dprintf(static_cast<int>(options_.ready_fd), "ready %s\n", actual.text().c_str());
  }
  return true;
}

int Server::pause_ms() const {
  if (calls_.empty()) return 100;
  const auto left = calls_.top().due - now_ns();
  return static_cast<int>(std::clamp<std::int64_t>((left + 999'999) / 1'000'000, 0, 100));
}

int Server::run() {
  std::array<epoll_event, 256> events{};
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), pause_ms());
    for (int i = 0; i < count; ++i) dispatch(events[i].data.u64, events[i].events);
    answer_calls();
    if (options_.stop_after != 0 && counts_.messages >= options_.stop_after) stopping_ = true;
    if (now_ns() >= next_flush_) {
      store_.flush();
      next_flush_ = now_ns() + kFlushEvery;
    }
  }
  store_.flush();
  print_counts();
  return 0;
}

Session* Server::find(std::uint64_t key) {
  auto& slot = slots_[key & 0xffffffffU];
  return slot.generation == key >> 32 ? slot.session.get() : nullptr;
}

void Server::dispatch(std::uint64_t key, std::uint32_t events) {
  if (key == kSignalKey) return on_signal();
  if (key >= kListenerKey) return accept_all(listeners_[key & 0xffffffffU].get());
  if (Session* session = find(key)) {
    session->on_event(events);
    retire_if_finished(key);
  }
}

void Server::retire_if_finished(std::uint64_t key) {
  auto& slot = slots_[key & 0xffffffffU];
  if (!slot.session || !slot.session->finished()) return;
  slot.session.reset();
  slot.generation = (slot.generation + 1) & 0x7fffffffU;
  free_.push_back(static_cast<std::uint32_t>(key));
  --counts_.open;
}

void Server::accept_all(int listener) {
  while (true) {
    Fd socket(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    admit(std::move(socket));
  }
}

void Server::admit(Fd socket) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const auto index = free_.back();
  free_.pop_back();
  const std::uint64_t key = static_cast<std::uint64_t>(slots_[index].generation) << 32 | index;
  const bool turn_away = options_.max_connections != 0 && counts_.open >= options_.max_connections;
  ++counts_.connections;
  ++counts_.open;
  counts_.turned_away += turn_away ? 1 : 0;
  counts_.most_open = std::max(counts_.most_open, counts_.open);
  watch(socket.get(), key, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  slots_[index].session = std::make_unique<Session>(SinkState{options_, store_, counts_}, *this, key,
                                                    std::move(socket), turn_away);
  slots_[index].session->start();
  retire_if_finished(key);
}

void Server::call_back(std::uint64_t key, double seconds) {
  calls_.push({now_ns() + static_cast<std::int64_t>(seconds * 1e9), key});
}

void Server::answer_calls() {
  const auto now = now_ns();
  while (!calls_.empty() && calls_.top().due <= now) {
    const auto key = calls_.top().key;
    calls_.pop();
    if (Session* session = find(key)) {
      session->on_alarm();
      retire_if_finished(key);
    }
  }
}

void Server::on_signal() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGUSR1) {
      store_.flush();
      print_counts();
    } else if (info.ssi_signo == SIGUSR2) {
      counts_.forget();
    } else {
      stopping_ = true;
    }
  }
}

void Server::print_counts() {
  const auto text = counts_.json() + "\n";
  if (options_.count_file.empty()) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    return;
  }
  const auto part = options_.count_file + ".part";
  if (std::FILE* file = std::fopen(part.c_str(), "we")) {
    std::fputs(text.c_str(), file);
    std::fclose(file);
    std::rename(part.c_str(), options_.count_file.c_str());
  }
}

}  // namespace veredus::tools
