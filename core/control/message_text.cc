// One message of the queue or of the spool, with its recipients.
#include "control/message_text.h"

#include <nlohmann/json.hpp>

#include "base/units.h"

namespace veredus {

namespace {

using nlohmann::ordered_json;

// The queue's list has the destination as the rule of a recipient that waits.
std::string destination_of(const StoredMessage& message, size_t index) {
  if (index < message.destinations.size() && !message.destinations[index].empty()) return message.destinations[index];
  const RecipientStatus& status = message.recipients[index];
  return status.state == RecipientState::queued ? status.rule : std::string();
}

ordered_json recipient_json(const StoredMessage& message, size_t index) {
  const Recipient& recipient = message.envelope->recipients[index];
  const RecipientStatus& status = message.recipients[index];
  return {{"address", recipient.address.text()},
          {"state", state_name(status.state)},
          {"destination", destination_of(message, index)},
          {"attempts", status.attempts},
          {"next", status.next_attempt == WallTime{} ? "" : iso8601(status.next_attempt)},
          {"reply", status.reply}};
}

ordered_json message_json(const StoredMessage& message) {
  ordered_json recipients = ordered_json::array();
  for (size_t i = 0; i < message.recipients.size(); ++i) recipients.push_back(recipient_json(message, i));
  return {{"id", message.envelope->id.text()},
          {"sender", message.envelope->sender.text()},
          {"recipients", recipients},
          {"size", message.size},
          {"arrived", iso8601(message.envelope->arrived)}};
}

}  // namespace

std::string message_line_json(const StoredMessage& message) {
  return message_json(message).dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string message_text(const StoredMessage& message) {
  const Envelope& envelope = *message.envelope;
  std::string out = envelope.id.text() + "  " + format_size(message.size) + "  " + iso8601(envelope.arrived) + "  <" +
                    envelope.sender.text() + ">\n";
  for (size_t i = 0; i < message.recipients.size(); ++i) {
    const RecipientStatus& status = message.recipients[i];
    out += "    " + envelope.recipients[i].address.text() + "  " + std::string(state_name(status.state));
    if (status.attempts) out += ", " + std::to_string(status.attempts) + " attempts";
    if (status.next_attempt != WallTime{} && status.state == RecipientState::queued) out += ", next " + iso8601(status.next_attempt);
    if (std::string destination = destination_of(message, i); !destination.empty()) out += ", to " + destination;
    out += "\n";
    if (!status.reply.empty()) out += "        " + status.reply + "\n";
  }
  return out;
}

}  // namespace veredus
