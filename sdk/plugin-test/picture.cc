// Attributes by the table of veredus/attr.h, and core.message/1.
#include "picture.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/text.h"
#include "bench.h"

namespace veredus::ptest {

namespace {

#define VTEST_ROW(ID, number, name, kind, stage, per_recipient, doc) {name, number, VRD_##kind, VRD_STAGE_##stage, (per_recipient) != 0},
constexpr AttrInfo kAttrs[] = {VRD_ATTRS(VTEST_ROW)};
#undef VTEST_ROW

struct All {
  std::mutex mutex;
  std::vector<std::unique_ptr<vrd_view>> views;
};

All& all() {
  static All the;
  return the;
}

vrd_status value_of(const Attrs& attrs, const AttrInfo& info, uint32_t stage, vrd_value* out) {
  auto found = attrs.find(info.id);
  if (found == attrs.end() || stage < info.stage) return VRD_OK;
  out->kind = info.kind;
  out->number = found->second.number;
  if (info.kind == VRD_TEXT) out->text = str_of(found->second.text);
  return VRD_OK;
}

void clear(vrd_value* out) {
  std::memset(out, 0, sizeof(*out));
  out->text = no_str();
}

vrd_status attr(const vrd_view* view, uint32_t id, vrd_value* out) {
  if (!out) return VRD_E_INVALID;
  clear(out);
  if (!usable_view(view, "core.message attr")) return VRD_E_STATE;
  const AttrInfo* info = attr_by_id(id);
  if (!info) return VRD_E_NOT_FOUND;
  const Picture& picture = *view->picture;
  if (!info->per_recipient) return value_of(picture.attrs, *info, picture.stage, out);
  if (picture.recipient >= picture.recipients.size()) return VRD_OK;
  return value_of(picture.recipients[picture.recipient], *info, picture.stage, out);
}

vrd_status attr_of(const vrd_view* view, uint32_t id, uint32_t recipient, vrd_value* out) {
  if (!out) return VRD_E_INVALID;
  clear(out);
  if (!usable_view(view, "core.message attr_of")) return VRD_E_STATE;
  const AttrInfo* info = attr_by_id(id);
  if (!info) return VRD_E_NOT_FOUND;
  const Picture& picture = *view->picture;
  if (recipient >= picture.recipients.size()) return VRD_E_INVALID;
  return value_of(info->per_recipient ? picture.recipients[recipient] : picture.attrs, *info, picture.stage, out);
}

uint32_t attr_id(vrd_str name) {
  const AttrInfo* info = attr_by_name(view_of(name));
  return info ? info->id : 0;
}

vrd_status note(const vrd_view* view, vrd_str key, vrd_str* value) {
  if (!value || !usable_view(view, "core.message note")) return VRD_E_STATE;
  *value = no_str();
  auto found = view->picture->notes.find(string_of(key));
  if (found == view->picture->notes.end()) return VRD_E_NOT_FOUND;
  *value = str_of(found->second);
  return VRD_OK;
}

uint32_t header_count(const vrd_view* view) {
  return usable_view(view, "core.message header_count") ? static_cast<uint32_t>(view->picture->fields.size()) : 0;
}

vrd_status header_at(const vrd_view* view, uint32_t index, vrd_str* name, vrd_str* value) {
  if (!usable_view(view, "core.message header_at")) return VRD_E_STATE;
  if (index >= view->picture->fields.size()) return VRD_E_NOT_FOUND;
  const Field& field = view->picture->fields[index];
  if (name) *name = str_of(field.name);
  if (value) *value = str_of(field.value);
  return VRD_OK;
}

vrd_status header(const vrd_view* view, vrd_str name, uint32_t occurrence, vrd_str* value, uint32_t* index) {
  if (!usable_view(view, "core.message header")) return VRD_E_STATE;
  const auto& fields = view->picture->fields;
  uint32_t seen = 0;
  for (uint32_t i = 0; i < fields.size(); ++i) {
    if (!iequals(fields[i].name, view_of(name)) || ++seen != occurrence) continue;
    if (index) *index = i;
    if (value) *value = str_of(fields[i].value);
    return VRD_OK;
  }
  return VRD_E_NOT_FOUND;
}

uint64_t size_of(const vrd_view* view) { return usable_view(view, "core.message size_of") ? view->picture->octets.size() : 0; }
uint64_t body_start(const vrd_view* view) { return usable_view(view, "core.message body_start") ? view->picture->body_start : 0; }

vrd_status copy_octets(const std::string& from, uint64_t offset, void* buffer, size_t capacity, size_t* got) {
  if (offset > from.size() || !got || (!buffer && capacity > 0)) return VRD_E_INVALID;
  *got = std::min(capacity, from.size() - static_cast<size_t>(offset));
  if (*got > 0) std::memcpy(buffer, from.data() + offset, *got);
  return VRD_OK;
}

vrd_status read(const vrd_view* view, uint64_t offset, void* buffer, size_t capacity, size_t* got) {
  if (got) *got = 0;
  if (!usable_view(view, "core.message read")) return VRD_E_STATE;
  const Picture& picture = *view->picture;
  return picture.content ? copy_octets(picture.octets, offset, buffer, capacity, got) : VRD_E_UNSUPPORTED;
}

uint64_t received_size(const vrd_view* view) {
  return usable_view(view, "core.message received_size") ? view->picture->received.size() : 0;
}
uint64_t received_body_start(const vrd_view* view) {
  return usable_view(view, "core.message received_body_start") ? view->picture->received_body_start : 0;
}

vrd_status read_received(const vrd_view* view, uint64_t offset, void* buffer, size_t capacity, size_t* got) {
  if (got) *got = 0;
  if (!usable_view(view, "core.message read_received")) return VRD_E_STATE;
  const Picture& picture = *view->picture;
  return picture.content ? copy_octets(picture.received, offset, buffer, capacity, got) : VRD_E_UNSUPPORTED;
}

}  // namespace

const AttrInfo* attr_by_id(uint32_t id) {
  for (const AttrInfo& info : kAttrs)
    if (info.id == id) return &info;
  return nullptr;
}

const AttrInfo* attr_by_name(std::string_view name) {
  for (const AttrInfo& info : kAttrs)
    if (info.name == name) return &info;
  return nullptr;
}

bool set_attr(Attrs& attrs, const AttrInfo& info, const std::string& text) {
  AttrValue value;
  value.text = text;
  if (info.kind == VRD_BOOL) {
    if (text != "true" && text != "false") return false;
    value.number = text == "true";
  } else if (info.kind != VRD_TEXT) {
    auto number = parse_uint(text, INT64_MAX);
    if (!number) return false;
    value.number = static_cast<int64_t>(*number);
  }
  attrs[info.id] = std::move(value);
  return true;
}

vrd_view* new_view(Bench& bench, std::shared_ptr<const Picture> picture, std::string what, bool retained) {
  auto view = std::make_unique<vrd_view>();
  view->picture = std::move(picture);
  view->bench = &bench;
  view->what = std::move(what);
  view->retained = retained;
  std::lock_guard lock(all().mutex);
  all().views.push_back(std::move(view));
  return all().views.back().get();
}

bool usable_view(const vrd_view* view, const char* function) {
  if (view && !view->gone) return true;
  std::string how = !view ? "without a view" : view->retained ? "of a view that was released" : "of a view whose call has ended: retain it";
  watch().breach("view", std::string(function) + " " + how);
  return false;
}

const vrd_view* retain_view(const vrd_view* view) {
  if (!usable_view(view, "core.hook view_retain") || view->bench->no_memory(Scarce::views)) return nullptr;
  return new_view(*view->bench, view->picture, view->what, true);
}

void release_view(const vrd_view* view) {
  if (!view || !usable_view(view, "core.hook view_release")) return;
  if (!view->retained) return watch().breach("view", "core.hook view_release of a view that was not retained");
  const_cast<vrd_view*>(view)->gone = true;
}

void check_views(Bench& bench) {
  if (bench.plan.stop_at_once) return;  // the waits that hold them never end
  std::lock_guard lock(all().mutex);
  for (const auto& view : all().views)
    if (view->bench == &bench && view->retained && !view->gone) watch().breach("view leaked", "a view of " + view->what + " was never released");
}

const vrd_core_message_1* message_table() {
  static const vrd_core_message_1 kTable{sizeof(vrd_core_message_1), 0,      attr,       attr_of, attr_id,       note,                header_count,
                                         header_at,                  header, size_of, body_start, read, received_size, received_body_start, read_received};
  return &kTable;
}

}  // namespace veredus::ptest
