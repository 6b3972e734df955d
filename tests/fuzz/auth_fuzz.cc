// AUTH and STARTTLS as a submission listener has them, with real mechanisms and one account, on any octets: mail only from who knew the
// password, TLS once and before AUTH, printable replies, no secret in them, and the same answers however the input is cut.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "sasl/base64.h"
#include "sasl/sasl.h"
#include "smtp/server_machine.h"

namespace {

using namespace veredus;

constexpr std::string_view kPassword = "s3cret-of-ann";

void require(bool holds) {
  if (!holds) std::abort();
}

AuthAnswer ask_account(const AuthQuestion& question) {
  AuthAnswer out;
  bool right = question.account == "ann" && (question.kind == AuthKind::secret || question.secret == kPassword);
  out.kind = right ? AuthAnswer::Kind::ok : AuthAnswer::Kind::denied;
  if (question.account == "away") out.kind = AuthAnswer::Kind::temporary;
  out.account = question.account;
  static const std::string secret = scram_secret(kPassword, "0123456789abcdef", 4096);
  if (right && question.kind == AuthKind::secret) out.secret = secret;
  return out;
}

class Server {
 public:
  explicit Server(bool clear_text) : machine_(options(clear_text)) {
    machine_.greet(false);
    turn();
  }
  void take(std::string_view octets) {
    buffer_.append(octets);
    turn();
  }
  std::string codes;  // and what was asked

 private:
  static ServerOptions options(bool clear_text) {
    ServerOptions out;
    out.hostname = "mx.test";
    out.starttls = out.auth_required = true;
    out.auth_inside_tls = {"SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"};
    out.auth_mechanisms = {"SCRAM-SHA-256"};
    if (clear_text) out.auth_mechanisms = out.auth_inside_tls;
    out.command_line = 300;
    out.auth_line = 700;
    return out;
  }

  void turn() {
    for (int idle = 0; !closed_;) {
      ServerMachine::Advance advance = machine_.advance(buffer_, false);
      perform(advance.step);
      buffer_.erase(0, advance.consumed);
      if (!std::holds_alternative<NeedInput>(advance.step)) idle = 0;
      else if (advance.consumed == 0 || ++idle > 2) return;
    }
  }

  void perform(ServerStep& step) {
    if (auto* send = std::get_if<Send>(&step)) sent(send->octets);
    if (std::holds_alternative<Close>(step)) closed_ = true;
    if (std::holds_alternative<AskStartTls>(step)) starttls();
    if (auto* auth = std::get_if<AskAuth>(&step)) begin(*auth);
    if (auto* line = std::get_if<AskAuthLine>(&step)) answer(line->line);
    if (std::holds_alternative<AskMail>(step)) require(authenticated_);
    if (std::holds_alternative<AskData>(step)) return machine_.refuse({451, {4, 3, 0}, {"No"}});
    bool plain_question = std::holds_alternative<AskHelo>(step) || std::holds_alternative<AskMail>(step) || std::holds_alternative<AskRcpt>(step);
    if (plain_question) machine_.accept();
  }

  void sent(std::string_view octets) {
    for (unsigned char c : octets) require(c == '\r' || c == '\n' || (c >= ' ' && c < 0x7f));
    require(octets.find(kPassword) == octets.npos);
    for (size_t at = 0; at < octets.size(); at = octets.find("\n", at) + 1) codes.append(octets.substr(at, 3)).append(" ");
    if (!std::exchange(starting_, false)) return;
    machine_.tls_started();
    encrypted_ = true;
    machine_.offer_auth({"SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"});
  }

  void starttls() {
    require(!encrypted_ && !authenticated_ && !machine_.in_transaction());
    codes += "tls ";
    starting_ = true;
    machine_.accept();
  }

  void begin(const AskAuth& ask) {
    require(!authenticated_ && !machine_.in_transaction());
    codes += "auth ";
    std::optional<std::string> initial = std::string();
    if (ask.has_initial && ask.initial != "=") initial = octets_of_base64(ask.initial);
    SaslServerOptions how;
    how.hostname = "mx.test";
    sasl_ = SaslServer::make(ask.mechanism, how);
    require(sasl_ != nullptr);
    if (!initial) return machine_.refuse({501, {5, 5, 2}, {"No base64"}});
    go_on(sasl_->begin(*initial, ask.has_initial));
  }
  void answer(const std::string& line) {
    require(sasl_ != nullptr);
    auto octets = octets_of_base64(line);
    if (!octets || line == "*") return sasl_.reset(), machine_.refuse({501, {5, 0, 0}, {"Cancelled"}});
    go_on(sasl_->answer(*octets));
  }
  void go_on(SaslServerStep step) {
    using Kind = SaslServerStep::Kind;
    while (step.kind == Kind::ask) step = sasl_->told(ask_account(step.question));
    if (step.kind == Kind::challenge) return machine_.challenge(base64_of(step.octets));
    sasl_.reset();
    if (step.kind == Kind::refused) return machine_.refuse({535, {5, 7, 8}, {"No"}});
    require(step.account == "ann");
    authenticated_ = true;
    codes += "ann ";
    machine_.accept();
  }

  ServerMachine machine_;
  std::unique_ptr<SaslServer> sasl_;
  std::string buffer_;
  bool closed_ = false, starting_ = false, encrypted_ = false, authenticated_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  Server whole((data[0] & 1) != 0), cut((data[0] & 1) != 0);
  whole.take(input);
  uint32_t state = data[1];
  while (!input.empty()) {
    size_t piece = std::min<size_t>(1 + ((state = state * 1664525u + 1013904223u) >> 24) % 23, input.size());
    cut.take(input.substr(0, piece));
    input.remove_prefix(piece);
  }
  require(whole.codes == cut.codes);
  return 0;
}
