// Dovecot's protocol for clients that authenticate (version 1): lines, fields parted by tabs. Values and a machine without I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace auth_dovecot {

constexpr size_t kMostLine = 8192;

// Fields never contain a tab or a line break: octets that part fields are escaped as Dovecot does (octet 1 and a letter).
std::string escaped(std::string_view text);
std::string unescaped(std::string_view text);

std::string handshake(uint32_t client);  // what the client says first; `client`: unlike that of any other connection

struct Question {
  uint32_t id = 0;
  std::string_view account, acting_as, password, client;
};
// A line AUTH, mechanism PLAIN. Empty when a text has a NUL octet, which would part it.
std::string request(const Question& question);

// What a line of the server means.
struct Ready {};                                   // the handshake is over
struct Broken { std::string problem; };            // the connection is of no use
struct Passed { uint32_t id = 0; std::string user; };
struct Failed { uint32_t id = 0; bool temporary = false; std::string reason; };
struct Unexpected { uint32_t id = 0; };            // PLAIN has no second step
using Event = std::variant<std::monostate, Ready, Broken, Passed, Failed, Unexpected>;

// Lines of one connection.
class Reader {
 public:
  // Takes octets; next() gives one event after the other until monostate.
  void add(std::string_view octets) { buffer_ += octets; }
  Event next();

 private:
  Event read(std::string_view line);
  Event read_handshake(const std::vector<std::string_view>& fields);
  std::string buffer_;
  bool version_ = false, plain_ = false, ready_ = false;
};

}  // namespace auth_dovecot
