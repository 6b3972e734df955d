// The option table of veredus-sink.
#include "sink/options.h"

#include <cstdio>

#include "common/text.h"

namespace veredus::tools {
namespace {

Option listen_option(SinkOptions& o, const char* name, const char* value, const char* help) {
  return {name, value, help, [&o](std::string_view given) {
            const auto endpoint = parse_endpoint(given);
            if (endpoint) o.listen.push_back(*endpoint);
            return endpoint.has_value();
          }};
}

Option stage_option(const char* name, const char* help, Stage& target) {
  return {name, "STAGE", help, [&target](std::string_view given) {
            const auto stage = parse_stage(given);
            const bool usable =
                stage && *stage >= Stage::kMail && *stage <= Stage::kDot && *stage != Stage::kBody;
            if (usable) target = *stage;
            return usable;
          }};
}

Option milliseconds(const char* name, const char* help, double& target) {
  return {name, "MS", help, [&target](std::string_view given) {
            const auto value = parse_decimal(given);
            if (value) target = *value / 1000.0;
            return value.has_value();
          }};
}

Option fail_option(SinkOptions& o) {
  return {"--fail", "MODE[@STAGE][%P]", "misbehave; may be repeated; modes: --fail-help",
          [&o](std::string_view given) {
            const auto fault = parse_fault(given);
            if (fault) o.faults.add(*fault);
            return fault.has_value();
          }};
}

std::vector<Option> service_options(SinkOptions& o) {
  return {
      listen_option(o, "--listen", "HOST:PORT",
                    "where to listen; may be repeated; port 0 is chosen and printed"),
      listen_option(o, "--unix", "PATH", "listen on a Unix socket as well"),
      flag("--lmtp", "speak LMTP", o.lmtp),
      text("--hostname", "NAME", "name in banner and EHLO reply (sink.test)", o.hostname),
      number("--ready-fd", "where `ready ADDRESS` lines are written (1)", o.ready_fd),
      number("--stop-after", "exit 0 after N messages", o.stop_after),
      number("--max-connections", "421 to more connections than this at a time", o.max_connections),
      number("--messages-per-connection", "421 at MAIL after N messages on a connection",
             o.messages_per_connection),
      number("--rcpt-limit", "452 to recipients after N in a transaction", o.rcpt_limit),
      size_option("--max-size", "the SIZE offered, and 552 above it (0 = none)", o.max_size),
      flag("--no-pipelining", "do not offer PIPELINING", o.pipelining, false),
      flag("--no-chunking", "do not offer CHUNKING", o.chunking, false),
      flag("--no-8bitmime", "do not offer 8BITMIME", o.eightbitmime, false),
      flag("--no-smtputf8", "do not offer SMTPUTF8", o.smtputf8, false),
      flag("--no-dsn", "do not offer DSN", o.dsn, false),
      flag("--no-enhanced", "do not offer ENHANCEDSTATUSCODES, nor send them", o.enhanced, false),
      flag("--no-size", "do not offer SIZE", o.size, false),
  };
}

std::vector<Option> store_options(SinkOptions& o) {
  return {
      text("--maildir", "DIR", "store each message, octet for octet, in a Maildir", o.maildir),
      text("--store", "DIR", "store each message as N.eml and its envelope as N.env", o.store),
      flag("--fsync", "sync file and directory before answering the dot", o.fsync),
      text("--ids", "FILE", "a line for each message: TIME, X-Load-Id, sender, recipients, size, how",
           o.ids_file),
      text("--count-file", "FILE", "write the counts here on SIGUSR1 and at the end", o.count_file),
  };
}

std::vector<Option> trouble_options(SinkOptions& o) {
  return {
      milliseconds("--delay-dot", "answer the end of a message so much later", o.delay_dot),
      milliseconds("--delay-banner", "send the banner so much later", o.delay_banner),
      decimal("--refuse-rate", "PERCENT", "of commands answered 4xx", o.refuse_rate),
      stage_option("--refuse-at", "mail, rcpt (default), data or dot", o.refuse_at),
      decimal("--reject-rate", "PERCENT", "of commands answered 5xx", o.reject_rate),
      stage_option("--reject-at", "mail, rcpt (default), data or dot", o.reject_at),
      text("--refuse-domain", "DOMAIN", "450 to every recipient there", o.refuse_domain),
      fail_option(o),
      number("--seed", "of the draws for rates and faults (1)", o.seed),
  };
}

}  // namespace

ArgsOutcome read_sink_options(int argc, char** argv, SinkOptions& options) {
  auto rows = service_options(options);
  for (auto& row : store_options(options)) rows.push_back(std::move(row));
  for (auto& row : trouble_options(options)) rows.push_back(std::move(row));
  bool want_fault_help = false;
  rows.push_back(flag("--fail-help", "print the modes of --fail", want_fault_help));
  const auto outcome =
      parse_args(argc, argv, "veredus-sink: takes mail by SMTP or LMTP, counts, stores, fails.", rows);
  if (outcome != ArgsOutcome::kRun) return outcome;
  if (want_fault_help) {
    std::printf("%.*s", static_cast<int>(fault_help().size()), fault_help().data());
    return ArgsOutcome::kHelp;
  }
  if (options.listen.empty()) {
    std::fprintf(stderr, "veredus-sink: --listen or --unix is required\n");
    return ArgsOutcome::kError;
  }
  options.faults.seed(options.seed);
  return outcome;
}

}  // namespace veredus::tools
