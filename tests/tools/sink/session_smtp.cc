// The commands a sink session knows.
#include <algorithm>
#include <array>
#include <utility>

#include "common/text.h"
#include "sink/session.h"

namespace veredus::tools {
namespace {

struct Path {
  std::string_view address;
  std::string_view parameters;
  bool valid = false;
};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "FROM:<a@b> X=Y": the address may be quoted and hold a '>'.
Path parse_path(std::string_view arguments, std::string_view keyword) {
  if (!starts_with_nocase(arguments, keyword)) return {};
  const auto rest = trimmed(arguments.substr(keyword.size()));
  if (!rest.starts_with('<')) return {};
  bool quoted = false;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\\' && quoted)
      ++i;
    else if (rest[i] == '"')
      quoted = !quoted;
    else if (rest[i] == '>' && !quoted)
      return {rest.substr(1, i - 1), trimmed(rest.substr(i + 1)), true};
  }
  return {};
}

bool orders_refusal(const Fault* fault, int from) {
  return fault != nullptr && fault->kind == FaultKind::kCode && fault->code >= from;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

void Session::on_command(std::string_view line) {
  using Handler = void (*)(Session&, std::string_view);
  static constexpr std::array<std::pair<std::string_view, Handler>, 12> kCommands{{
      {"MAIL", [](Session& s, std::string_view a) { s.on_mail(a); }},
      {"RCPT", [](Session& s, std::string_view a) { s.on_rcpt(a); }},
      {"DATA", [](Session& s, std::string_view) { s.on_data(); }},
      {"BDAT", [](Session& s, std::string_view a) { s.on_bdat(a); }},
      {"EHLO", [](Session& s, std::string_view) { s.on_hello("EHLO"); }},
      {"HELO", [](Session& s, std::string_view) { s.on_hello("HELO"); }},
      {"LHLO", [](Session& s, std::string_view) { s.on_hello("LHLO"); }},
      {"RSET", [](Session& s,
                  std::string_view) { s.reset_transaction(), s.reply(Stage::kRset, 250, "2.0.0", "Ok"); }},
      {"NOOP", [](Session& s, std::string_view) { s.plain_reply(250, "2.0.0", "Ok"); }},
      {"VRFY", [](Session& s, std::string_view) { s.plain_reply(252, "2.5.0", "try it"); }},
      {"HELP",
       [](Session& s, std::string_view) { s.plain_reply(214, "2.0.0", "MAIL RCPT DATA BDAT RSET QUIT"); }},
      {"QUIT",
       [](Session& s, std::string_view) {
         s.reply(Stage::kQuit, 221, "2.0.0", "Bye");
         s.close_after_flush_ = s.pause_ != Pause::kForever;
       }},
  }};
  const auto verb = line.substr(0, line.find(' '));
  for (const auto& [name, handler] : kCommands) {
    if (verb.size() == name.size() && starts_with_nocase(verb, name)) {
      return handler(*this, trimmed(line.substr(verb.size())));
    }
  }
  plain_reply(500, "5.5.2", "unknown command");
}

void Session::on_hello(std::string_view verb) {
  auto& options = state_.options;
  const bool extended = verb != "HELO";
  const bool foreign = (verb == "LHLO") != options.lmtp;
  if (foreign || (extended && options.faults.lies(FaultKind::kNoEhlo))) {
    return plain_reply(500, "5.5.1", "unknown command");
  }
  reset_transaction();
  greeted_ = true;
  const Fault* fault = options.faults.strike(Stage::kEhlo);
  if (fault != nullptr) return misbehave(*fault, 250, options.hostname);
  if (!extended) return plain_reply(250, "", options.hostname);
  output_ += "250-" + options.hostname + "\r\n";
  if (options.pipelining) output_ += "250-PIPELINING\r\n";
  if (options.size) output_ += "250-SIZE " + std::to_string(options.max_size) + "\r\n";
  if (options.eightbitmime) output_ += "250-8BITMIME\r\n";
  if (options.smtputf8) output_ += "250-SMTPUTF8\r\n";
  if (options.dsn) output_ += "250-DSN\r\n";
  if (options.chunking) output_ += "250-CHUNKING\r\n";
  output_ += options.enhanced ? "250 ENHANCEDSTATUSCODES\r\n" : "250 HELP\r\n";
}

bool Session::keyword_known(std::string_view keyword, bool of_mail) const {
  const auto& options = state_.options;
  const auto is = [keyword](std::string_view name) {
    return keyword.size() == name.size() && starts_with_nocase(keyword, name);
  };
  if (is("SIZE")) return of_mail && options.size;
  if (is("BODY")) return of_mail && options.eightbitmime;
  if (is("SMTPUTF8")) return of_mail && options.smtputf8;
  if (is("RET") || is("ENVID")) return of_mail && options.dsn;
  if (is("NOTIFY") || is("ORCPT")) return !of_mail && options.dsn;
  return is("AUTH") && of_mail;
}

bool Session::parameters_known(std::string_view parameters, bool of_mail) {
  if (parameters.empty()) return true;
  const bool lies = state_.options.faults.lies(FaultKind::kLieExtensions);
  for (const auto parameter : split(parameters, ' ')) {
    const auto keyword = parameter.substr(0, parameter.find('='));
    const bool unwanted = lies && !starts_with_nocase(keyword, "SIZE");
    if (unwanted || !keyword_known(keyword, of_mail)) return false;
  }
  return true;
}

void Session::on_mail(std::string_view arguments) {
  auto& options = state_.options;
  if (!greeted_) return plain_reply(503, "5.5.1", "EHLO first");
  if (in_mail_) return plain_reply(503, "5.5.1", "nested MAIL");
  const auto path = parse_path(arguments, "FROM:");
  if (!path.valid) return plain_reply(501, "5.1.7", "bad sender");
  if (!parameters_known(path.parameters, true)) return plain_reply(555, "5.5.4", "unknown parameter");
  if (options.messages_per_connection != 0 && messages_here_ >= options.messages_per_connection) {
    plain_reply(421, "4.7.0", "enough for one connection");
    close_after_flush_ = true;
    return;
  }
  if (refuse(Stage::kMail)) return;
  const Fault* fault = options.faults.strike(Stage::kMail);
  in_mail_ = !orders_refusal(fault, 300);
  arrival_.from = path.address;
  arrival_.mail_args = path.parameters;
  if (fault != nullptr) return misbehave(*fault, 250, "Ok");
  plain_reply(250, "2.1.0", "Ok");
}

void Session::on_rcpt(std::string_view arguments) {
  auto& options = state_.options;
  if (!in_mail_ || in_content_) return plain_reply(503, "5.5.1", "MAIL first");
  const auto path = parse_path(arguments, "TO:");
  if (!path.valid || path.address.empty()) return plain_reply(501, "5.1.3", "bad recipient");
  if (!parameters_known(path.parameters, false)) return plain_reply(555, "5.5.4", "unknown parameter");
  if (!is_ascii(path.address) && arrival_.mail_args.find("SMTPUTF8") == std::string::npos) {
    return plain_reply(553, "5.6.7", "SMTPUTF8 needed");
  }
  if (options.rcpt_limit != 0 && arrival_.rcpts.size() >= options.rcpt_limit) {
    ++state_.counts.refused;
    return plain_reply(452, "4.5.3", "too many recipients");
  }
  if (!options.refuse_domain.empty() && path.address.ends_with("@" + options.refuse_domain)) {
    ++state_.counts.refused;
    return plain_reply(450, "4.2.0", "this domain later");
  }
  if (refuse(Stage::kRcpt)) return;
  const Fault* fault = options.faults.strike(Stage::kRcpt);
  if (!orders_refusal(fault, 300)) {
    arrival_.rcpts.emplace_back(path.address);
    arrival_.rcpt_args.emplace_back(path.parameters);
  }
  if (fault != nullptr) return misbehave(*fault, 250, "Ok");
  plain_reply(250, "2.1.5", "Ok");
}

void Session::on_data() {
  if (!in_mail_ || in_content_) return plain_reply(503, "5.5.1", "MAIL first");
  if (arrival_.rcpts.empty()) return plain_reply(554, "5.5.1", "no valid recipients");
  if (refuse(Stage::kData)) return;
  const Fault* fault = state_.options.faults.strike(Stage::kData);
  if (!orders_refusal(fault, 400)) {
    begin_content(false);
    mode_ = Mode::kData;
  }
  if (fault != nullptr) return misbehave(*fault, 354, "go on");
  plain_reply(354, "", "go on");
}

void Session::on_bdat(std::string_view arguments) {
  const auto parts = split(arguments, ' ');
  const auto size = parse_number(parts[0]);
  const bool last = parts.size() > 1 && starts_with_nocase(parts[1], "LAST");
  const auto& options = state_.options;
  if (!options.chunking || state_.options.faults.lies(FaultKind::kLieChunking)) {
    return plain_reply(500, "5.5.1", "unknown command");
  }
  if (!size) {
    plain_reply(501, "5.5.4", "BDAT needs a size");
    close_after_flush_ = true;
    return;
  }
  chunk_left_ = *size;
  chunk_last_ = last;
  chunk_failed_ = !in_mail_ || arrival_.rcpts.empty();
  if (!chunk_failed_ && !in_content_) begin_content(true);
  mode_ = Mode::kChunk;
  if (chunk_left_ == 0) consume_chunk({});
}

}  // namespace veredus::tools
