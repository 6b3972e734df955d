// What the server machine is told at the start (ServerOptions) and what it tells the session to do next
// (ServerStep). Values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mail/envelope.h"
#include "smtp/commands.h"
#include "smtp/reply.h"

namespace veredus {

struct ServerOptions {
  ServerOptions() = default;
  std::string hostname;
  bool lmtp = false;
  bool xclient = false;  // this client may use XCLIENT
  bool starttls = false;
  bool auth_required = false;  // submission: 530 5.7.0 before MAIL
  std::vector<std::string> auth_mechanisms;
  std::vector<std::string> auth_inside_tls;  // mechanisms there would be after STARTTLS
  bool normalise_newlines = false;  // bare LF is taken as CRLF in message data
  bool local_dialogue = false;      // sendmail -bs: LF ends a line, early input is legal, XLOCAL and XQUEUE are known
  std::string origin;               // of addresses without a domain; empty: they are refused
  bool vrfy = false;
  uint64_t message_size = 52'428'800;
  uint64_t header_size = 1'048'576;
  uint32_t command_line = 2048;
  uint32_t auth_line = 12288;
  uint32_t recipients = 1000;
  uint32_t errors = 20;
  uint32_t junk_commands = 100;
  uint32_t chunks = 20'000;  // of one message
};

// Questions; the session answers each with accept() or refuse() before the machine goes on. What they point
// to is the machine's and stays as it is until the answer.
struct AskHelo {
  std::string name;
  bool extended = false;
};
struct AskXclient {
  Attributes attributes;
};  // decoded
struct AskStartTls {};
struct AskAuth {
  std::string mechanism, initial;
  bool has_initial = false;
};
struct AskAuthLine {
  std::string line;
};  // the answer to challenge(); "*" = the client gives up
struct AskMail {
  const Envelope* envelope = nullptr;
  uint64_t declared_size = 0;
};  // sender, BODY SMTPUTF8 RET ENVID in the envelope
struct AskRcpt {
  const Recipient* recipient = nullptr;
};  // an address given twice is answered without asking
struct AskData {
  bool bdat = false;
};
struct AskVrfy {
  std::string argument;
};
struct AskLocal {
  bool queue = false;     // XQUEUE, else XLOCAL
  std::string arguments;  // "key=xtext ..." (parse_local_words)
};
// The whole message was read. `problem` is set when it cannot be accepted whatever policy says (too big, bare
// newline, NUL, header too large): the session drops what it has and calls accept() or refuse(), and the
// machine sends the right reply.
struct AskEnd {
  Reply problem;
  uint64_t size = 0, lines = 0;
  bool content_8bit = false, header_8bit = false;
};
struct HeadersDone {
  uint64_t size = 0;
};  // all Content up to here is the header block, its empty line included (if there is one)
struct Content8 {
  std::string_view octets;
};                           // message octets, unstuffed, valid until the next call and while the input is
struct TransactionReset {};  // RSET, HELO, EHLO, failed BDAT: drop the transaction
struct Send {
  std::string_view octets;
  bool flush = false;
};  // valid until the next call; flush: send before going on; else may be gathered
struct Close {
  bool error = false;
};                    // after what was sent
struct NeedInput {};  // more than what the input has now
struct Again {};      // nothing to do: call advance() again

using ServerStep =
    std::variant<NeedInput, Again, Send, AskHelo, AskXclient, AskStartTls, AskAuth, AskAuthLine, AskMail,
                 AskRcpt, AskData, AskVrfy, AskLocal, AskEnd, HeadersDone, Content8, TransactionReset, Close>;

}  // namespace veredus
