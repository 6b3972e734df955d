// The option table of veredus-load and the checks between options.
#include "load/options.h"

#include <unistd.h>

#include <cstdio>

#include "common/measure.h"
#include "common/text.h"

namespace veredus::tools {
namespace {

Option target_option(LoadOptions& o) {
  return {"--to", "ADDRESS", "127.0.0.1:2525, [::1]:2525 or /path/of/socket", [&o](std::string_view value) {
            const auto endpoint = parse_endpoint(value);
            if (endpoint) o.to = *endpoint;
            return o.have_to = endpoint.has_value();
          }};
}

std::vector<Option> traffic_options(LoadOptions& o) {
  return {
      target_option(o),
      number("--connections", "connections at a time (1)", o.connections),
      number("--messages", "messages in all; 0 = as many as --duration allows (1 without it)", o.messages),
      number("--per-connection", "QUIT and connect again after N messages (0 = never)", o.per_connection),
      decimal("--rate", "PER_SECOND", "messages begun a second (0 = as fast as possible)", o.rate),
      seconds("--duration", "begin no message after this time", o.duration),
      flag("--pipelining", "send MAIL, RCPT and DATA in one group when offered", o.pipelining),
      flag("--bdat", "send with BDAT", o.bdat),
      size_option("--bdat-chunk", "size of a BDAT chunk (0 = the whole message in one)", o.bdat_chunk),
      flag("--lmtp", "speak LMTP", o.lmtp),
      number("--sources", "spread connections over 127.0.0.1 ... 127.0.0.N", o.sources),
      text("--helo", "NAME", "name in EHLO", o.helo),
      number("--idle", "open N connections, say EHLO, keep them", o.idle),
      seconds("--idle-seconds", "let idle connections go after this time (0 = on a signal)", o.idle_seconds),
      seconds("--timeout", "longest wait for a reply (300)", o.timeout),
      flag("--all-first", "begin when every connection has been greeted", o.all_first),
      flag("--reconnect", "connect again when the server goes away", o.reconnect),
      seconds("--reconnect-for", "give up after so long without a server (30)", o.reconnect_for),
  };
}

std::vector<Option> message_options(LoadOptions& o) {
  return {
      size_option("--size", "octets of a message (4096)", o.size),
      text("--sizes", "DIST", "production | lognormal:MEDIAN:P99[:MAX] | SIZE:WEIGHT,SIZE:WEIGHT,...",
           o.sizes),
      number("--rcpts", "recipients of a message (1)", o.rcpts),
      text("--from", "PATTERN", "sender; %d = number of the message", o.from),
      text("--rcpt", "PATTERN", "recipient; %d message, %r recipient, %n domain number", o.rcpt),
      number("--to-domains", "spread recipients over N domains dN.load.test", o.to_domains),
      text("--mail-args", "TEXT", "added to MAIL, such as BODY=8BITMIME", o.mail_args),
      text("--rcpt-args", "TEXT", "added to RCPT, such as NOTIFY=NEVER", o.rcpt_args),
      number("--body-seed", "seed of bodies and sizes (1)", o.body_seed),
      text("--content", "FILE", "send this message, with CRLF and no line that begins with a dot, under an X-Load-Id of its own",
           o.content_file),
      text("--tag", "TEXT", "beginning of every X-Load-Id", o.tag),
  };
}

std::vector<Option> report_options(LoadOptions& o) {
  return {
      text("--ids", "FILE", "a line for each acknowledged message: TIME, X-Load-Id, queue id", o.ids_file),
      text("--refused", "FILE", "a line for each other message: TIME, X-Load-Id, outcome, stage, reply",
           o.refused_file),
      text("--latency", "FILE", "a line for each acknowledged message: TIME, ms from dot, ms in all",
           o.latency_file),
      flag("--json", "print the summary as one JSON object", o.json),
  };
}

void fill_in(LoadOptions& o) {
  if (o.messages == 0 && o.duration == 0 && o.idle == 0) o.messages = 1;
  if (o.bdat_chunk != 0) o.bdat = true;
  if (o.rcpt.empty()) o.rcpt = o.to_domains != 0 ? "user%r@d%n.load.test" : "user%r@sink.test";
  if (o.tag.empty()) {
    o.tag = "L" + std::to_string(getpid()) + "." + std::to_string(now_ns() / 1000000 % 100000000);
  }
}

const char* contradiction(const LoadOptions& o) {
  if (!o.have_to) return "--to is required";
  if (o.connections == 0 || o.rcpts == 0) return "--connections and --rcpts must be at least 1";
  if (o.timeout <= 0) return "--timeout must be more than 0";
  return nullptr;
}

}  // namespace

ArgsOutcome read_load_options(int argc, char** argv, LoadOptions& options) {
  auto rows = traffic_options(options);
  for (auto& row : message_options(options)) rows.push_back(std::move(row));
  for (auto& row : report_options(options)) rows.push_back(std::move(row));
  const auto outcome = parse_args(argc, argv, "veredus-load: sends mail by SMTP or LMTP and measures.", rows);
  if (outcome != ArgsOutcome::kRun) return outcome;
  if (const char* why = contradiction(options)) {
    std::fprintf(stderr, "veredus-load: %s\n", why);
    return ArgsOutcome::kError;
  }
  fill_in(options);
  return outcome;
}

}  // namespace veredus::tools
