// One SMTP or LMTP connection to the sink: input, replies, the transaction, and the faults asked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/net.h"
#include "sink/counts.h"
#include "sink/dot_reader.h"
#include "sink/options.h"
#include "sink/store.h"

namespace veredus::tools {

/// What all sessions of a sink share.
struct SinkState {
  SinkOptions& options;
  Store& store;
  Counts& counts;
};

/// Later attention a session may ask of the server.
class Alarm {
 public:
  virtual ~Alarm() = default;
  virtual void call_back(std::uint64_t key, double seconds) = 0;
};

class Session final : private Receiver {
 public:
  Session(SinkState state, Alarm& alarm, std::uint64_t key, Fd socket, bool turn_away);
  ~Session() override;
  void start();
  void on_event(std::uint32_t events);
  void on_alarm();
  bool finished() const { return !socket_; }

 private:
  enum class Mode : std::uint8_t { kCommand, kData, kChunk };
  enum class Pause : std::uint8_t { kNone, kBanner, kFinal, kForever };

  void take(std::string_view octets) override;

  // session.cc: octets in and out
  void receive();
  void process(std::string_view fresh);
  std::size_t consume(std::string_view input);
  std::size_t consume_line(std::string_view input);
  void flush();
  void close_now(bool reset);
  void flood();

  // session_reply.cc: answers and faults
  void reply(Stage stage, int code, std::string_view enhanced, std::string_view text);
  void plain_reply(int code, std::string_view enhanced, std::string_view text);
  void misbehave(const Fault& fault, int code, std::string_view line);
  void send_octets_singly(std::string_view line);
  bool refuse(Stage stage);
  void greet();

  // session_smtp.cc: commands
  void on_command(std::string_view line);
  void on_hello(std::string_view verb);
  void on_mail(std::string_view arguments);
  void on_rcpt(std::string_view arguments);
  void on_data();
  void on_bdat(std::string_view arguments);
  bool parameters_known(std::string_view parameters, bool of_mail);
  bool keyword_known(std::string_view keyword, bool of_mail) const;

  // session_data.cc: message data and its end
  std::size_t consume_data(std::string_view input);
  std::size_t consume_chunk(std::string_view input);
  void begin_content(bool chunked);
  void content_ended();
  void conclude();
  void conclude_for_all();
  void conclude_for_each();
  void accept(const Fault* fault);
  void reset_transaction();

  SinkState state_;
  Alarm& alarm_;
  const std::uint64_t key_;
  Fd socket_;
  Mode mode_ = Mode::kCommand;
  Pause pause_ = Pause::kNone;
  const bool turn_away_;
  bool greeted_ = false;
  bool in_mail_ = false;
  bool in_content_ = false;
  bool body_begun_ = false;
  bool chunk_last_ = false;
  bool chunk_failed_ = false;
  bool close_after_flush_ = false;
  bool read_blocked_ = false;
  std::uint8_t flood_ = 0;  // 1: endless lines, 2: one endless line
  std::uint64_t chunk_left_ = 0;
  std::uint64_t messages_here_ = 0;
  std::string input_;
  std::string output_;
  DotReader dot_reader_;
  Arrival arrival_;
};

}  // namespace veredus::tools
