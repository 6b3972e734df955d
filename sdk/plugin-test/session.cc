// A session's attributes are set by steps; those that follow from others are made for each picture.
#include "session.h"

#include <algorithm>

#include "base/text.h"
#include "veredus/veredus.h"

namespace veredus::ptest {

namespace {

void put(Attrs& attrs, uint32_t id, std::string text) {
  AttrValue value;
  value.text = std::move(text);
  attrs[id] = std::move(value);
}

void put(Attrs& attrs, uint32_t id, int64_t number) {
  AttrValue value;
  value.number = number;
  value.text = std::to_string(number);
  attrs[id] = std::move(value);
}

// The parts of an address, from its own attribute.
void add_parts(Attrs& attrs, uint32_t whole, uint32_t local, uint32_t domain) {
  auto found = attrs.find(whole);
  if (found == attrs.end()) return;
  std::string text = found->second.text;
  size_t at = text.rfind('@');
  put(attrs, local, text.substr(0, at));
  put(attrs, domain, at == text.npos ? "" : lowered(text.substr(at + 1)));
}

std::string with_crlf(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
  }
  return out;
}

// Reads fields up to the empty line; returns where the body begins.
size_t read_fields(const std::string& text, std::vector<Field>& fields) {
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find("\r\n", at);
    if (end == text.npos) end = text.size();
    std::string line = text.substr(at, end - at);
    at = std::min(text.size(), end + 2);
    if (line.empty()) return at;
    size_t colon = line.find(':');
    bool fold = (line[0] == ' ' || line[0] == '\t') && !fields.empty();
    if (fold) fields.back().value += "\r\n" + line;
    else if (colon != line.npos) fields.push_back({line.substr(0, colon), line.substr(colon + 1)});
    else fields.push_back({"", line});
  }
  return at;
}

std::string spaced(const std::string& value) { return value.empty() || value[0] == ' ' || value[0] == '\t' ? value : " " + value; }

bool high(const std::string& text) { return !is_ascii(text); }

