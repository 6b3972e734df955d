// Recipients are kept as rows until all edits are applied, so that positions stay those the hooks saw; the header is taken apart only when
// an edit reaches below its top.
#include "hooks/edits.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_set>

#include "base/text.h"
#include "mail/headers.h"

namespace veredus {

namespace {

constexpr const char* kAuthResultsName = "Authentication-Results";
constexpr std::string_view kFieldNames[] = {"tenant", "stream", "pool", "priority", "tls"};

bool is_sound(const Address& address) { return Address::parse(address.text()).ok(); }

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

struct ProblemOf {
  std::string_view operator()(const InsertHeader& edit) const { return is_field_name(edit.name) ? "" : "a malformed name"; }
  std::string_view operator()(const ReplaceHeader& edit) const { return named(edit.name, edit.occurrence); }
  std::string_view operator()(const RemoveHeader& edit) const { return named(edit.name, std::max(edit.occurrence, 1u)); }
  std::string_view operator()(const ReplaceBody& edit) const { return edit.body ? "" : "no body given"; }
  std::string_view operator()(const AddRecipient& edit) const { return recipient(edit.recipient); }
  std::string_view operator()(const DropRecipient&) const { return ""; }
  std::string_view operator()(const SetRecipient& edit) const { return recipient(edit.recipient); }
  std::string_view operator()(const SetSender& edit) const {
    return edit.sender.empty() || is_sound(edit.sender) ? "" : "a malformed address";
  }
  std::string_view operator()(const SetRoute& edit) const {
    return has_control(edit.next_hop) || has_control(edit.pool) ? "control characters" : "";
  }
  std::string_view operator()(const SetField& edit) const {
    if (std::find(std::begin(kFieldNames), std::end(kFieldNames), edit.name) == std::end(kFieldNames)) return "an unknown field";
    if (edit.name == "priority" && !parse_uint(edit.value, 100)) return "a priority is a number from 0 to 100";
    return has_control(edit.value) ? "control characters" : "";
  }
  std::string_view operator()(const SplitRecipients& edit) const { return edit.indices.empty() ? "no recipients named" : ""; }

  std::string_view operator()(const AddNote& edit) const {
    if (!is_note_key(edit.key)) return "a malformed key";
    return edit.value.size() > kLongestNote ? "a value that is too long" : "";
  }
  std::string_view operator()(const AddAuthResult& edit) const { return auth_result_problem(edit); }

  static std::string_view named(std::string_view name, uint32_t occurrence) {
    if (!is_field_name(name)) return "a malformed name";
    return occurrence == 0 ? "occurrences are counted from 1" : "";
  }
  static std::string_view recipient(const Recipient& recipient) {
    if (!is_sound(recipient.address)) return "a malformed address";
    return has_control(recipient.orcpt) || has_control(recipient.next_hop) ? "control characters" : "";
  }
};

bool is_prepend(const Edit& edit) {
  const auto* insert = std::get_if<InsertHeader>(&edit);
  return insert && insert->index == 0;
}

// Tenant, stream and priority sort the queue's items from the start; how a connection is secured is chosen with its destination.
bool is_late_field(const Edit& edit, Stage stage) {
  const auto* field = std::get_if<SetField>(&edit);
  if (field && field->name == "tls") return stage != Stage::route;
  return field && field->name != "pool" && stage >= Stage::route && stage <= Stage::result;
}

void set_field(Envelope& envelope, const SetField& edit) {
  if (edit.name == "tenant") envelope.tenant = edit.value;
  if (edit.name == "stream") envelope.stream = edit.value;
  if (edit.name == "pool") envelope.pool = edit.value;
  if (edit.name != "priority") return;
  if (auto priority = parse_uint(edit.value, 100)) envelope.priority = static_cast<uint8_t>(*priority);
}

// The recipient as wanted, with what the client had said of it where the hook said nothing.
Recipient rewritten(const Recipient& before, Recipient wanted) {
  const Address& first = before.original.empty() ? before.address : before.original;
  if (wanted.original.empty() && !(wanted.address == first)) wanted.original = first;
  if (wanted.orcpt.empty()) wanted.orcpt = before.orcpt;
  return wanted;
}

class RecipientRows {
 public:
  explicit RecipientRows(std::vector<Recipient> recipients) {
    for (Recipient& recipient : recipients) rows_.push_back({std::move(recipient), false});
  }
  Recipient* find(uint32_t index) { return index < rows_.size() && !rows_[index].gone ? &rows_[index].recipient : nullptr; }
  void drop(uint32_t index) {
    if (index < rows_.size()) rows_[index].gone = true;
  }
  void add(const Recipient& recipient) {
    std::unordered_set<std::string> keys;
    for (const Row& row : rows_)
      if (!row.gone) keys.insert(row.recipient.address.key());
    rows_.push_back({recipient, keys.contains(recipient.address.key())});
  }
  std::vector<Recipient> take(std::span<const uint32_t> indices) {
    std::vector<Recipient> out;
    for (uint32_t index : indices)
      if (Recipient* found = find(index)) {
        out.push_back(*found);
        drop(index);
      }
    return out;
  }
  std::vector<Recipient> rest() {
    std::vector<Recipient> out;
    for (Row& row : rows_)
      if (!row.gone) out.push_back(std::move(row.recipient));
    return out;
  }
  bool would_empty(std::span<const uint32_t> indices) const {
    for (uint32_t i = 0; i < rows_.size(); ++i)
      if (!rows_[i].gone && std::find(indices.begin(), indices.end(), i) == indices.end()) return false;
    return true;
  }

