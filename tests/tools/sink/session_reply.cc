// Answers of a sink session, and the faults that replace them.
#include <sys/socket.h>

#include "sink/session.h"

namespace veredus::tools {
namespace {

std::string make_line(int code, char separator, std::string_view rest) {
  std::string line = std::to_string(code);
  line += separator;
  line += rest;
  return line + "\r\n";
}

}  // namespace

void Session::greet() {
  if (turn_away_) {
    plain_reply(421, "4.7.0", "too many connections");
    close_after_flush_ = true;
    return;
  }
  const auto protocol = state_.options.lmtp ? " LMTP" : " ESMTP";
  reply(Stage::kConnect, 220, "", state_.options.hostname + protocol + " veredus-sink");
}

void Session::plain_reply(int code, std::string_view enhanced, std::string_view text) {
  output_ += std::to_string(code);
  output_ += ' ';
  if (state_.options.enhanced && !enhanced.empty()) (output_ += enhanced) += ' ';
  output_ += text;
  output_ += "\r\n";
}

void Session::reply(Stage stage, int code, std::string_view enhanced, std::string_view text) {
  const Fault* fault = state_.options.faults.strike(stage);
  if (fault == nullptr) return plain_reply(code, enhanced, text);
  misbehave(*fault, code, text);
}

void Session::send_octets_singly(std::string_view line) {
  flush();
  while (socket_ && !line.empty()) {
    if (send(socket_.get(), line.data(), 1, MSG_NOSIGNAL) != 1) break;
    line.remove_prefix(1);
  }
  output_ += line;
}

void Session::misbehave(const Fault& fault, int code, std::string_view text) {
  using enum FaultKind;
  ++state_.counts.faults;
  const auto line = make_line(code, ' ', text);
  switch (fault.kind) {
    case kClose:
      close_after_flush_ = true;
      break;
    case kReset:
      close_now(true);
      break;
    case kStall:
      pause_ = Pause::kForever;
      break;
    case kGarbage:
      output_.append("\x16\x03\x01 this is \xff\xfe no reply\r\n");
      break;
    case kNul:
      output_.append(std::to_string(code)).append(" nul ").append(2, '\0').append(" here\r\n");
      break;
    case kEndlessReply:
      flood_ = 1;
      pause_ = Pause::kForever;
      break;
    case kEndlessLine:
      flood_ = 2;
      pause_ = Pause::kForever;
      break;
    case kLongLine:
      output_ += make_line(code, ' ', std::string(8000, 'x'));
      break;
    case kHalfLine:
      output_ += line.substr(0, line.size() / 2);
      close_after_flush_ = true;
      break;
    case kHalfLineStall:
      output_ += line.substr(0, line.size() / 2);
      pause_ = Pause::kForever;
      break;
    case kCode:
      output_ += make_line(fault.code, ' ', "as ordered");
      break;
    case kDouble:
      output_ += line + line;
      break;
    case kMultiline:
      output_ += make_line(code, '-', "first") + make_line(code, '-', "second") + line;
      break;
    case kMixedCodes:
      output_ += make_line(250, '-', "so far") + make_line(451, '-', "but then") + line;
      break;
    case kBareLf:
      output_ += line.substr(0, line.size() - 2) + "\n";
      break;
    case kDribble:
      send_octets_singly(line);
      break;
    default:
      output_ += line;
      break;
  }
}

// The drawn 4xx and 5xx; true when the command was answered.
bool Session::refuse(Stage stage) {
  auto& options = state_.options;
  if (options.reject_rate > 0 && options.reject_at == stage && options.faults.chance(options.reject_rate)) {
    ++state_.counts.rejected;
    plain_reply(550, "5.7.1", "rejected by lot");
    return true;
  }
  if (options.refuse_rate > 0 && options.refuse_at == stage && options.faults.chance(options.refuse_rate)) {
    ++state_.counts.refused;
    plain_reply(451, "4.7.1", "refused by lot, try again");
    return true;
  }
  return false;
}

}  // namespace veredus::tools
