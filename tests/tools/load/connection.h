// One client connection: socket, replies awaited in order, and the transaction under way. Every command
// sent pushes what its reply will mean; the next step is taken when the replies it needs have come.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "common/net.h"
#include "load/host.h"
#include "load/outbox.h"
#include "load/reply_reader.h"

namespace veredus::tools {

class Connection {
 public:
  Connection(Host& host, std::size_t index, bool hold) : host_(host), index_(index), hold_(hold) {}

  void open();
  void on_event(std::uint32_t events);
  /// A message may be due now.
  void wake();
  void check_deadline();
  /// Closes at once; a transaction under way is reported as unknown or aborted.
  void abandon(const char* why) { lose(why); }
  bool is_open() const { return static_cast<bool>(socket_); }
  bool holds() const { return hold_; }
  bool was_greeted() const { return greeted_; }

 private:
  enum class Awaited : std::uint8_t {
    kBanner,
    kHello,
    kHelo,
    kMail,
    kRcpt,
    kData,
    kChunk,
    kFinal,
    kReset,
    kQuit
  };
  enum class Step : std::uint8_t { kMail, kRcpt, kData, kContent, kWait };

  struct Transaction {
    bool active = false;
    Step step = Step::kMail;
    std::uint64_t rcpts_sent = 0;
    std::uint64_t rcpts_accepted = 0;
    std::uint64_t finals_left = 0;
    std::uint64_t finals_accepted = 0;
    std::size_t bdat_sent = 0;
    bool data_accepted = false;
    bool content_sent = false;
    std::int64_t started = 0;
    std::int64_t dot = 0;
    const char* stage = "";
    int code = 0;
    std::string text;
  };

  void receive();
  void flush();
  void lose(const char* why);
  void await(Awaited what) { awaited_.push_back(what); }

  void on_reply(const Reply& reply);
  void on_hello(const Reply& reply, bool extended);
  void on_final(const Reply& reply);
  void shut_down(const Reply& reply);
  bool hopeless() const;
  void refuse(const char* stage, const Reply& reply);
  void next_transaction();
  void advance();
  void send_mail();
  void send_rcpt();
  void send_content();
  void send_chunks();
  void refer_slice(std::size_t from, std::size_t count);
  void conclude();
  void report(Outcome outcome);
  bool use_bdat() const;

  Host& host_;
  const std::size_t index_;
  const bool hold_;
  Fd socket_;
  bool connecting_ = false;
  bool waiting_ = false;
  bool greeted_ = false;
  bool pipelining_ = false;
  bool chunking_ = false;
  std::uint64_t sent_here_ = 0;
  std::int64_t last_activity_ = 0;
  std::deque<Awaited> awaited_;
  Outbox outbox_;
  ReplyReader reader_;
  Reply reply_;
  Message message_;
  Transaction transaction_;
  std::string scratch_;
};

}  // namespace veredus::tools
