// Submissions as records.
#include <algorithm>

#include "drop/drop_format.h"
#include "drop/submission.h"

namespace veredus {

namespace {

struct Text {
  char letter;
  std::string Submission::*member;
};
constexpr Text kTexts[] = {{VDROP_SENDER, &Submission::sender}, {VDROP_NAME, &Submission::name},     {VDROP_BODY, &Submission::body},
                           {VDROP_ENVID, &Submission::envid},   {VDROP_RETURN, &Submission::dsn_return}, {VDROP_NOTIFY, &Submission::notify},
                           {VDROP_CWD, &Submission::cwd},       {VDROP_SCRIPT, &Submission::script}, {VDROP_ID, &Submission::id}};

void add(std::string& out, char letter, std::string_view octets) {
  out += letter;
  out.append(std::to_string(octets.size())).append(":").append(octets).append("\n");
}

void take(Submission& into, char letter, std::string_view octets) {
  if (letter == VDROP_RECIPIENT) into.recipients.emplace_back(octets);
  if (letter == VDROP_GATEWAY) into.gateway = true;
  if (letter == VDROP_QUEUE) into.queue_only = true;
  if (letter == VDROP_CONTENT_PIECE) into.content.append(octets);
  for (const Text& text : kTexts)
    if (text.letter == letter) into.*text.member = octets;
}

}  // namespace

std::string encode_records(const Submission& submission) {
  std::string out;
  out.reserve(submission.content.size() + submission.content.size() / 1000 + 4096);
  add(out, VDROP_VERSION, "1");
  for (const Text& text : kTexts)
    if (text.letter == VDROP_SENDER || !(submission.*text.member).empty()) add(out, text.letter, submission.*text.member);
  if (submission.gateway) add(out, VDROP_GATEWAY, {});
  if (submission.queue_only) add(out, VDROP_QUEUE, {});
  for (const std::string& recipient : submission.recipients) add(out, VDROP_RECIPIENT, recipient);
  std::string_view left = submission.content;
  for (; !left.empty(); left.remove_prefix(std::min<size_t>(left.size(), VDROP_LONGEST)))
    add(out, VDROP_CONTENT_PIECE, left.substr(0, VDROP_LONGEST));
  add(out, VDROP_END, {});
  return out;
}

std::string said_id(std::string_view octets) {
  for (;;) {
    char letter = 0;
    size_t length = 0;
    int head = vdrop_head(octets.data(), octets.size(), &letter, &length);
    if (head <= 0 || octets.size() <= static_cast<size_t>(head) + length) return {};
    if (letter == VDROP_ID) return std::string(octets.substr(static_cast<size_t>(head), length));
    octets.remove_prefix(static_cast<size_t>(head) + length + 1);
  }
}

Result<Submission> decode_records(std::string_view octets) {
  Submission out;
  vdrop_checker checker{};
  while (!octets.empty()) {
    char letter = 0;
    size_t length = 0;
    int head = vdrop_head(octets.data(), octets.size(), &letter, &length);
    if (head < 0) return fail(Errc::corrupt, "this is no record");
    octets.remove_prefix(static_cast<size_t>(head));
    if (head == 0 || octets.size() <= length) return fail(Errc::corrupt, "the last record is cut off");
    if (octets[length] != '\n') return fail(Errc::corrupt, "a record does not end where it should");
    if (const char* problem = vdrop_check(&checker, letter, octets.data(), length)) return fail(Errc::corrupt, problem);
    take(out, letter, octets.substr(0, length));
    octets.remove_prefix(length + 1);
  }
  if (!vdrop_complete(&checker)) return fail(Errc::corrupt, "it is not complete");
  return out;
}

}  // namespace veredus
