// The server machine on any octets: no crash, printable replies, no message without MAIL and RCPT, and the
// same transcript however the input is cut. The first octet chooses options, the second the cuts and what is
// refused.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "smtp/test_dialogue.h"

namespace {

using namespace veredus;

void require(bool holds) {
  if (!holds) std::abort();
}

ServerOptions options_of(uint8_t bits) {
  ServerOptions options = Dialogue::default_options();
  options.lmtp = bits & 1;
  options.xclient = bits & 2;
  options.normalise_newlines = bits & 4;
  options.local_dialogue = bits & 8;
  options.starttls = bits & 16;
  if (bits & 32) options.auth_mechanisms = {"PLAIN"};
  options.vrfy = bits & 64;
  options.message_size = 2000;
  options.header_size = 500;
  options.recipients = 5;
  options.chunks = 6;
  options.command_line = 200;
  options.auth_line = 300;
  return options;
}

std::string run(std::string_view input, uint8_t bits, uint8_t seed, bool cut) {
  Dialogue dialogue(options_of(bits));
  uint32_t state = seed;
  dialogue.refuse = [seed](const std::string& event) {
    bool refused = (seed & 1) != 0 && (event.size() * 2654435761u + seed) % 7 == 0;
    return refused ? Reply{static_cast<uint16_t>(seed & 2 ? 550 : 451), {5, 7, 1}, {"refused"}} : Reply();
  };
  if (cut) {
    dialogue.say_in_pieces(input, [&] { return 1 + ((state = state * 1664525u + 1013904223u) >> 24) % 17; });
  } else {
    dialogue.say(input);
  }
  return dialogue.transcript();
}

void check_replies(std::string_view transcript) {
  std::string_view replies = transcript.substr(0, transcript.find("\nhelo"));
  for (unsigned char c : replies.substr(0, replies.find("\r\n\n")))
    require(c == '\r' || c == '\n' || (c >= ' ' && c < 0x7f));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::string whole = run(input, data[0], data[1], false);
  require(whole == run(input, data[0], data[1], true));
  require(whole.find("\nWRONG") == std::string::npos);
  check_replies(whole);
  return 0;
}
