// The rows of the stage table.
#include "hooks/stage_table.h"

#include <array>
#include <type_traits>

namespace veredus {

namespace {

constexpr uint32_t bit(Action action) { return 1u << static_cast<int32_t>(action); }

constexpr uint32_t kAlways = bit(Action::next) | bit(Action::ok) | bit(Action::tempfail) | bit(Action::pending) | bit(Action::fault);
constexpr uint32_t kSession = kAlways | bit(Action::reject) | bit(Action::disconnect);
constexpr uint32_t kTransaction = kSession | bit(Action::discard) | bit(Action::hold);
constexpr uint32_t kDelivery = kAlways | bit(Action::reject) | bit(Action::discard) | bit(Action::hold);
constexpr uint32_t kBounce = kAlways | bit(Action::discard) | bit(Action::hold);
constexpr uint32_t kSeal = kAlways & ~bit(Action::ok);  // one signer must not silence the next
constexpr uint32_t kTold = bit(Action::next);

constexpr uint32_t kFindings = kMayNotes | kMayAuthResults;
constexpr uint32_t kEnvelopeEdits = kMayRecipients | kMaySender | kMayRoute | kMayFields | kFindings;
constexpr uint32_t kAllEdits = kEnvelopeEdits | kMayHeaders | kMayBody | kMaySplit;

constexpr DefaultReply kNone{};
constexpr DefaultReply kRefused{550, {5, 7, 1}, "Refused by policy"};
constexpr DefaultReply kLater{451, {4, 7, 1}, "Try again later"};
constexpr DefaultReply kNoService{554, {5, 7, 1}, "No service for you"};
constexpr DefaultReply kCloseLater{421, {4, 7, 1}, "Try again later"};
constexpr DefaultReply kNoTls{554, {5, 7, 0}, "TLS refused by policy"};
constexpr DefaultReply kTlsLater{454, {4, 7, 0}, "TLS not available for now"};
constexpr DefaultReply kNoAuth{535, {5, 7, 8}, "Authentication refused by policy"};
constexpr DefaultReply kAuthLater{454, {4, 7, 0}, "Authentication not possible for now"};
constexpr DefaultReply kNotSealed{451, {4, 3, 0}, "The message could not be prepared, try again later"};

constexpr auto kAsked = StageKind::asked;
constexpr auto kToldKind = StageKind::told;

constexpr std::array<StageInfo, kStageCount> kStages{{
    {Stage::connect, "connect", kAsked, true, false, kSession, kMayFields | kFindings, kNoService, kCloseLater},
    {Stage::helo, "helo", kAsked, true, false, kSession, kMayFields | kFindings, kRefused, kLater},
    {Stage::starttls, "starttls", kAsked, true, false, kSession, 0, kNoTls, kTlsLater},
    {Stage::tls_done, "tls_done", kToldKind, false, false, kTold, 0, kNone, kNone},
    {Stage::auth, "auth", kAsked, true, false, kSession, kMayFields | kFindings, kNoAuth, kAuthLater},
    {Stage::mail, "mail", kAsked, true, false, kTransaction, kMaySender | kMayFields | kFindings, kRefused, kLater},
    {Stage::rcpt, "rcpt", kAsked, true, false, kTransaction, kEnvelopeEdits, kRefused, kLater},
    {Stage::data, "data", kAsked, true, false, kTransaction, kEnvelopeEdits, kRefused, kLater},
    {Stage::headers, "headers", kAsked, true, false, kTransaction, kEnvelopeEdits | kMayHeaders, kRefused, kLater},
    {Stage::body, "body", StageKind::stream, false, false, kTransaction, kMayBody | kFindings, kRefused, kLater},
    {Stage::message, "message", kAsked, true, false, kTransaction, kAllEdits, kRefused, kLater},
    {Stage::seal, "seal", kAsked, false, true, kSeal, kMayHeaders, kNone, kNotSealed},
    {Stage::queued, "queued", kToldKind, false, false, kTold, 0, kNone, kNone},
    {Stage::route, "route", kAsked, false, false, kDelivery, kMayRoute | kMayFields, kRefused, kLater},
    {Stage::attempt, "attempt", kAsked, false, false, kDelivery, kMayRoute | kMayFields, kRefused, kLater},
    {Stage::connected, "connected", kToldKind, false, false, kTold, 0, kNone, kNone},
    {Stage::result, "result", kAsked, false, false, kDelivery, kMayRoute | kMayFields, kRefused, kLater},
    {Stage::bounce, "bounce", kAsked, false, false, kBounce, kMayHeaders | kMayBody | kMayRecipients | kMayRoute | kMayFields, kNone, kLater},
    {Stage::finished, "finished", kToldKind, false, false, kTold, 0, kNone, kNone},
    {Stage::transaction_end, "transaction_end", kToldKind, false, false, kTold, 0, kNone, kNone},
    {Stage::disconnect, "disconnect", kToldKind, false, false, kTold, 0, kNone, kNone},
}};

constexpr auto rows_by_number() {
  std::remove_const_t<decltype(detail::kStageRows)> out{};
  for (size_t row = 0; row < kStageCount; ++row) out[static_cast<size_t>(kStages[row].stage)] = static_cast<uint8_t>(row);
  return out;
}

constexpr std::array<std::string_view, kActionCount> kActions{"next", "ok",         "reject",  "tempfail", "discard",
                                                   "hold", "disconnect", "pending", "fault"};

struct RightOf {
  Right operator()(const InsertHeader&) const { return kMayHeaders; }
  Right operator()(const ReplaceHeader&) const { return kMayHeaders; }
  Right operator()(const RemoveHeader&) const { return kMayHeaders; }
  Right operator()(const ReplaceBody&) const { return kMayBody; }
  Right operator()(const AddRecipient&) const { return kMayRecipients; }
  Right operator()(const DropRecipient&) const { return kMayRecipients; }
  Right operator()(const SetRecipient&) const { return kMayRecipients; }
  Right operator()(const SetSender&) const { return kMaySender; }
  Right operator()(const SetRoute&) const { return kMayRoute; }
  Right operator()(const SetField&) const { return kMayFields; }
  Right operator()(const SplitRecipients&) const { return kMaySplit; }
  Right operator()(const AddNote&) const { return kMayNotes; }
  Right operator()(const AddAuthResult&) const { return kMayAuthResults; }
};

constexpr std::array<std::string_view, std::variant_size_v<Edit>> kEditNames{
    "insert header", "replace header", "remove header", "replace body", "add recipient",   "drop recipient",
    "set recipient", "set sender",     "set route",     "set field",    "split recipients",
    "add note",      "add authentication result"};

}  // namespace

constinit const std::array<uint8_t, static_cast<size_t>(Stage::disconnect) + 1> detail::kStageRows = rows_by_number();

bool StageInfo::allows(Action action) const {
  auto number = static_cast<int32_t>(action);
  return number >= 0 && number < static_cast<int32_t>(kActions.size()) && (actions & bit(action)) != 0;
}

std::span<const StageInfo, kStageCount> stages() { return kStages; }

const StageInfo& stage_info(Stage stage) { return kStages[stage_index(stage)]; }

std::optional<Stage> stage_by_name(std::string_view name) {
  for (const StageInfo& info : kStages)
    if (info.name == name) return info.stage;
  return std::nullopt;
}

std::string_view action_text(Action action) {
  auto number = static_cast<size_t>(action);
  return number < kActions.size() ? kActions[number] : "unknown";
}

std::optional<Action> action_by_name(std::string_view name) {
  for (size_t i = 0; i < kActions.size(); ++i)
    if (kActions[i] == name) return static_cast<Action>(i);
  return std::nullopt;
}

Reply default_reply(Stage stage, Action action) {
  if (action == Action::disconnect) return Reply{421, {4, 7, 0}, {"Closing the connection"}};
  const StageInfo& info = stage_info(stage);
  if (action != Action::reject && action != Action::tempfail) return {};
  const DefaultReply& reply = action == Action::reject ? info.reject : info.tempfail;
  if (reply.code == 0) return {};
  return Reply{reply.code, reply.enhanced, {std::string(reply.text)}};
}

Right right_for(const Edit& edit) { return std::visit(RightOf{}, edit); }

std::string_view edit_name(const Edit& edit) { return kEditNames[edit.index()]; }

}  // namespace veredus