 private:
  struct Row {
    Recipient recipient;
    bool gone;
  };
  std::vector<Row> rows_;
  std::unordered_set<std::string> keys_;
};

class EnvelopeEditor {
 public:
  explicit EnvelopeEditor(Envelope& envelope) : envelope_(envelope), rows_(std::move(envelope.recipients)) {}
  ~EnvelopeEditor() { envelope_.recipients = rows_.rest(); }
  EnvelopeEditor(const EnvelopeEditor&) = delete;

  void operator()(const AddRecipient& edit) { rows_.add(edit.recipient); }
  void operator()(const DropRecipient& edit) { rows_.drop(edit.index); }
  void operator()(const SetRecipient& edit) {
    if (Recipient* found = rows_.find(edit.index)) *found = rewritten(*found, edit.recipient);
  }
  void operator()(const SetSender& edit) { envelope_.sender = edit.sender; }
  void operator()(const SetRoute& edit) {
    Recipient* found = rows_.find(edit.index);
    if (found && !edit.next_hop.empty()) found->next_hop = edit.next_hop;
    if (!edit.pool.empty()) envelope_.pool = edit.pool;
  }
  void operator()(const SetField& edit) { set_field(envelope_, edit); }
  void operator()(const AddNote& edit) { set_note(envelope_.notes, edit.key, edit.value); }
  template <typename Other>
  void operator()(const Other&) {}

  RecipientRows& rows() { return rows_; }

 private:
  Envelope& envelope_;
  RecipientRows rows_;
};

HeaderLimits boundless() {
  HeaderLimits limits;
  limits.octets = limits.fields = SIZE_MAX;
  return limits;
}

// The header block of the received octets.
Result<std::string> received_header(const Content& content, std::string_view given) {
  if (content.skip > 0 && !given.empty()) return std::string(given);
  if (!content.memory) {
    if (given.empty() && content.skip == 0) return fail(Errc::unsupported, "the header of a stored body is not at hand");
    return std::string(given);
  }
  auto block = HeaderBlock::parse(*content.memory, boundless());
  return block ? Result<std::string>(std::string(block->text())) : Result<std::string>(block.error());
}

// The header block as it is after what was changed so far.
std::string header_now(const Content& content, std::string_view received) {
  return content.skip < received.size() ? content.head + std::string(received.substr(content.skip)) : content.head;
}

// The header of a message while it is changed. Finished by store().
class ContentEditor {
 public:
  ContentEditor(Envelope& envelope, Content& content, std::string_view received_header)
      : envelope_(envelope), content_(content), given_(received_header) {}

  Status operator()(const InsertHeader& edit) {
    if (edit.index != 0 || editor_) {
      if (Status open = take_apart(); !open) return open;
      return editor_->insert(edit.index, edit.name, edit.value);
    }
    auto field = make_field(edit.name, edit.value);
    if (!field) return field.error();
    content_.head.insert(0, *field);
    envelope_.header_8bit = envelope_.header_8bit || !is_ascii(*field);
    return {};
  }
  Status operator()(const ReplaceHeader& edit) {
    if (Status open = take_apart(); !open) return open;
    Status replaced = editor_->replace(edit.name, edit.occurrence, edit.value);
    if (replaced || replaced.error().code != Errc::not_found) return replaced;
    return editor_->append(edit.name, edit.value);
  }
  Status operator()(const RemoveHeader& edit) {
    if (Status open = take_apart(); !open) return open;
    Status removed;
    if (edit.occurrence > 0) removed = editor_->remove(edit.name, edit.occurrence);
    while (edit.occurrence == 0 && removed) removed = editor_->remove(edit.name, 1);
    return removed || removed.error().code == Errc::not_found ? Status() : removed;  // gone already is as wanted
  }
  Status operator()(const ReplaceBody& edit) {
    body_ = edit.body;
    return take_apart();
  }
  template <typename Other>
  Status operator()(const Other&) {
    return {};
  }

