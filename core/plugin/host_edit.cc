// core.edit/1: lists of wanted changes, checked one by one as they are added. Rights are looked at when they are taken, by the runner.
#include <veredus/edit.h>

#include <algorithm>

#include "base/text.h"
#include "config/settings.h"
#include "mail/headers.h"
#include "plugin/calls.h"
#include "plugin/instance.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr size_t kMostEdits = 10'000, kLongestReply = 480, kLongestRule = 128, kLongestPool = 64;
constexpr uint32_t kMostCode = 599;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

bool has_control(std::string_view text) { return std::any_of(text.begin(), text.end(), is_control); }

// Of a header: CRLF only before space or tab, no other control but the tab.
bool is_header_value(std::string_view value) {
  for (size_t i = 0; i < value.size(); ++i) {
    if (!is_control(value[i]) || value[i] == '\t') continue;
    bool fold = value.substr(i).starts_with("\r\n") && i + 2 < value.size() && (value[i + 2] == ' ' || value[i + 2] == '\t');
    if (!fold) return false;
    ++i;
  }
  return true;
}

// A change of what is given to nobody any more, or by whom it is not shown to.
vrd_status ready(vrd_edits* edits, std::string_view function) {
  if (!checked(edits, function)) return VRD_E_STATE;
  return edits->list.size() < kMostEdits ? VRD_OK : VRD_E_MEMORY;
}

vrd_status add(vrd_edits* edits, std::string_view function, bool sound, Edit edit) {
  vrd_status status = ready(edits, function);
  if (status != VRD_OK) return status;
  if (!sound) return VRD_E_INVALID;
  edits->list.push_back(std::move(edit));
  return VRD_OK;
}

std::string owned(vrd_str text) { return std::string(text_of(text)); }

vrd_edits* edit_create(const vrd_host* host) {
  if (!host) return nullptr;
  auto out = std::make_unique<vrd_edits>();
  out->record = Instance::of(host).record();
  out->record->edits.fetch_add(1, std::memory_order_relaxed);
  return out.release();
}

void edit_destroy(vrd_edits* edits) {
  if (!edits) return;
  if (edits->stage) {
    checked(edits, "core.edit destroy");
    return;
  }
  edits->record->edits.fetch_sub(1, std::memory_order_relaxed);
  delete edits;
}

vrd_status insert_header(vrd_edits* edits, uint32_t index, vrd_str name, vrd_str value) {
  bool sound = is_field_name(text_of(name)) && is_header_value(text_of(value));
  return add(edits, "core.edit insert_header", sound, InsertHeader{index, owned(name), owned(value)});
}

vrd_status replace_header(vrd_edits* edits, vrd_str name, uint32_t occurrence, vrd_str value) {
  bool sound = is_field_name(text_of(name)) && is_header_value(text_of(value)) && occurrence > 0;
  return add(edits, "core.edit replace_header", sound, ReplaceHeader{owned(name), occurrence, owned(value)});
}

vrd_status remove_header(vrd_edits* edits, vrd_str name, uint32_t occurrence) {
  return add(edits, "core.edit remove_header", is_field_name(text_of(name)), RemoveHeader{owned(name), occurrence});
}

vrd_status replace_body(vrd_edits* edits, vrd_str body) {
  return add(edits, "core.edit replace_body", true, ReplaceBody{std::make_shared<const std::string>(text_of(body))});
}

bool is_next_hops(std::string_view text) { return text.empty() || parse_next_hops(text).has_value(); }

vrd_status add_recipient(vrd_edits* edits, vrd_str address, vrd_str next_hop) {
  auto parsed = Address::parse(text_of(address));
  AddRecipient edit;
  if (parsed) edit.recipient.address = std::move(*parsed);
  edit.recipient.next_hop = owned(next_hop);
  return add(edits, "core.edit add_recipient", parsed.ok() && is_next_hops(text_of(next_hop)), std::move(edit));
}

vrd_status drop_recipient(vrd_edits* edits, uint32_t index) { return add(edits, "core.edit drop_recipient", true, DropRecipient{index}); }

vrd_status set_recipient(vrd_edits* edits, uint32_t index, vrd_str address) {
  auto parsed = Address::parse(text_of(address));
  SetRecipient edit{index, {}};
  if (parsed) edit.recipient.address = std::move(*parsed);
  return add(edits, "core.edit set_recipient", parsed.ok(), std::move(edit));
}

vrd_status set_sender(vrd_edits* edits, vrd_str address) {
  if (address.len == 0) return add(edits, "core.edit set_sender", true, SetSender{});
  auto parsed = Address::parse(text_of(address));
  SetSender edit;
  if (parsed) edit.sender = std::move(*parsed);
  return add(edits, "core.edit set_sender", parsed.ok(), std::move(edit));
}

vrd_status set_route(vrd_edits* edits, uint32_t index, vrd_str next_hop, vrd_str pool) {
  bool sound = is_next_hops(text_of(next_hop)) && pool.len <= kLongestPool && !has_control(text_of(pool));
  return add(edits, "core.edit set_route", sound, SetRoute{index, owned(next_hop), owned(pool)});
}

vrd_status set_field(vrd_edits* edits, vrd_str name, vrd_str value) {
  std::string_view key = text_of(name);
  bool sound = (key == "tenant" || key == "stream" || key == "pool" || key == "priority" || key == "tls") && !has_control(text_of(value));
  if (key == "tls") sound = parse_tls_level(text_of(value)).has_value();
  if (key == "priority") sound = parse_uint(text_of(value), 100).has_value();
  return add(edits, "core.edit set_field", sound, SetField{owned(name), owned(value)});
}

vrd_status note(vrd_edits* edits, vrd_str key, vrd_str value) {
  return add(edits, "core.edit note", is_note_key(text_of(key)) && value.len <= kLongestNote, AddNote{owned(key), owned(value)});
}

vrd_status split(vrd_edits* edits, const uint32_t* indices, size_t count) {
  bool sound = indices && count > 0 && count <= kMostEdits;
  SplitRecipients edit;
  if (sound) edit.indices.assign(indices, indices + count);
  return add(edits, "core.edit split", sound, std::move(edit));
}

vrd_status reply(vrd_edits* edits, uint32_t smtp, const uint8_t enhanced[3], vrd_str text) {
  if (!checked(edits, "core.edit reply")) return VRD_E_STATE;
  bool code = smtp == 0 || (smtp >= 200 && smtp <= kMostCode);
  if (!code || text.len > kLongestReply || !is_printable_ascii(text_of(text))) return VRD_E_INVALID;
  edits->replied = true;
  edits->smtp = smtp;
  for (size_t i = 0; i < 3; ++i) edits->enhanced[i] = enhanced ? enhanced[i] : uint8_t{0};
  edits->text = text_of(text);
  return VRD_OK;
}

vrd_status rule(vrd_edits* edits, vrd_str name) {
  if (!checked(edits, "core.edit rule")) return VRD_E_STATE;
  if (name.len > kLongestRule || has_control(text_of(name))) return VRD_E_INVALID;
  edits->rule = text_of(name);
  return VRD_OK;
}

constexpr vrd_core_edit_1 kTable{
    VRD_SIZED(vrd_core_edit_1), 0,          edit_create,   edit_destroy, insert_header, replace_header,
    remove_header,              replace_body, add_recipient, drop_recipient, set_recipient, set_sender,
    set_route,                  set_field,  note,          split,        reply,         rule,
};

}  // namespace

const vrd_core_edit_1& core_edit() { return kTable; }

}  // namespace veredus
