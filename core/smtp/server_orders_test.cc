// Properties over all orders of commands: no message without HELO, MAIL and an accepted RCPT, in that order
// and since the last reset; one transaction at a time; every command answered exactly once; nothing a client
// says appears in a reply.
#include <doctest/doctest.h>

#include <random>

#include "smtp/test_dialogue.h"

using namespace veredus;

namespace {

const std::vector<std::string> kWords{"EHLO c.test\r\n",
                                      "HELO c.test\r\n",
                                      "MAIL FROM:<a@a.test>\r\n",
                                      "MAIL FROM:<refused@a.test>\r\n",
                                      "RCPT TO:<b@b.test>\r\n",
                                      "RCPT TO:<refused@b.test>\r\n",
                                      "DATA\r\n",
                                      "BDAT 2\r\nxy",
                                      "BDAT 2 LAST\r\nxy",
                                      "BDAT 900 LAST\r\n" + std::string(900, 'q'),
                                      "RSET\r\n",
                                      "NOOP\r\n",
                                      "ECHOME\r\n"};

// What a transaction may do, kept apart from the machine's own state.
struct Model {
  bool helo = false, mail = false;
  int rcpts = 0;
  bool data = false;

  void see(const std::string& event) {
    if (event.starts_with("helo")) helo = true, clear();
    if (event == "reset") clear();
    if (event == "mail a@a.test") {
      CHECK(helo);
      CHECK(!mail);
      mail = true;
    }
    if (event == "rcpt b@b.test") {
      CHECK(mail);
      ++rcpts;
    }
    if (event == "data" || event == "bdat") {
      CHECK(helo);
      CHECK(mail);
      CHECK(rcpts > 0);
      CHECK(!data);
      data = true;
    }
    if (event.starts_with("end") || event.starts_with("problem")) {
      CHECK(data);
      clear();
    }
  }
  void clear() {
    mail = data = false;
    rcpts = 0;
  }
};

Reply refuse_some(const std::string& event) {
  return event.find("refused@") != event.npos ? Reply{450, {4, 7, 1}, {"Not this one"}} : Reply();
}

size_t replies_in(const std::string& text) {
  size_t n = 0;
  for (size_t at = 0; at < text.size(); at = text.find("\r\n", at) + 2) n += text[at + 3] == ' ';
  return n;
}

void say_word(Dialogue& dialogue, const std::string& word) {
  std::string replies = dialogue.say(word);
  CHECK(replies_in(replies) == 1);
  CHECK(replies.find("ECHOME") == replies.npos);
  if (replies.starts_with("354")) {
    CHECK(dialogue.machine.receiving_data());
    CHECK(replies_in(dialogue.say("body\r\n.\r\n")) == 1);
  }
  CHECK(!dialogue.machine.receiving_data());
}

ServerOptions options() {
  ServerOptions out = Dialogue::default_options();
  out.errors = 1000;
  out.message_size = 800;
  return out;
}

void run(const std::vector<size_t>& order) {
  Dialogue dialogue(options());
  dialogue.refuse = refuse_some;
  Model model;
  size_t seen = 0;
  for (size_t word : order) {
    say_word(dialogue, kWords[word]);
    for (; seen < dialogue.events.size(); ++seen) model.see(dialogue.events[seen]);
    REQUIRE(model.mail == dialogue.machine.in_transaction());
  }
}

}  // namespace

TEST_CASE("every order of up to four commands") {
  const size_t n = kWords.size();
  for (size_t code = 0; code < n * n * n * n; ++code) {
    std::vector<size_t> order;
    for (size_t left = code, i = 0; i < 4; ++i, left /= n) order.push_back(left % n);
    run(order);
  }
}

TEST_CASE("long random orders") {
  std::mt19937 random(3);
  for (int round = 0; round < 400; ++round) {
    std::vector<size_t> order;
    for (int i = 0; i < 60; ++i) order.push_back(random() % kWords.size());
    run(order);
  }
}

namespace {

const std::vector<std::string> kSecuring{"EHLO c.test\r\n",
                                         "HELO c.test\r\n",
                                         "STARTTLS\r\n",
                                         "AUTH PLAIN AGEAYg==\r\n",
                                         "AUTH LOGIN\r\n",  // refused
                                         "MAIL FROM:<a@a.test>\r\n",
                                         "MAIL FROM:<a@a.test> REQUIRETLS\r\n",
                                         "RCPT TO:<b@b.test>\r\n",
                                         "RSET\r\n"};

// What may be done before and after TLS and AUTH.
struct Security {
  bool required = false;
  bool helo = false, tls = false, authenticated = false, mail = false;

  void see(const std::string& event, std::string_view reply) {
    bool yes = reply[0] == '2';
    if (event.starts_with("helo")) helo = true, mail = false;
    if (event == "reset") mail = false;
    if (event == "starttls") {
      CHECK_FALSE((tls || authenticated || mail));
      helo = false, tls = true;
    }
    if (event.starts_with("auth")) {
      CHECK(helo);
      CHECK_FALSE((authenticated || mail));
      authenticated = yes;
    }
    if (event.starts_with("mail")) {
      CHECK(helo);
      CHECK_FALSE(mail);
      CHECK((authenticated || !required));
      mail = yes;
    }
  }
};

void run_secured(const std::vector<size_t>& order, bool required) {
  ServerOptions settings = options();
  settings.starttls = true;
  settings.auth_required = required;
  settings.auth_mechanisms = {"PLAIN", "LOGIN"};
  Dialogue dialogue(settings);
  dialogue.refuse = [](const std::string& event) { return event == "auth LOGIN" ? Reply{535, {5, 7, 8}, {"No"}} : Reply(); };
  Security model;
  model.required = required;
  size_t seen = 0;
  for (size_t word : order) {
    std::string reply = dialogue.say(kSecuring[word]);
    CHECK(replies_in(reply) == 1);
    bool was_encrypted = model.tls;
    for (; seen < dialogue.events.size(); ++seen) model.see(dialogue.events[seen], reply);
    if (model.tls && !was_encrypted) dialogue.machine.tls_started();
    if (kSecuring[word].starts_with("EHLO")) {
      CHECK((reply.find("STARTTLS") != reply.npos) == !model.tls);
      CHECK((reply.find("REQUIRETLS") != reply.npos) == model.tls);
      CHECK((reply.find("AUTH PLAIN LOGIN") != reply.npos) == !model.authenticated);
    }
    if (kSecuring[word].find("REQUIRETLS") != std::string::npos && reply[0] == '2') CHECK(model.tls);
    REQUIRE(model.mail == dialogue.machine.in_transaction());
    REQUIRE(model.authenticated == dialogue.machine.authenticated());
  }
}

}  // namespace

TEST_CASE("every order of STARTTLS, AUTH and MAIL") {
  const size_t n = kSecuring.size();
  for (size_t code = 0; code < n * n * n * n * n; ++code) {
    std::vector<size_t> order;
    for (size_t left = code, i = 0; i < 5; ++i, left /= n) order.push_back(left % n);
    run_secured(order, code % 2 == 0);
  }
}

TEST_CASE("long orders with STARTTLS and AUTH") {
  std::mt19937 random(5);
  for (int round = 0; round < 400; ++round) {
    std::vector<size_t> order;
    for (int i = 0; i < 40; ++i) order.push_back(random() % kSecuring.size());
    run_secured(order, round % 2 == 0);
  }
}
