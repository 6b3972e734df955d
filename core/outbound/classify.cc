// Replies and failures to outcomes. Enhanced codes of failures seen here follow RFC 3463: 4.4.1 no answer, 4.4.2 bad connection.
#include "outbound/classify.h"

namespace veredus {

Reply local_reply(uint16_t code, EnhancedCode enhanced, std::string text) {
  return Reply{code, enhanced, {std::move(text)}};
}

Outcome outcome_for(const Reply& refusal) {
  return refusal.permanent() ? Outcome::permanent : Outcome::temporary;
}

RecipientOutcome outcome_of(const RecipientResult& result, std::string remote) {
  using Fate = RecipientResult::Fate;
  RecipientOutcome out;
  out.recipient = result.recipient;
  out.reply = result.reply;
  out.remote = std::move(remote);
  switch (result.fate) {
    case Fate::delivered: out.outcome = Outcome::delivered; break;
    case Fate::refused: out.outcome = outcome_for(result.reply); break;
    case Fate::lost: out.outcome = Outcome::temporary; break;
    case Fate::open:
    case Fate::accepted:
    case Fate::later:
    case Fate::untouched: out.outcome = Outcome::not_tried; break;
  }
  return out;
}

std::string_view phase_name(ClientPhase phase) {
  switch (phase) {
    case ClientPhase::banner: return "the greeting";
    case ClientPhase::helo: return "the handshake";
    case ClientPhase::starttls: return "STARTTLS";
    case ClientPhase::auth: return "AUTH";
    case ClientPhase::mail: return "MAIL";
    case ClientPhase::rcpt: return "RCPT";
    case ClientPhase::data: return "DATA";
    case ClientPhase::dot: return "the end of data";
    case ClientPhase::reset: return "RSET";
    case ClientPhase::quit: return "QUIT";
  }
  return "";
}

Reply connect_failure(const std::string& remote, const Error& error) {
  return local_reply(451, {4, 4, 1}, "No connection to " + remote + ": " + error.text);
}

Reply lost_connection(const std::string& remote, const Error& error, ClientPhase phase) {
  std::string at = " at " + std::string(phase_name(phase));
  if (error.code == Errc::timeout) return local_reply(451, {4, 4, 2}, remote + " did not answer in time" + at);
  return local_reply(451, {4, 4, 2}, "The connection to " + remote + " broke" + at + ": " + error.text);
}

Reply closed_connection(const std::string& remote, ClientPhase phase) {
  return local_reply(451, {4, 4, 2}, remote + " closed the connection at " + std::string(phase_name(phase)));
}

bool apply_verdict(const Verdict& verdict, RecipientOutcome& outcome) {
  auto change = [&](Outcome to, const Reply& given, Reply otherwise) {
    outcome.outcome = to;
    outcome.reply = given.code != 0 ? given : std::move(otherwise);
    return true;
  };
  switch (verdict.action) {
    case Action::reject: return change(Outcome::permanent, verdict.reply, local_reply(550, {5, 7, 1}, "Refused by a rule"));
    case Action::tempfail:
    case Action::fault: return change(Outcome::temporary, verdict.reply, local_reply(451, {4, 7, 1}, "Deferred by a rule"));
    case Action::discard: return change(Outcome::discarded, verdict.reply, local_reply(250, {2, 0, 0}, verdict.rule));
    case Action::hold: return change(Outcome::held, verdict.reply, local_reply(451, {4, 7, 1}, verdict.rule));
    case Action::next:
    case Action::ok:
    case Action::disconnect:
    case Action::pending: return false;
  }
  return false;
}

Reply reclassified(Reply said, Action action) {
  uint8_t wanted = action == Action::reject ? 5 : action == Action::tempfail ? 4 : 0;
  if (said.code < 400 || wanted == 0) return {};
  said.code = static_cast<uint16_t>(wanted * 100 + said.code % 100);
  if (said.enhanced) said.enhanced.cls = wanted;
  return said;
}

bool apply_route(const std::vector<Edit>& edits, std::string_view next_hop, std::string_view pool, RecipientOutcome& outcome) {
  for (const Edit& edit : edits) {
    if (const auto* field = std::get_if<SetField>(&edit); field && field->name == "pool") outcome.pool = field->value;
    const auto* route = std::get_if<SetRoute>(&edit);
    if (!route || route->index != outcome.recipient) continue;
    if (!route->next_hop.empty()) outcome.next_hop = route->next_hop;
    if (!route->pool.empty()) outcome.pool = route->pool;
  }
  if (outcome.next_hop == next_hop) outcome.next_hop.clear();
  if (outcome.pool == pool) outcome.pool.clear();
  if (outcome.next_hop.empty() && outcome.pool.empty()) return false;
  outcome.outcome = Outcome::rerouted;
  if (outcome.reply.code == 0) outcome.reply = local_reply(451, {4, 7, 1}, "Routed anew by a rule");
  return true;
}

}  // namespace veredus
