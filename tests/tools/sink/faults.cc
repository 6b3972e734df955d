// The table of fault names and the draw whether one strikes.
#include "sink/faults.h"

#include <array>
#include <utility>

#include "common/text.h"

namespace veredus::tools {
namespace {

constexpr std::array<std::pair<std::string_view, FaultKind>, 17> kStaged{{
    {"close", FaultKind::kClose},
    {"reset", FaultKind::kReset},
    {"stall", FaultKind::kStall},
    {"garbage", FaultKind::kGarbage},
    {"nul", FaultKind::kNul},
    {"endless-reply", FaultKind::kEndlessReply},
    {"endless-line", FaultKind::kEndlessLine},
    {"long-line", FaultKind::kLongLine},
    {"half-line", FaultKind::kHalfLine},
    {"half-line-stall", FaultKind::kHalfLineStall},
    {"code", FaultKind::kCode},
    {"double-reply", FaultKind::kDouble},
    {"multiline", FaultKind::kMultiline},
    {"mixed-codes", FaultKind::kMixedCodes},
    {"bare-lf", FaultKind::kBareLf},
    {"dribble", FaultKind::kDribble},
    {"early", FaultKind::kEarly},
}};

constexpr std::array<std::pair<std::string_view, FaultKind>, 5> kUnstaged{{
    {"lie-size", FaultKind::kLieSize},
    {"lie-pipelining", FaultKind::kLiePipelining},
    {"lie-chunking", FaultKind::kLieChunking},
    {"lie-extensions", FaultKind::kLieExtensions},
    {"no-ehlo", FaultKind::kNoEhlo},
}};

constexpr std::array<std::pair<std::string_view, Stage>, 9> kStages{{
    {"connect", Stage::kConnect},
    {"ehlo", Stage::kEhlo},
    {"mail", Stage::kMail},
    {"rcpt", Stage::kRcpt},
    {"data", Stage::kData},
    {"body", Stage::kBody},
    {"dot", Stage::kDot},
    {"rset", Stage::kRset},
    {"quit", Stage::kQuit},
}};

template <class Table>
auto look_up(const Table& table, std::string_view name) -> std::optional<decltype(table[0].second)> {
  for (const auto& [key, value] : table) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string without_alias(std::string_view text) {
  if (text == "wrong-code") return "code=354@mail";
  if (text == "early-reply") return "early@body";
  for (const std::string_view link : {"-after-", "-at-"}) {
    const auto at = text.find(link);
    if (at == std::string_view::npos) continue;
    return std::string(text.substr(0, at)) + "@" + std::string(text.substr(at + link.size()));
  }
  return std::string(text);
}

bool read_percent(std::string& text, Fault& fault) {
  const auto at = text.find('%');
  if (at == std::string::npos) return true;
  const auto percent = parse_decimal(std::string_view(text).substr(at + 1));
  text.resize(at);
  if (percent) fault.percent = *percent;
  return percent.has_value();
}

bool read_stage(std::string& text, Fault& fault) {
  const auto at = text.find('@');
  if (at == std::string::npos) return true;
  const auto stage = parse_stage(std::string_view(text).substr(at + 1));
  text.resize(at);
  if (stage) fault.stage = *stage;
  return stage.has_value();
}

bool read_code(std::string& text, Fault& fault) {
  const auto at = text.find('=');
  if (at == std::string::npos) return true;
  const auto code = parse_number(std::string_view(text).substr(at + 1));
  text.resize(at);
  if (!code || *code > 999) return false;
  fault.code = static_cast<int>(*code);
  return true;
}

}  // namespace

std::optional<Stage> parse_stage(std::string_view text) {
  return look_up(kStages, text);
}

std::optional<Fault> parse_fault(std::string_view given) {
  Fault fault;
  auto text = without_alias(given);
  if (!read_percent(text, fault) || !read_stage(text, fault) || !read_code(text, fault)) return std::nullopt;
  if (text == "code" && fault.code == 0) return std::nullopt;
  const auto staged = look_up(kStaged, text);
  const auto kind = staged ? staged : look_up(kUnstaged, text);
  if (!kind) return std::nullopt;
  fault.kind = *kind;
  return fault;
}

const Fault* FaultPlan::strike(Stage stage) {
  for (const auto& fault : faults_) {
    if (fault.kind < FaultKind::kLieSize && fault.stage == stage && chance(fault.percent)) return &fault;
  }
  return nullptr;
}

bool FaultPlan::lies(FaultKind kind) {
  for (const auto& fault : faults_) {
    if (fault.kind == kind) return chance(fault.percent);
  }
  return false;
}

bool FaultPlan::chance(double percent) {
  if (percent >= 100) return true;
  return percent > 0 && std::uniform_real_distribution<double>(0, 100)(random_) < percent;
}

std::string_view fault_help() {
  return R"(modes of --fail, given as MODE[@STAGE][%PERCENT]; STAGE is connect ehlo mail rcpt data body dot rset quit:
  close            close instead of answering (close-after-dot, close-at-mail are close@dot, close@mail)
  reset            the same with a TCP reset
  stall            never answer again on this connection
  garbage          answer with a line that is no reply
  nul              a reply with NUL octets in it
  endless-reply    a multi-line reply that never ends
  endless-line     a reply line that never ends
  long-line        a reply line of 8,000 octets
  half-line        half a reply line, then close
  half-line-stall  half a reply line, then silence
  code=NNN         a reply with this code (wrong-code is code=354@mail)
  double-reply     the right reply twice
  multiline        the right reply on several lines (legal)
  mixed-codes      several lines that differ in their codes
  bare-lf          the right reply, ended by LF alone
  dribble          the right reply, each octet in a segment of its own (legal)
  early            with @body: 250 before the message has ended, then close; it is not stored
and without a stage:
  lie-size         offers SIZE 0 and answers 552 to the dot
  lie-pipelining   offers PIPELINING and forgets what was sent behind a command
  lie-chunking     offers CHUNKING and does not know BDAT
  lie-extensions   offers 8BITMIME, SMTPUTF8 and DSN and refuses their parameters with 555
  no-ehlo          does not know EHLO
)";
}

}  // namespace veredus::tools
