// Arguments and standard input of sendmail: words up to an empty line, one a line, then the message. Flags, the message however it is split, and
// recipients: nothing breaks, and nothing that comes out can end a line where a command or a record would begin.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "mail/address.h"
#include "sendmail/flags.h"
#include "sendmail/input.h"
#include "sendmail/listing.h"
#include "sendmail/recipients.h"

using namespace veredus;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

bool is_clean(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

InputReader read(std::string_view message, bool dot_ends, size_t piece) {
  InputRules rules;
  rules.dot_ends = dot_ends;
  rules.most = 100'000;
  InputReader reader(rules);
  for (size_t at = 0; at < message.size(); at += piece) reader.feed(message.substr(at, piece));
  reader.finish();
  return reader;
}

void check_lines(std::string_view content) {
  for (size_t at = 0; (at = content.find_first_of("\r\n", at)) != content.npos; at += 2) must(content.substr(at, 2) == "\r\n");
  must(content.empty() || content.ends_with("\r\n"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view octets(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> words;
  while (!octets.empty()) {
    size_t end = std::min(octets.find('\n'), octets.size());
    std::string word(octets.substr(0, end));
    octets.remove_prefix(std::min(end + 1, octets.size()));
    if (word.empty()) break;
    words.push_back(std::move(word));
  }
  auto call = parse_sendmail("sendmail", words);
  if (!call) return 0;
  InputReader whole = read(octets, call->dot_ends, octets.size() + 1), pieces = read(octets, call->dot_ends, 3);
  must(whole.problem() == pieces.problem());
  QueueListing listing(call->verbose);
  (void)listing.take(octets);
  if (whole.problem() != InputReader::Problem::none) return 0;
  std::string header(whole.header());
  must(header == pieces.header());
  std::string content = whole.take();
  must(content == pieces.take());
  check_lines(content);
  if (auto sender = read_sender(call->sender)) must(is_clean(*sender));
  auto recipients = find_recipients(call->arguments, header, {call->extract, call->gateway});
  if (!recipients) return 0;
  for (const std::string& one : *recipients) must(is_clean(one) && Address::parse(with_domain(one, "x.test")).ok());
  check_lines(without_bcc(header));
  return 0;
}
