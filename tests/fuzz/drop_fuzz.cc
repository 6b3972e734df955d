// Files of the drop directory: whatever is in them is read without harm; what is accepted says the same again, and cannot make the dialogue
// say a line that is not one of its own.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "drop/hand_in.h"
#include "drop/submission.h"

using namespace veredus;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

bool is_own_line(std::string_view line) {
  for (std::string_view verb : {"EHLO localhost", "XLOCAL", "MAIL FROM:<", "RCPT TO:<", "BDAT ", "QUIT"})
    if (line.starts_with(verb)) return true;
  return false;
}

void talk(const Submission& submission) {
  HandIn dialogue(submission, true);
  size_t recipients = 0;
  for (HandIn::Turn turn = dialogue.turn(); !turn.over; turn = dialogue.turn()) {
    for (size_t at = 0; at < turn.head.size();) {
      size_t end = turn.head.find('\n', at);
      must(end != std::string::npos && end > at && turn.head[end - 1] == '\r');
      std::string_view line = std::string_view(turn.head).substr(at, end - 1 - at);
      must(is_own_line(line) && line.find('\r') == line.npos && line.find('\0') == line.npos);
      recipients += line.starts_with("RCPT");
      at = end + 1;
    }
    for (size_t i = 0; i < turn.replies; ++i) dialogue.take({static_cast<uint16_t>(turn.head.empty() ? 220 : 250), {}, {"x"}});
  }
  must(recipients == submission.recipients.size() && dialogue.end() == HandIn::End::accepted);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view octets(reinterpret_cast<const char*>(data), size);
  (void)said_id(octets);
  auto read = decode_records(octets);
  if (!read) return 0;
  must(!read->recipients.empty());
  std::string written = encode_records(*read);
  auto again = decode_records(written);
  must(again.ok() && encode_records(*again) == written && again->content == read->content && again->sender == read->sender);
  must(said_id(written) == read->id);
  talk(*read);
  return 0;
}
