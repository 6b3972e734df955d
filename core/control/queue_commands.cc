// Commands about the queue: list, show, cat, the actions, destinations and suspensions.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/units.h"
#include "control/command.h"
#include "control/message_text.h"

namespace veredus {

namespace {

using nlohmann::ordered_json;

std::string line(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<RecipientState> parse_state(const std::string& text) {
  for (RecipientState state : {RecipientState::queued, RecipientState::held})
    if (state_name(state) == text) return state;
  return fail(Errc::invalid, "unknown state '" + printable(text, 40) + "'; one of queued, held");
}

Status read_age(const CommandCall& call, const char* option, Millis& into) {
  auto found = call.options.find(option);
  if (found == call.options.end()) return {};
  auto age = parse_duration(found->second);
  if (!age) return fail(Errc::invalid, std::string(option) + " wants a duration such as 30m or 2d");
  into = *age;
  return {};
}

std::string text_option(const CommandCall& call, const char* option) {
  auto found = call.options.find(option);
  return found == call.options.end() ? std::string() : found->second;
}

Result<QueueFilter> filter_of(const CommandCall& call) {
  QueueFilter filter;
  for (const std::string& text : call.arguments) {
    auto id = MessageId::parse(text);
    if (!id) return fail(Errc::invalid, "'" + printable(text, 40) + "' is not a message id");
    filter.ids.push_back(*id);
  }
  filter.sender = text_option(call, "--sender");
  filter.recipient = text_option(call, "--recipient");
  filter.domain = text_option(call, "--domain");
  filter.destination = text_option(call, "--destination");
  filter.tenant = text_option(call, "--tenant");
  if (std::string text = text_option(call, "--state"); !text.empty()) {
    auto state = parse_state(text);
    if (!state) return state.error();
    filter.state = *state;
  }
  if (auto read = read_age(call, "--older", filter.older_than); !read) return read.error();
  if (auto read = read_age(call, "--younger", filter.younger_than); !read) return read.error();
  return filter;
}

constexpr uint64_t kPage = 2000;  // messages held in memory at once; each page costs the queue a pass over its records

Task<Result<size_t>> print_page(ControlContext& context, QueueFilter filter, uint64_t at_most, bool json, Output& output, MessageId& last) {
  auto found = co_await context.queue.list(std::move(filter), at_most);
  for (const StoredMessage& message : found) {
    output.print(json ? message_line_json(message) : message_text(message));
    last = message.envelope->id;
    if (!output.full()) continue;
    auto sent = co_await output.flush();
    if (!sent) co_return sent.error();
  }
  co_return found.size();
}

Task<int> print_messages(ControlContext& context, CommandCall call, Output& output) {
  auto filter = filter_of(call);
  auto limit = call.options.contains("--limit") ? parse_uint(call.options["--limit"]) : UINT64_MAX;
  if (!filter || !limit) {
    output.error(filter ? "--limit wants a number\n" : filter.error().text + "\n");
    co_return 64;
  }
  uint64_t printed = 0;
  for (bool more = *limit > 0; more;) {
    uint64_t page = std::min(kPage, *limit - printed);
    auto count = co_await print_page(context, *filter, page, call.json, output, filter->after);
    if (!count) co_return 74;
    printed += *count;
    more = *count == page && printed < *limit;
  }
  if (printed == 0 && !call.json) output.print("no messages\n");
  co_return 0;
}

Task<int> act(ControlContext& context, CommandCall call, Output& output, QueueAction action, std::string_view done) {
  auto filter = filter_of(call);
  if (filter && call.arguments.empty() && call.options.empty())
    filter = fail(Errc::invalid, "name message ids or a filter; --older 0s means all");
  if (!filter) {
    output.error(filter.error().text + "\n");
    co_return 64;
  }
  auto touched = co_await context.queue.act(std::move(*filter), action, call.by);
  if (!touched) {
    output.error(touched.error().text + "\n");
    co_return 75;
  }
  output.print(call.json ? line({{"messages", *touched}}) : std::to_string(*touched) + " messages " + std::string(done) + "\n");
  co_return *touched == 0 && !call.arguments.empty() ? 1 : 0;  // named, and not there or not in a state for it
}

Task<Result<StoredMessage>> one_message(ControlContext& context, const CommandCall& call) {
  auto id = MessageId::parse(call.arguments[0]);
  if (!id) co_return fail(Errc::invalid, "'" + printable(call.arguments[0], 40) + "' is not a message id");
  QueueFilter only;
  only.ids = {*id};
  auto found = co_await context.queue.list(std::move(only), 1);
  if (!found.empty()) co_return std::move(found[0]);
  co_return co_await context.spool.find(context.loop, *id);
}

int complain(Output& output, const Error& error) {
  output.error(error.text + "\n");
  return error.code == Errc::invalid ? 64 : error.code == Errc::not_found ? 1 : 75;
}

Task<int> send_file(ControlContext& context, const Content& content, Output& output) {
  constexpr size_t kPiece = 32 * 1024;
  for (uint64_t offset = content.skip; offset < content.file->size(); offset += kPiece) {
    auto piece = co_await context.spool.read_body(context.loop, content.file, offset, kPiece);
    if (!piece) co_return complain(output, piece.error());
    output.print(*piece);
    auto sent = co_await output.flush();
    if (!sent) co_return 74;
  }
  co_return 0;
}

}  // namespace

Task<int> run_queue_list(ControlContext& context, CommandCall call, Output& output) {
  return print_messages(context, std::move(call), output);
}

// "192.0.2.1:4711 helo client.test by 0.0.0.0:25"; of mail that a user of this host handed in, who it was.
std::string where_from(const Envelope& envelope) {
  const Origin& origin = envelope.origin;
  const std::string* uid = find_note(envelope.notes, "submission.uid");
  if (origin.protocol == Protocol::local && uid) return "this host, user " + printable(origin.helo) + " (uid " + printable(*uid) + ")";
  return (origin.client.ip ? origin.client.text() : std::string("this host")) + " helo " + printable(origin.helo) + " by " + origin.listener;
}

Task<int> run_queue_show(ControlContext& context, CommandCall call, Output& output) {
  auto message = co_await one_message(context, call);
  if (!message) co_return complain(output, message.error());
  if (call.json) {
    output.print(message_line_json(*message));
    co_return 0;
  }
  const Envelope& envelope = *message->envelope;
  output.print(message_text(*message));
  output.print("came from   " + where_from(envelope) + "\n");
  if (!envelope.tenant.empty()) output.print("tenant      " + envelope.tenant + "\n");
  if (!envelope.envid.empty()) output.print("envid       " + printable(envelope.envid) + "\n");
  co_return 0;
}

Task<int> run_queue_cat(ControlContext& context, CommandCall call, Output& output) {
  auto id = MessageId::parse(call.arguments[0]);
  if (!id) co_return complain(output, fail(Errc::invalid, "'" + printable(call.arguments[0], 40) + "' is not a message id"));
  auto message = co_await context.spool.load(context.loop, *id);
  if (!message) co_return complain(output, message.error());
  const Content& content = (*message)->content;
  output.print(content.head);
  if (content.memory) output.print(std::string_view(*content.memory).substr(content.skip));
  if (!content.file) co_return 0;
  co_return co_await send_file(context, content, output);
}

Task<int> run_queue_retry(ControlContext& context, CommandCall call, Output& output) {
  return act(context, std::move(call), output, QueueAction::retry, "will be tried now");
}
Task<int> run_queue_hold(ControlContext& context, CommandCall call, Output& output) {
  return act(context, std::move(call), output, QueueAction::hold, "held");
}
Task<int> run_queue_release(ControlContext& context, CommandCall call, Output& output) {
  return act(context, std::move(call), output, QueueAction::release, "released");
}
Task<int> run_queue_bounce(ControlContext& context, CommandCall call, Output& output) {
  return act(context, std::move(call), output, QueueAction::bounce, "bounced");
}
Task<int> run_queue_delete(ControlContext& context, CommandCall call, Output& output) {
  return act(context, std::move(call), output, QueueAction::remove, "removed");
}

Task<int> run_destinations(ControlContext& context, CommandCall call, Output& output) {
  auto destinations = context.queue.destinations();
  if (destinations.empty() && !call.json) output.print("no destinations\n");
  for (const DestinationInfo& d : destinations) {
    if (output.full()) {
      auto sent = co_await output.flush();
      if (!sent) co_return 74;
    }
    if (call.json) {
      output.print(line({{"name", d.name}, {"waiting", d.waiting}, {"in_hand", d.in_hand}, {"connections", d.connections},
                         {"suspended", d.suspended}, {"suspended_by", d.suspended_by},
                         {"next", d.next_attempt == WallTime{} ? "" : iso8601(d.next_attempt)}, {"reply", d.last_reply}}));
    } else {
      output.print(d.name + "  waiting " + std::to_string(d.waiting) + ", in hand " + std::to_string(d.in_hand) + ", connections " +
                   std::to_string(d.connections) + (d.suspended ? ", suspended by " + d.suspended_by : "") +
                   (d.next_attempt == WallTime{} ? "" : ", next " + iso8601(d.next_attempt)) + "\n");
      if (!d.last_reply.empty()) output.print("    " + d.last_reply + "\n");
    }
  }
  co_return 0;
}

Task<int> run_suspend(ControlContext& context, CommandCall call, Output& output) {
  uint64_t matched = context.queue.suspend(call.arguments[0], call.by);
  output.print(call.json ? line({{"destinations", matched}}) : "suspended; matches " + std::to_string(matched) + " destinations now\n");
  co_return 0;
}

Task<int> run_resume(ControlContext& context, CommandCall call, Output& output) {
  uint64_t matched = context.queue.resume(call.arguments[0]);
  output.print(call.json ? line({{"suspensions", matched}}) : std::to_string(matched) + " suspensions ended\n");
  co_return matched ? 0 : 1;
}

}  // namespace veredus