std::string quoted(const std::string& value) {
  bool plain = !value.empty() && value.find_first_of(" \t\"\\();,<>[]=") == value.npos;
  if (plain) return value;
  std::string out = "\"";
  for (char c : value) out += (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

}  // namespace

void Session::open(Attrs given) {
  Session fresh(hostname_);
  fresh.fields = std::move(fields);
  fresh.body = std::move(body);
  fresh.received_ = std::move(received_);
  fresh.received_body_start_ = received_body_start_;
  *this = std::move(fresh);
  attrs = std::move(given);
  is_open = true;
  for (const auto& [id, value] : attrs) session_attrs_.insert(id);
}

void Session::start_transaction(const std::string& sender) {
  end_transaction();
  in_transaction = true;
  connection_notes_ = notes;
  session_attrs_.clear();
  for (const auto& [id, value] : attrs) session_attrs_.insert(id);
  put(attrs, VRD_ATTR_SENDER, sender);
  put(attrs, VRD_ATTR_MESSAGE_ID, std::string("0123456789ABCDEF"));
}

void Session::end_transaction() {
  if (!in_transaction) return;
  in_transaction = skip_transaction = false;
  std::erase_if(attrs, [&](const auto& entry) { return !session_attrs_.contains(entry.first); });
  notes = connection_notes_;
  recipients.clear();
  recipient = 0;
  accepted = 0;
  results.clear();
  body_done.clear();
}

uint32_t Session::add_recipient(const std::string& address) {
  Attrs row;
  put(row, VRD_ATTR_RECIPIENT, address);
  recipients.push_back(std::move(row));
  recipient = static_cast<uint32_t>(recipients.size() - 1);
  return recipient;
}

void Session::set_content(const std::string& text) {
  std::string octets = with_crlf(text);
  fields.clear();
  received_body_start_ = read_fields(octets, fields);
  body = octets.substr(received_body_start_);
  received_ = std::move(octets);
}

void Session::receive_body(const std::vector<std::string>& chunks) {
  received_.resize(std::min(received_.size(), received_body_start_));
  for (const std::string& chunk : chunks) received_ += chunk;
}

void Session::set(const AttrInfo& info, const std::string& text) {
  if (info.id == VRD_ATTR_RECIPIENT_INDEX) recipient = static_cast<uint32_t>(parse_uint(text).value_or(0));
  else if (info.per_recipient && recipient < recipients.size()) set_attr(recipients[recipient], info, text);
  else set_attr(attrs, info, text);
}

std::string Session::header_block() const {
  std::string out;
  for (const Field& field : fields) out += (field.name.empty() ? "" : field.name + ":") + field.value + "\r\n";
  return out;
}

std::shared_ptr<const Picture> Session::picture(uint32_t stage, bool content) const {
  auto out = std::make_shared<Picture>();
  out->stage = stage;
  out->attrs = attrs;
  out->recipients = recipients;
  out->recipient = recipient;
  out->notes = notes;
  for (const Edit& each : results) out->results.push_back({each.name, each.value, each.extra, each.properties});
  std::string header = header_block();
  add_parts(out->attrs, VRD_ATTR_SENDER, VRD_ATTR_SENDER_LOCAL, VRD_ATTR_SENDER_DOMAIN);
  for (Attrs& row : out->recipients) add_parts(row, VRD_ATTR_RECIPIENT, VRD_ATTR_RECIPIENT_LOCAL, VRD_ATTR_RECIPIENT_DOMAIN);
  if (in_transaction) put(out->attrs, VRD_ATTR_RECIPIENT_COUNT, static_cast<int64_t>(stage == VRD_STAGE_RCPT ? accepted : recipients.size()));
  if (!recipients.empty()) put(out->attrs, VRD_ATTR_RECIPIENT_INDEX, static_cast<int64_t>(recipient));
  put(out->attrs, VRD_ATTR_MESSAGE_SIZE, static_cast<int64_t>(header.size() + 2 + body.size()));
  put(out->attrs, VRD_ATTR_MESSAGE_8BIT, static_cast<int64_t>(high(body)));
  put(out->attrs, VRD_ATTR_HEADER_8BIT, static_cast<int64_t>(high(header)));
  if (!content || stage < VRD_STAGE_HEADERS || stage > VRD_STAGE_TRANSACTION_END) return out;
  out->content = true;
  out->fields = fields;
  out->octets = header + "\r\n";
  out->body_start = out->octets.size();
  if (stage >= VRD_STAGE_MESSAGE) out->octets += body;
  bool kept = stage >= VRD_STAGE_MESSAGE && stage <= VRD_STAGE_SEAL;
  out->received = kept ? received_ : stage == VRD_STAGE_HEADERS ? received_.substr(0, received_body_start_) : out->octets;
  out->received_body_start = kept || stage == VRD_STAGE_HEADERS ? received_body_start_ : out->body_start;
  return out;
}

void Session::set_field(const std::string& name, const std::string& value) {
  const AttrInfo* info = attr_by_name(name);
  if (info) set_attr(attrs, *info, value);
}

void Session::apply_header(const Edit& edit) {
  if (edit.kind == EditKind::insert_header) {
    auto at = fields.begin() + static_cast<ptrdiff_t>(std::min<size_t>(edit.index, fields.size()));
    fields.insert(at, Field{edit.name, spaced(edit.value)});
    return;
  }
  uint32_t seen = 0;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (!iequals(fields[i].name, edit.name) || (++seen != edit.index && edit.index != 0)) continue;
    if (edit.kind == EditKind::replace_header) fields[i].value = spaced(edit.value);
    else fields.erase(fields.begin() + static_cast<ptrdiff_t>(i--));
    if (edit.index != 0) return;
  }
}

