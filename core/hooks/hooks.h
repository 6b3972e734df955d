// Hooks: the stages of a message's life, what a hook is shown, and what it may answer. Stage numbers are those of the plugin ABI.
// Hooks of one stage run one after another on the loop of the session or of the queue.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "hooks/outbound_tls.h"
#include "loop/task.h"
#include "mail/auth_results.h"
#include "mail/envelope.h"
#include "smtp/reply.h"

namespace veredus {

enum class Stage : uint16_t {
  connect = 100, helo = 120, starttls = 130, tls_done = 135, auth = 140, mail = 150, rcpt = 160, data = 170, headers = 180,
  body = 190, message = 200, seal = 205, queued = 210, route = 220, attempt = 230, connected = 235, result = 240, bounce = 250, finished = 260,
  transaction_end = 290, disconnect = 299,
};

enum class Action : int32_t { next = 0, ok = 1, reject = 2, tempfail = 3, discard = 4, hold = 5, disconnect = 6, pending = 7, fault = 8 };
enum class VerdictScope : int32_t { step = 0, transaction = 1, connection = 2 };
constexpr size_t kActionCount = 9;
enum class FaultPolicy : uint8_t { tempfail, next, reject };

struct Verdict {
  Action action = Action::next;
  VerdictScope scope = VerdictScope::step;
  Reply reply;        // code 0 = the stage's default
  std::string rule;   // who decided: hook name, and what it said of its rule
};

// What a hook declares that it may want changed; a stage allows some of it (stage_table.h).
enum Right : uint32_t {
  kMayHeaders = 1, kMayBody = 2, kMayRecipients = 4, kMaySender = 8, kMayRoute = 16, kMayFields = 32, kMaySplit = 64, kMayNotes = 128,
  kMayAuthResults = 256,
};
// What a hook declares that it must see; callers load nothing that nobody needs.
enum Need : uint32_t { kNeedsContent = 1, kNeedsReceived = 2 };

// Wanted changes, applied in order by the runner's caller; refused without the right.
struct InsertHeader { uint32_t index; std::string name, value; };   // 0 = above everything
struct ReplaceHeader { std::string name; uint32_t occurrence; std::string value; };  // 1-based
struct RemoveHeader { std::string name; uint32_t occurrence; };  // 0: all
struct ReplaceBody { std::shared_ptr<const std::string> body; };
struct AddRecipient { Recipient recipient; };
struct DropRecipient { uint32_t index; };
struct SetRecipient { uint32_t index; Recipient recipient; };
struct SetSender { Address sender; };
struct SetRoute { uint32_t index; std::string next_hop; std::string pool; };
struct SetField { std::string name, value; };  // tenant, stream, priority, pool; at `route` also tls, a level of tls.outbound
struct SplitRecipients { std::vector<uint32_t> indices; };  // into their own copy of the message
// For later stages and other plugins. Of connect, helo and auth it lasts for the connection, of later stages for the message.
struct AddNote { std::string key, value; };
// A line of the one Authentication-Results field that is composed after `message`; lasts as notes do.
using AddAuthResult = AuthResult;
using Edit = std::variant<InsertHeader, ReplaceHeader, RemoveHeader, ReplaceBody, AddRecipient, DropRecipient, SetRecipient, SetSender,
                          SetRoute, SetField, SplitRecipients, AddNote, AddAuthResult>;

// A message as the client sent it: no trace field of ours, no edit of any stage.
struct AsReceived {
  Content content;
  uint64_t body_start = 0;
};

// What a hook may look at. Pointers are valid during the call and null where the stage has nothing; a hook that defers asks for a
// copy it can keep.
struct Subject {
  const Origin* origin = nullptr;
  const Envelope* envelope = nullptr;
  const Content* content = nullptr;
  const Recipient* recipient = nullptr;   // rcpt, route, attempt, result, finished
  uint32_t recipient_index = 0;
  const Reply* reply = nullptr;           // result, finished: what the next hop said
  std::string_view destination;           // attempt, connected, result
  std::string_view remote;                // connected, result, finished: "mx1.example.test [192.0.2.1]:25"
  uint32_t attempts = 0;                  // attempt, result: those before this one
  const OutboundTls* outbound_tls = nullptr;  // connected
  uint64_t declared_size = 0;             // mail to message: SIZE= of the client; 0 = not given
  std::string_view state;                 // finished: name of the final state
  std::string_view header;                // headers, message: the header block as it was received, if somebody has it in hand
  const AsReceived* original = nullptr;   // headers: of the header block; message, seal. Bodies that hooks of `body` rewrote: kNeedsReceived
  std::string_view chunk;                 // body: octets of the body, at most kLongestChunk
  bool last = false;                      // body: nothing comes after this chunk, which may be empty
  const Notes* connection_notes = nullptr;            // see notes()
  const std::vector<AuthResult>* auth_results = nullptr;  // found out so far; those of earlier hooks of this stage are in their edits

  // What was noted so far: with the message, or with the connection while there is none.
  const Notes& notes() const;
};

constexpr size_t kLongestChunk = 65'536;


// What one stage decided in the end.
struct Decision {
  Verdict verdict;
  std::vector<Edit> edits;
  std::optional<std::string> body;  // body: what replaces the chunk, if a hook rewrote it
};

}  // namespace veredus
