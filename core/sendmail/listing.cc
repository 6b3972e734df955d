// One message, then one line a recipient; reasons stand above the recipients they belong to.
#include "sendmail/listing.h"

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace veredus {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kHeading = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n";
constexpr size_t kReasonEnd = 76;

std::string text_of(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>(), 1000) : std::string();
}

unsigned long long number_of(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<unsigned long long>() : 0;
}

// "2026-11-28T10:42:44.123Z" as "Sat Nov 28 10:42:44" of here.
std::string arrival(const std::string& iso) {
  std::tm utc{};
  if (!strptime(iso.c_str(), "%Y-%m-%dT%H:%M:%S", &utc)) return iso.substr(0, 19);
  std::time_t seconds = timegm(&utc);
  std::tm here{};
  localtime_r(&seconds, &here);
  char out[32];
  return std::strftime(out, sizeof out, "%a %b %e %H:%M:%S", &here) > 0 ? out : iso.substr(0, 19);
}

// Held when nobody of it is tried; in hand when none has failed yet and none waits for its time.
char mark_of(const Json& recipients) {
  bool held = !recipients.empty(), fresh = !recipients.empty();
  for (const Json& one : recipients) {
    held = held && text_of(one, "state") == "held";
    fresh = fresh && text_of(one, "state") == "queued" && text_of(one, "next").empty();
  }
  return held ? '!' : fresh ? '*' : ' ';
}

std::string recipient_lines(const Json& one, bool verbose, std::string& reason_before) {
  std::string out, reason = text_of(one, "reply");
  if (!reason.empty() && reason != reason_before) {
    size_t size = reason.size() + 2;
    out += std::string(size < kReasonEnd ? kReasonEnd - size : 0, ' ') + "(" + reason + ")\n";
  }
  reason_before = reason;
  out += std::string(41, ' ') + text_of(one, "address") + "\n";
  if (verbose)
    out += std::string(45, ' ') + text_of(one, "state") + ", " + std::to_string(number_of(one, "attempts")) + " attempts" +
           (text_of(one, "next").empty() ? "" : ", next " + text_of(one, "next")) +
           (text_of(one, "destination").empty() ? "" : ", to " + text_of(one, "destination")) + "\n";
  return out;
}

}  // namespace

std::string QueueListing::take(std::string_view line) {
  Json message = Json::parse(line, nullptr, false);
  auto recipients = message.is_object() ? message.find("recipients") : message.end();
  if (!message.is_object() || recipients == message.end() || !recipients->is_array()) return {};
  std::string sender = text_of(message, "sender");
  char head[256];
  std::snprintf(head, sizeof head, "%-11s %7llu %20.20s ", (text_of(message, "id").substr(0, 40) + mark_of(*recipients)).c_str(), number_of(message, "size"),
                arrival(text_of(message, "arrived")).c_str());
  std::string out = messages_ == 0 ? std::string(kHeading) : std::string();
  out += head + (sender.empty() ? "MAILER-DAEMON" : sender) + "\n";
  std::string reason;
  for (const Json& one : *recipients)
    if (one.is_object()) out += recipient_lines(one, verbose_, reason);
  ++messages_;
  octets_ += number_of(message, "size");
  return out + "\n";
}

std::string QueueListing::end() const {
  if (messages_ == 0) return "Mail queue is empty\n";
  return "-- " + std::to_string(octets_ / 1024) + " Kbytes in " + std::to_string(messages_) + " Request" + (messages_ == 1 ? "" : "s") + ".\n";
}

}  // namespace veredus