  // Writes what was changed so far into the content.
  void store() {
    if (!editor_) return;
    std::string header = editor_->text();
    envelope_.header_8bit = !is_ascii(header);
    editor_.reset();
    if (!body_) {
      content_.head = std::move(header);
      content_.skip = received_header_.size();
      return;
    }
    envelope_.content_8bit = !is_ascii(*body_);
    content_.memory = std::make_shared<const std::string>(header + *body_);
    content_.file.reset();
    content_.head.clear();
    content_.skip = 0;
    given_ = {};
    body_.reset();
  }

 private:
  Status take_apart() {
    if (editor_) return {};
    auto found = received_header(content_, given_);
    if (!found) return found.error();
    received_header_ = std::move(*found);
    text_ = header_now(content_, received_header_);
    auto block = HeaderBlock::parse(text_, boundless());
    if (!block) return block.error();
    editor_.emplace(*block);
    return {};
  }

  Envelope& envelope_;
  Content& content_;
  std::string_view given_;
  std::string received_header_, text_;
  std::optional<HeaderEditor> editor_;
  std::shared_ptr<const std::string> body_;
};

Message split_off(const Message& from, std::vector<Recipient> recipients) {
  Message out;
  out.envelope = from.envelope;
  out.envelope.id = {};
  out.envelope.recipients = std::move(recipients);
  out.content = from.content;
  return out;
}

}  // namespace

std::string_view edit_problem(const Edit& edit, uint32_t may, const StageInfo& info) {
  Right right = right_for(edit);
  if ((info.edits & right) == 0) return "not at this stage";
  if ((may & right) == 0) return "without the right";
  if (info.prepend_only && !is_prepend(edit)) return "only fields at the top may be added now";
  if (info.kind == StageKind::stream && std::holds_alternative<ReplaceBody>(edit)) return "a body is rewritten chunk by chunk now";
  if (is_late_field(edit, info.stage)) return "it can be set at another stage only";
  return std::visit(ProblemOf{}, edit);
}

Result<std::vector<Message>> apply_edits(Message message, std::span<const Edit> edits, std::string_view received_header) {
  std::vector<Message> split;
  {
    EnvelopeEditor envelope(message.envelope);
    ContentEditor content(message.envelope, message.content, received_header);
    for (const Edit& edit : edits) {
      std::visit(envelope, edit);
      if (Status applied = std::visit(content, edit); !applied) return applied.error();
      const auto* group = std::get_if<SplitRecipients>(&edit);
      if (!group || envelope.rows().would_empty(group->indices)) continue;
      content.store();
      auto recipients = envelope.rows().take(group->indices);
      if (!recipients.empty()) split.push_back(split_off(message, std::move(recipients)));
    }
    content.store();
  }
  std::vector<Message> out;
  out.push_back(std::move(message));
  for (Message& each : split) out.push_back(std::move(each));
  return out;
}

void take_auth_results(std::vector<AuthResult>& into, std::span<const Edit> edits) {
  for (const Edit& edit : edits)
    if (const auto* found = std::get_if<AddAuthResult>(&edit)) into.push_back(*found);
}

Status add_auth_results(Message& message, std::span<const AuthResult> results, std::string_view authserv_id,
                        std::string_view received) {
  auto header = received_header(message.content, received);
  if (!header) return header.error();
  std::vector<uint32_t> forged = claimed_results(header_now(message.content, *header), authserv_id);
  std::vector<Edit> edits;
  for (size_t i = forged.size(); i-- > 0;) edits.push_back(RemoveHeader{kAuthResultsName, forged[i]});
  if (!results.empty())
    edits.push_back(InsertHeader{0, kAuthResultsName, auth_results_value(authserv_id, results, message.envelope.smtputf8)});
  if (edits.empty()) return {};
  auto edited = apply_edits(message, edits, received);
  if (!edited) return edited.error();
  message = std::move(edited->front());
  return {};
}

void apply_envelope_edits(Envelope& envelope, std::span<const Edit> edits) {
  EnvelopeEditor editor(envelope);
  for (const Edit& edit : edits) std::visit(editor, edit);
}

}  // namespace veredus