void Session::apply_one(const Edit& edit, std::vector<bool>& dropped) {
  bool there = edit.index < dropped.size();
  switch (edit.kind) {
    case EditKind::insert_header:
    case EditKind::replace_header:
    case EditKind::remove_header: return apply_header(edit);
    case EditKind::replace_body: body = edit.value; return;
    case EditKind::add_recipient: {
      Attrs row;
      put(row, VRD_ATTR_RECIPIENT, edit.value);
      if (!edit.extra.empty()) put(row, VRD_ATTR_RECIPIENT_NEXT_HOP, edit.extra);
      recipients.push_back(std::move(row));
      return;
    }
    case EditKind::drop_recipient:
      if (there) dropped[edit.index] = true;
      return;
    case EditKind::set_recipient:
      if (!there) return;
      if (!recipients[edit.index].contains(VRD_ATTR_RECIPIENT_ORIGINAL)) put(recipients[edit.index], VRD_ATTR_RECIPIENT_ORIGINAL, recipient_text(edit.index));
      put(recipients[edit.index], VRD_ATTR_RECIPIENT, edit.value);
      return;
    case EditKind::set_sender: put(attrs, VRD_ATTR_SENDER, edit.value); return;
    case EditKind::set_route:
      if (there && !edit.value.empty()) put(recipients[edit.index], VRD_ATTR_RECIPIENT_NEXT_HOP, edit.value);
      if (!edit.extra.empty()) set_field("pool", edit.extra);
      return;
    case EditKind::set_field: return set_field(edit.name, edit.value);
    case EditKind::note: notes[edit.name] = edit.value; return;
    case EditKind::split:
      for (uint32_t index : edit.indices)
        if (index < dropped.size()) dropped[index] = true;
      return;
    case EditKind::authres: results.push_back(edit); return;
    case EditKind::reply:
    case EditKind::rule: return;
  }
}

void Session::apply(uint32_t stage, const std::vector<Edit>& edits) {
  std::vector<bool> dropped(recipients.size(), false);
  for (const Edit& edit : edits) apply_one(edit, dropped);
  for (size_t i = dropped.size(); i-- > 0;)
    if (dropped[i]) recipients.erase(recipients.begin() + static_cast<ptrdiff_t>(i));
  if (recipient >= recipients.size()) recipient = 0;
  if (stage == VRD_STAGE_MESSAGE) compose_results();
}

void Session::compose_results() {
  std::erase_if(fields, [&](const Field& field) {
    if (!iequals(field.name, "Authentication-Results")) return false;
    std::string_view value = trimmed(field.value);
    return istarts_with(value, hostname_) && (value.size() == hostname_.size() || value[hostname_.size()] == ';' || value[hostname_.size()] == ' ');
  });
  if (results.empty()) return;
  std::string value = " " + hostname_;
  for (const Edit& result : results) {
    value += ";\r\n " + result.name + "=" + result.value;
    if (!result.extra.empty()) value += " reason=" + quoted(result.extra);
    for (const auto& [name, text] : result.properties) value += " " + name + "=" + quoted(text);
  }
  fields.insert(fields.begin(), Field{"Authentication-Results", value});
}

size_t Session::header_count(const std::string& name) const {
  return static_cast<size_t>(std::count_if(fields.begin(), fields.end(), [&](const Field& field) { return iequals(field.name, name); }));
}

std::string Session::header_text(const std::string& name, size_t occurrence) const {
  for (const Field& field : fields)
    if (iequals(field.name, name) && occurrence-- == 0) return std::string(trimmed(field.value));
  return {};
}

std::string Session::recipient_text(size_t index) const {
  auto found = recipients[index].find(VRD_ATTR_RECIPIENT);
  return found == recipients[index].end() ? "" : found->second.text;
}

std::string Session::attr_text(uint32_t id) const {
  auto found = attrs.find(id);
  return found == attrs.end() ? "" : found->second.text;
}

}  // namespace veredus::ptest
