// Client: drives a ClientMachine against replies written down in advance and records what it sends. For unit tests and fuzz targets only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/client_machine.h"
#include "smtp/content_encoder.h"

namespace veredus {

inline std::shared_ptr<const Message> test_message(std::string_view content, std::vector<std::string> to) {
  auto message = std::make_shared<Message>();
  message->envelope.sender = *Address::parse("a@a.test");
  for (const std::string& address : to) {
    message->envelope.recipients.emplace_back();
    message->envelope.recipients.back().address = *Address::parse(address);
  }
  message->content.memory = std::make_shared<const std::string>(content);
  return message;
}

class Client {
 public:
  explicit Client(bool lmtp = false) : machine(options(lmtp)) {}

  // Offers these octets and whatever was left; returns what the machine sent in answer.
  std::string get(std::string_view octets) {
    buffer.append(octets);
    std::string before = sent;
    turn();
    return sent.substr(before.size());
  }
  std::string send(std::shared_ptr<const Message> message) {
    messages_.push_back(message);
    std::vector<uint32_t> all(message->envelope.recipients.size());
    for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
    size_t before = sent.size();
    machine.begin(*message, all);
    turn();
    return sent.substr(before);
  }
  void greet(std::string_view ehlo) {
    get("220 hi\r\n");
    get(ehlo);
  }
  bool is(ClientStep::Kind kind) const { return machine.step().kind == kind; }
  std::string fates() const {
    static constexpr std::string_view kNames[] = {"open", "accepted", "delivered", "refused", "later", "lost", "untouched"};
    std::string out;
    for (const RecipientResult& result : machine.results())
      out += std::string(out.empty() ? "" : " ") + std::string(kNames[static_cast<int>(result.fate)]);
    return out;
  }

  ClientMachine machine;
  std::string buffer, sent;

 private:
  static ClientOptions options(bool lmtp) {
    ClientOptions out;
    out.helo = "me.test";
    out.lmtp = lmtp;
    return out;
  }

  void turn() {
    for (;;) {
      ClientStep step = machine.step();
      if (step.kind == ClientStep::Kind::write) {
        write(step);
        continue;
      }
      if (step.kind != ClientStep::Kind::read) return;
      size_t used = machine.feed(buffer);
      buffer.erase(0, used);
      if (used == 0 && machine.step().kind == ClientStep::Kind::read) return;
    }
  }

  void write(const ClientStep& step) {
    sent += machine.output();
    if (step.content != ClientStep::Content::none) {
      ContentEncoder encoder(step.content == ClientStep::Content::dotted);
      std::vector<std::string_view> views;
      std::string_view content = *messages_.back()->content.memory;
      encoder.encode(content, views, SIZE_MAX);
      encoder.finish(views);
      for (std::string_view view : views) sent += view;
    }
    machine.wrote();
  }

  std::vector<std::shared_ptr<const Message>> messages_;
};

}  // namespace veredus
