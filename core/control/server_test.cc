// The socket against clients that are wrong, slow, many or gone; the table of commands and what it suggests.
#include "control/test_rig.h"

#include "log/events.h"

using namespace veredus;

TEST_CASE("unknown commands and options: what may have been meant") {
  ControlRig rig;
  auto complaint = [&](std::vector<std::string> words) {
    Said said = rig.run(std::move(words));
    CHECK(said.exit == 64);
    return said.err;
  };
  CHECK(complaint({"queue", "lst"}).find("did you mean 'queue list'") != std::string::npos);
  CHECK(complaint({"statsu"}).find("did you mean 'status'") != std::string::npos);
  CHECK(complaint({"queue"}).find("'queue hold'") != std::string::npos);
  CHECK(complaint({"frobnicate\n\x1b[31m"}).find('\x1b') == std::string::npos);
  CHECK(complaint({}).find("no command") != std::string::npos);
  std::string option = complaint({"queue", "list", "--sendr", "a@b.test"});
  CHECK(option.find("did you mean '--sender'") != std::string::npos);
  CHECK(option.find("usage: veredus queue list") != std::string::npos);
  CHECK(rig.lines.count("control.refused") == 6);
}

TEST_CASE("requests that are no requests") {
  ControlRig rig;
  for (const char* bad : {"\n", "x\n", "[]\n", "{\"words\":1}\n", "{\"words\":[1]}\n", "{\"words\":[\"status\"\n", "\xff\xfe\n", "GET / HTTP/1.1\r\n"}) {
    CAPTURE(bad);
    CHECK(rig.raw(bad).exit == 64);
  }
  CHECK(rig.raw(std::string(500'000, '[') + "\n").exit == 64);
  CHECK(rig.raw("{\"words\":" + std::string(500'000, '[') + "\n").exit == 64);
  CHECK(rig.raw("{\"words\":[\"status\"],\"json\":true,\"later\":{\"a\":[1]}}\n").exit == 0);
}

TEST_CASE("a request that is too long is refused without being kept") {
  ControlRig rig;
  Said said = rig.raw(std::string(3 * kMaxRequest, 'x'));
  CHECK((said.exit == 64 || !said.exit));  // the rest that nobody reads may reset the connection first
  CHECK(rig.lines.count("control.refused") == 1);
  CHECK(rig.run({"status"}).exit == 0);
}

TEST_CASE("a request that never ends is forgotten when its client goes") {
  ControlRig rig;
  int fd = rig.connect();
  rig.send_all(fd, "{\"words\":[\"status\"]");
  for (int i = 0; i < 5; ++i) rig.turn();
  shutdown(fd, SHUT_WR);
  Said said = rig.finish(fd);
  CHECK(!said.exit);
  CHECK(said.out.empty());
}

TEST_CASE("clients that vanish at any moment cost nothing") {
  ControlRig rig;
  rig.queue.endless = 5'000;
  std::string request = encode_request({{"queue", "list"}, true});
  for (size_t cut = 0; cut <= request.size(); cut += 7) {
    int fd = rig.connect();
    rig.send_all(fd, request.substr(0, cut));
    rig.turn();
    close(fd);
    rig.turn();
  }
  CHECK(rig.run({"status"}).exit == 0);
}

TEST_CASE("a reader that stops makes the command wait, not the others") {
  ControlRig rig;
  rig.queue.endless = 20'000;
  int slow = rig.connect();
  rig.send_all(slow, encode_request({{"queue", "list"}, true}));
  for (int i = 0; i < 50; ++i) rig.turn();
  size_t asked = rig.queue.filters.size();
  CHECK(asked < 8);  // of ten pages
  CHECK(rig.run({"status"}).exit == 0);
  CHECK(rig.finish(slow).objects().size() == 20'000);
}

TEST_CASE("more connections than there may be are told so") {
  ControlRig rig;
  std::vector<int> open;
  for (int i = 0; i < 200; ++i) {
    open.push_back(rig.connect());
    rig.turn();
  }
  Said said = rig.finish(rig.connect());
  CHECK(said.exit == 75);
  CHECK(said.err.find("too many") != std::string::npos);
  for (int fd : open) close(fd);
  for (int i = 0; i < 5; ++i) rig.turn();
  CHECK(rig.run({"status"}).exit == 0);
}

TEST_CASE("the socket's file has the mode asked for") {
  std::string path = "/tmp/veredus-control-mode-" + std::to_string(getpid());
  int fd = *bind_unix(path, 0660);
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0660);
  close(fd);
  unlink(path.c_str());
}

TEST_CASE("frames carry any octets") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (const std::string& octets : {all, std::string("plain"), std::string("\xC3\xBC"), std::string("\xC3"), std::string()})
    CHECK(decode_frame(encode_out(octets))->out == octets);
  CHECK(decode_frame(encode_exit(75))->exit == 75);
  CHECK(!decode_frame("nonsense").ok());
}

TEST_CASE("every command says what it does and names its options") {
  for (const CommandDef& command : commands()) {
    CAPTURE(command.name);
    CHECK(!command.doc.empty());
    for (std::string_view option : command.options) CHECK(command.usage.find(option) != std::string_view::npos);
  }
}
