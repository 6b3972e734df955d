// Commands: the syntax of what a client says, as functions from text to values. A refusal is an Answer, whose
// text is a constant: nothing a client sent ever comes back in a reply. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mail/envelope.h"
#include "smtp/reply.h"

namespace veredus {

// A reply of one line that is known beforehand.
struct Answer {
  uint16_t code = 0;
  EnhancedCode enhanced;
  std::string_view text;
  explicit operator bool() const { return code != 0; }
  Reply reply() const { return Reply{code, enhanced, {std::string(text)}}; }
};

struct CommandLine {
  std::string_view verb;       // as spelled
  std::string_view arguments;  // without spaces at both ends
};
CommandLine split_command(std::string_view line);  // without line end

// What is wrong with the octets of a line, whatever the command: NUL, controls, 8-bit where only ASCII is
// legal.
Answer check_octets(std::string_view line, bool may_be_utf8);
// True for the requests of other protocols, which a browser can be made to send here.
bool is_foreign_verb(std::string_view verb);

Answer check_helo_name(std::string_view name);

struct PathArgument {
  std::string_view path;        // between the angle brackets, source route removed
  std::string_view parameters;  // after them
};
std::optional<PathArgument> split_path(std::string_view arguments,
                                       std::string_view keyword);  // "FROM:", "TO:"

struct ParameterRules {
  ParameterRules() = default;
  uint64_t message_size = 0;
  bool auth = false;      // AUTH= is legal
  bool require_tls = false;  // REQUIRETLS is legal
  bool smtputf8 = false;  // RCPT: the transaction declared it
};

// Both answer with a refusal, or with code 0 and filled values.
Answer parse_mail(std::string_view arguments, const ParameterRules& rules, Envelope& into,
                  uint64_t& declared_size);
Answer parse_rcpt(std::string_view arguments, const ParameterRules& rules, Recipient& into);
Answer parse_mail_parameters(std::string_view text, const ParameterRules& rules, Envelope& into,
                             uint64_t& declared_size);
Answer parse_rcpt_parameters(std::string_view text, const ParameterRules& rules, Recipient& into);

struct ChunkArgument {
  uint64_t octets = 0;
  bool last = false;
};
std::optional<ChunkArgument> parse_chunk(std::string_view arguments);

using Attributes = std::vector<std::pair<std::string, std::string>>;  // names in upper case
std::optional<Attributes> parse_xclient(
    std::string_view arguments);  // [UNAVAILABLE] and [TEMPUNAVAIL] become empty

std::optional<Attributes> parse_local_words(std::string_view arguments);  // "key=xtext ...", any keys

// An xtext value: nothing that decodes to a control character, or to what is not UTF-8, is accepted.
std::optional<std::string> decode_value(std::string_view text);

}  // namespace veredus
