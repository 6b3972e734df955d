// A message is only taken apart when an edit needs it: fields inserted at the top are put before the head as
// they are.
#include "inbound/edits.h"

#include <algorithm>
#include <string>

#include "base/text.h"

namespace veredus {

namespace {

constexpr size_t kLongestField = 1'048'576;

bool legal_name(std::string_view name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

// Folded lines are legal; anything that could end the field early is not.
bool legal_value(std::string_view value) {
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\0' || value[i] == '\n') return false;
    if (value[i] != '\r') continue;
    bool folded =
        i + 2 < value.size() && value[i + 1] == '\n' && (value[i + 2] == ' ' || value[i + 2] == '\t');
    if (!folded) return false;
    i += 2;
  }
  return value.size() <= kLongestField;
}

std::string field_text(std::string_view name, std::string_view value) {
  return std::string(name).append(": ").append(value).append("\r\n");
}

// A header block as fields, each with its continuation lines; the empty line is kept apart.
class HeaderFields {
 public:
  explicit HeaderFields(std::string_view block) {
    while (!block.empty()) {
      size_t line_feed = block.find('\n');
      size_t size = line_feed == block.npos ? block.size() : line_feed + 1;
      std::string_view line = block.substr(0, size);
      if (line == "\r\n") break;
      bool continuation = (line[0] == ' ' || line[0] == '\t') && !fields_.empty();
      if (continuation)
        fields_.back().append(line);
      else
        fields_.emplace_back(line);
      block.remove_prefix(size);
    }
    rest_ = block.empty() ? "\r\n" : block;
  }

  std::string text() const {
    std::string out;
    for (const std::string& field : fields_) out += field;
    return out + rest_;
  }
  void insert(uint32_t index, std::string field) {
    fields_.insert(fields_.begin() + std::min<ptrdiff_t>(index, static_cast<ptrdiff_t>(fields_.size())),
                   std::move(field));
  }
  // The n-th field of this name, counted from 1; end when there is none.
  std::vector<std::string>::iterator find(std::string_view name, uint32_t occurrence) {
    auto is_wanted = [&](const std::string& field) {
      return istarts_with(field, name) && field.size() > name.size() && field[name.size()] == ':' &&
             --occurrence == 0;
    };
    return occurrence == 0 ? fields_.end() : std::find_if(fields_.begin(), fields_.end(), is_wanted);
  }
  bool replace(std::string_view name, uint32_t occurrence, std::string field) {
    auto found = find(name, occurrence);
    if (found == fields_.end()) return false;
    *found = std::move(field);
    return true;
  }
  void remove(std::string_view name, uint32_t occurrence) {
    auto found = find(name, occurrence);
    if (found != fields_.end()) fields_.erase(found);
  }

 private:
  std::vector<std::string> fields_;
  std::string rest_;
};

class MessageEditor {
 public:
  MessageEditor(Message& message, std::string_view received_header, bool only_prepend)
      : message_(message), received_header_(received_header), only_prepend_(only_prepend) {}

  Status operator()(const InsertHeader& edit) {
    if (!legal_name(edit.name) || !legal_value(edit.value))
      return fail(Errc::invalid, "a hook wants an illegal header field");
    if (edit.index == 0) {
      message_.content.head.insert(0, field_text(edit.name, edit.value));
      return {};
    }
    if (only_prepend_) return not_now();
    return rewrite(
        [&](HeaderFields& fields) { fields.insert(edit.index, field_text(edit.name, edit.value)); });
  }
  Status operator()(const ReplaceHeader& edit) {
    if (!legal_name(edit.name) || !legal_value(edit.value))
      return fail(Errc::invalid, "a hook wants an illegal header field");
    std::string field = field_text(edit.name, edit.value);
    return rewrite([&](HeaderFields& fields) {
      if (!fields.replace(edit.name, edit.occurrence, field)) fields.insert(UINT32_MAX, field);
    });
  }
  Status operator()(const RemoveHeader& edit) {
    return rewrite([&](HeaderFields& fields) { fields.remove(edit.name, edit.occurrence); });
  }
  Status operator()(const ReplaceBody& edit) {
    if (!edit.body) return fail(Errc::invalid, "a hook wants no body");
    Status rewritten = rewrite([](HeaderFields&) {});
    if (!rewritten) return rewritten;
    Content& content = message_.content;
    content.memory = edit.body;
    content.file.reset();
    content.skip = 0;
    body_replaced_ = true;
    return {};
  }
  Status operator()(const SplitRecipients&) {
    return fail(Errc::unsupported, "splitting recipients is not supported");
  }
  template <typename Other>
  Status operator()(const Other&) {
    return only_prepend_ ? not_now() : Status();
  }

 private:
  static Status not_now() { return fail(Errc::refused, "only fields at the top may be added now"); }

  // The head then holds the whole header block, and the body begins where the received one does.
  template <typename Change>
  Status rewrite(Change change) {
    if (only_prepend_) return not_now();
    Content& content = message_.content;
    std::string_view left;
    if (!body_replaced_ && content.skip < received_header_.size())
      left = received_header_.substr(content.skip);
    HeaderFields fields(content.head + std::string(left));
    change(fields);
    content.head = fields.text();
    if (!body_replaced_) content.skip = received_header_.size();
    return {};
  }

  Message& message_;
  std::string_view received_header_;
  bool only_prepend_;
  bool body_replaced_ = false;
};

struct EnvelopeEditor {
  Envelope& envelope;

  void operator()(const AddRecipient& edit) {
    for (const Recipient& known : envelope.recipients)
      if (known.address.key() == edit.recipient.address.key()) return;
    envelope.recipients.push_back(edit.recipient);
  }
  void operator()(const DropRecipient& edit) {
    if (edit.index < envelope.recipients.size())
      envelope.recipients.erase(envelope.recipients.begin() + edit.index);
  }
  void operator()(const SetRecipient& edit) {
    if (edit.index >= envelope.recipients.size()) return;
    Recipient& target = envelope.recipients[edit.index];
    Address first = target.original.empty() ? target.address : target.original;
    target = edit.recipient;
    if (target.original.empty() && !(target.address == first)) target.original = std::move(first);
  }
  void operator()(const SetSender& edit) { envelope.sender = edit.sender; }
  void operator()(const SetRoute& edit) {
    if (edit.index < envelope.recipients.size()) envelope.recipients[edit.index].next_hop = edit.next_hop;
    if (!edit.pool.empty()) envelope.pool = edit.pool;
  }
  void operator()(const SetField& edit) {
    if (edit.name == "tenant") envelope.tenant = edit.value;
    if (edit.name == "stream") envelope.stream = edit.value;
    if (edit.name == "pool") envelope.pool = edit.value;
    if (edit.name != "priority") return;
    if (auto priority = parse_uint(edit.value, 100)) envelope.priority = static_cast<uint8_t>(*priority);
  }
  template <typename Other>
  void operator()(const Other&) {}
};

}  // namespace

void apply_envelope_edits(Envelope& envelope, const std::vector<Edit>& edits) {
  EnvelopeEditor editor{envelope};
  for (const Edit& edit : edits) std::visit(editor, edit);
}

Status apply_edits(Message& message, std::string_view received_header, const std::vector<Edit>& edits,
                   bool only_prepend) {
  MessageEditor editor(message, received_header, only_prepend);
  for (const Edit& edit : edits) {
    Status applied = std::visit(editor, edit);
    if (!applied) return applied;
  }
  if (!only_prepend) apply_envelope_edits(message.envelope, edits);
  return {};
}

}  // namespace veredus
