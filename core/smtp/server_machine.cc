// Octets in, steps out: command lines are cut and given to their verb, message data goes through the reader,
// unwanted chunks are skipped.
#include "smtp/server_machine.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/text.h"
#include "smtp/server_verb.h"

namespace veredus {

namespace {

constexpr size_t kLongestLine = 65536;  // a line that is too long is skipped up to here

bool is_letter(char c) {
  return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

Reply problem_reply(DataProblem problem) {
  switch (problem) {
    case DataProblem::none:
      return {};
    case DataProblem::bare_newline:
      return {550, {5, 6, 0}, {"Message contains a bare CR or bare LF"}};
    case DataProblem::nul:
      return {550, {5, 6, 0}, {"Message contains a NUL octet"}};
    case DataProblem::too_big:
      return {552, {5, 3, 4}, {"Message size exceeds the limit"}};
    case DataProblem::header_too_big:
      return {552, {5, 3, 4}, {"Message header exceeds the limit"}};
  }
  return {};
}

}  // namespace

ServerMachine::ServerMachine(ServerOptions options) : options_(std::move(options)) {}

void ServerMachine::greet(bool early) {
  assert(!greeted_);
  greeted_ = true;
  say("220 " + options_.hostname + (options_.lmtp ? " LMTP Veredus\r\n" : " ESMTP Veredus\r\n"), true);
  synchronising_ = true;
  check_early(early);
}

void ServerMachine::refuse_connection(Reply reply) {
  greeted_ = true;
  say(reply.wire(), true);
  close(true);
}

ServerMachine::Advance ServerMachine::advance(std::string_view input, bool early) {
  forget_sent();
  if (asked_ != Asked::nothing) return {0, NeedInput{}};
  check_early(early);
  if (reset_notice_ || !out_.empty() || closing_) return {0, pending()};
  return dispatch(input);
}

ServerMachine::Advance ServerMachine::dispatch(std::string_view input) {
  switch (mode_) {
    case Mode::commands:
    case Mode::auth_line:
      return read_line(input);
    case Mode::long_line:
      return read_long_line(input);
    case Mode::data:
    case Mode::chunk:
      return read_message(input);
    case Mode::skip_chunk:
      return skip_chunk(input);
  }
  return {0, NeedInput{}};
}

// In the order in which a session must see it: the transaction goes before its reply, the connection after
// it.
ServerStep ServerMachine::pending() {
  if (synchronising_) return Again{};
  if (std::exchange(reset_notice_, false)) return TransactionReset{};
  if (!out_.empty()) {
    sent_ = true;
    return Send{out_, std::exchange(flush_, false)};
  }
  if (closing_) return Close{close_error_};
  return Again{};
}

void ServerMachine::forget_sent() {
  if (std::exchange(sent_, false)) out_.clear();
}

void ServerMachine::check_early(bool early) {
  if (!synchronising_) return;
  synchronising_ = false;
  if (!early || options_.local_dialogue) return;
  broke_early_rule_ = true;
  reset_transaction();
  out_.clear();
  say("503 5.5.1 Input sent before the reply it had to wait for\r\n", true);
  close(true);
}

ServerMachine::Advance ServerMachine::read_line(std::string_view input) {
  if (input.empty()) return {0, NeedInput{}};
  if (mode_ == Mode::commands && !is_letter(input[0]) && input[0] != '\r' && input[0] != '\n') {
    say("500 5.5.2 This is not SMTP\r\n", true);
    close(true);
    return {input.size(), pending()};
  }
  bool auth = mode_ == Mode::auth_line || istarts_with(input, "AUTH ");
  size_t limit = auth ? options_.auth_line : options_.command_line;
  const void* found = std::memchr(input.data(), '\n', std::min(input.size(), limit));
  if (!found && input.size() <= limit) return {0, NeedInput{}};
  if (!found) {
    mode_ = Mode::long_line;
    long_answer_ = auth;
    line_skipped_ = 0;
    return read_long_line(input);
  }
  auto length = static_cast<size_t>(static_cast<const char*>(found) - input.data());
  bool crlf = length > 0 && input[length - 1] == '\r';
  ServerStep step = command(input.substr(0, length - (crlf ? 1 : 0)), crlf || options_.local_dialogue);
  return {length + 1, std::move(step)};
}

ServerMachine::Advance ServerMachine::read_long_line(std::string_view input) {
  size_t line_feed = input.find('\n');
  size_t used = line_feed == input.npos ? input.size() : line_feed + 1;
  line_skipped_ += used;
  if (line_skipped_ > kLongestLine) {
    say("500 5.5.2 Line too long\r\n", true);
    close(true);
    return {used, pending()};
  }
  if (line_feed == input.npos) return {used, NeedInput{}};
  mode_ = Mode::commands;
  if (long_answer_) return {used, reject({500, {5, 5, 6}, "Authentication exchange line is too long"})};
  return {used, reject({500, {5, 5, 2}, "Line too long"})};
}

ServerStep ServerMachine::command(std::string_view line, bool proper_end) {
  if (mode_ == Mode::auth_line) {
    mode_ = Mode::commands;
    if (!proper_end) return reject({500, {5, 5, 2}, "A line ends with CR LF"});
    asked_ = Asked::auth;
    return AskAuthLine{std::string(line)};
  }
  CommandLine words = split_command(line);
  if (is_foreign_verb(words.verb)) {
    say("500 5.5.2 This is not SMTP\r\n", true);
    close(true);
    return pending();
  }
  const Verb* verb = find_verb(words.verb);
  if (Answer refusal = check_octets(line, verb && (verb->flags & kUtf8) != 0)) return reject(refusal);
  if (!proper_end) return reject({500, {5, 5, 2}, "A line ends with CR LF"});
  if (!verb) return reject({500, {5, 5, 1}, "Command not recognised"});
  return run_verb(*verb, words.arguments);
}

ServerStep ServerMachine::run_verb(const Verb& verb, std::string_view arguments) {
  if ((verb.flags & kJunk) != 0 && ++junk_ > options_.junk_commands) {
    too_many_ = true;
    say("421 4.7.0 Too many commands without a message\r\n", true);
    close(true);
    return pending();
  }
  synchronising_ = (verb.flags & kSync) != 0;
  flush_ = flush_ || (verb.flags & kFlush) != 0;
  bool wrong = (verb.phases & phase_) == 0;
  if (wrong && phase_ == kMail) return reject({503, {5, 5, 1}, "Not now, a message is under way"});
  if (wrong) return reject(out_of_order());
  return (this->*verb.handler)(arguments);
}

ServerMachine::Advance ServerMachine::read_message(std::string_view input) {
  DataPiece piece = reader_.next(input);
  switch (piece.kind) {
    case DataPiece::Kind::need_input:
      return {piece.consumed, NeedInput{}};
    case DataPiece::Kind::content:
      if (piece.octets.empty()) return {piece.consumed, Again{}};
      return {piece.consumed, Content8{piece.octets}};
    case DataPiece::Kind::headers_done:
      return {piece.consumed, HeadersDone{reader_.header_size()}};
    case DataPiece::Kind::end:
      return {piece.consumed, message_read()};
    case DataPiece::Kind::too_much:
      say(problem_reply(reader_.problem()).wire(), true);
      reset_transaction();
      close(true);
      return {piece.consumed, pending()};
  }
  return {0, NeedInput{}};
}

// A chunk or the whole message has been read.
ServerStep ServerMachine::message_read() {
  mode_ = Mode::commands;
  if (!reader_.message_complete()) {
    say("250 2.0.0 " + std::to_string(chunk_.octets) + " octets received\r\n");
    return pending();
  }
  asked_ = Asked::end;
  AskEnd ask;
  ask.problem = problem_reply(reader_.problem());
  ask.size = reader_.size();
  ask.lines = reader_.lines();
  ask.content_8bit = reader_.body_8bit();
  ask.header_8bit = reader_.header_8bit();
  refusal_ = ask.problem.code != 0 ? ask.problem.wire() : std::string();
  return ask;
}

ServerMachine::Advance ServerMachine::skip_chunk(std::string_view input) {
  size_t used = std::min<uint64_t>(input.size(), skip_left_);
  skip_left_ -= used;
  if (skip_left_ > 0) return {used, NeedInput{}};
  mode_ = Mode::commands;
  chunk_skipped();
  return {used, pending()};
}

}  // namespace veredus
