// Fuzz target: a next hop that answers anything, cut anywhere. Every transaction must end or wait; what is said of a recipient must be
// allowed by what came; memory stays bounded.
#include <cstdint>
#include <cstdlib>

#include "smtp/test_client.h"

namespace {

using veredus::Client;
using veredus::ClientStep;
using veredus::RecipientResult;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_results(const Client& client) {
  for (const RecipientResult& result : client.machine.results()) {
    using Fate = RecipientResult::Fate;
    require(result.fate != Fate::open && result.fate != Fate::accepted);
    if (result.fate == Fate::delivered) require(result.reply.code >= 200 && result.reply.code < 300);
    else require(!result.reply.positive() && result.reply.code != 0);
    require(result.reply.lines.size() <= veredus::ReplyParser::kMaxLines);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Client client((data[0] & 1) != 0);
  size_t piece = 1 + data[1];
  std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  for (int messages = 0; messages < 20;) {
    client.get(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    if (client.is(ClientStep::Kind::ready)) {
      client.send(veredus::test_message(messages == 1 ? std::string(70000, '.') : ".x\r\n", {"b@b.test", "c@b.test", "\xC3\xA9@b.test"}));
      ++messages;
    }
    if (input.empty() && client.is(ClientStep::Kind::read)) client.machine.lost(veredus::Reply{450, {4, 4, 2}, {"gone"}});
    if (client.is(ClientStep::Kind::finished)) {
      check_results(client);
      client.machine.next();
    }
    if (client.is(ClientStep::Kind::closed)) break;
    require(client.buffer.size() < size + veredus::ReplyParser::kMaxTotal);
  }
  return 0;
}
