// Dialogue: drives a ServerMachine with octets cut as told, says yes to everything unless told otherwise, and
// writes down what happened. For unit tests and fuzz targets only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "smtp/server_machine.h"

namespace veredus {

class Dialogue {
 public:
  explicit Dialogue(ServerOptions options = default_options(), bool early = false)
      : machine(std::move(options)), early_(early) {
    machine.greet(early);
    turn();
  }

  static ServerOptions default_options() {
    ServerOptions options;
    options.hostname = "mx.test";
    return options;
  }

  // Returns what was sent back for these octets.
  std::string say(std::string_view octets) {
    replies.clear();
    buffer_.append(octets);
    turn();
    all_ += replies;
    return replies;
  }
  void say_in_pieces(std::string_view octets, const std::function<size_t()>& next_size) {
    while (!octets.empty()) {
      size_t size = std::min(std::max<size_t>(next_size(), 1), octets.size());
      say(octets.substr(0, size));
      octets.remove_prefix(size);
    }
  }
  // Everything a session could see, in a form that does not depend on how input was cut.
  std::string transcript() const {
    std::string out = greeting_ + all_;
    for (const std::string& event : events) out += "\n" + event;
    return out + (closed ? "\nclosed" : "");
  }

  ServerMachine machine;
  std::string replies;
  std::vector<std::string> events;    // "helo NAME", "mail FROM", "end SIZE", ...
  std::vector<std::string> messages;  // content of those that were accepted
  std::string content;                // of the running transaction
  bool closed = false;
  std::function<Reply(const std::string& event)> refuse;  // code 0 = accept

 private:
  void turn() {
    for (int idle = 0; !closed;) {
      ServerMachine::Advance advance = machine.advance(buffer_, early_);
      perform(advance.step);
      buffer_.erase(0, advance.consumed);
      if (!std::holds_alternative<NeedInput>(advance.step))
        idle = 0;
      else if (advance.consumed == 0 || ++idle > 2)
        break;
    }
    if (greeting_.empty()) greeting_ = replies;
  }

  void perform(ServerStep& step) {
    if (auto* send = std::get_if<Send>(&step)) replies += send->octets;
    if (auto* piece = std::get_if<Content8>(&step)) content += piece->octets;
    if (auto* done = std::get_if<HeadersDone>(&step)) {
      events.push_back("headers " + std::to_string(done->size));
      if (content.size() != done->size) events.push_back("WRONG header size");
    }
    if (std::holds_alternative<TransactionReset>(step)) end_transaction("reset");
    if (std::holds_alternative<Close>(step)) closed = true;
    ask(step);
  }

  void ask(ServerStep& step) {
    if (auto* helo = std::get_if<AskHelo>(&step)) answer("helo " + helo->name);
    if (auto* mail = std::get_if<AskMail>(&step)) answer("mail " + mail->envelope->sender.text());
    if (auto* rcpt = std::get_if<AskRcpt>(&step)) answer("rcpt " + rcpt->recipient->address.text());
    if (auto* data = std::get_if<AskData>(&step)) answer(data->bdat ? "bdat" : "data");
    if (auto* vrfy = std::get_if<AskVrfy>(&step)) answer("vrfy " + vrfy->argument);
    if (std::holds_alternative<AskStartTls>(step)) answer("starttls");
    if (std::holds_alternative<AskAuthLine>(step)) answer("auth line");
    if (auto* auth = std::get_if<AskAuth>(&step)) answer("auth " + auth->mechanism);
    if (auto* xclient = std::get_if<AskXclient>(&step)) {
      std::string event = "xclient";
      for (const auto& [name, value] : xclient->attributes) event += " " + name + "=" + value;
      answer(event);
    }
    if (auto* end = std::get_if<AskEnd>(&step)) end_message(*end);
  }

  void end_message(const AskEnd& end) {
    if (end.problem.code == 0) {
      if (content.size() != end.size) events.push_back("WRONG size");
      messages.push_back(content);
      answer("end " + std::to_string(end.size) + " " + content);
    } else {
      answer("problem " + end.problem.joined());
    }
    content.clear();
  }

  void end_transaction(const std::string& event) {
    events.push_back(event);
    content.clear();
  }

  void answer(const std::string& event) {
    events.push_back(event);
    Reply refusal = refuse ? refuse(event) : Reply();
    if (refusal.code != 0) return machine.refuse(std::move(refusal));
    machine.accept();
  }

  std::string buffer_;
  std::string greeting_, all_;
  bool early_;
};

}  // namespace veredus
