// core.message/1: reads views. A frozen view is read by several threads: what is made for it is made once, under its mutex.
#include <veredus/message.h>

#include <algorithm>

#include "plugin/attributes.h"
#include "plugin/calls.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr uint64_t kOfTheStage = uint64_t{UINT32_MAX} << 32;

// Keeps a frozen view to one reader; a live one has no other.
class Reading {
 public:
  Reading(const vrd_view* view, std::string_view function) : view_(checked(view, function)) {
    if (!view_) return;
    if (view_->stage)
      view_->stage->touched = true;
    else
      lock_ = std::unique_lock(view_->mutex);
  }
  explicit operator bool() const { return view_ != nullptr; }
  vrd_view* operator->() const { return view_; }
  const Subject& subject() const { return view_->stage ? *view_->stage->subject : *view_->subject; }
  const HeaderIndex& headers() const {
    if (!view_->headers) view_->headers = std::make_unique<HeaderIndex>(subject());
    return *view_->headers;
  }

  // Text with a NUL behind it that lives as long as the view.
  vrd_str lend(const Attribute& from, uint64_t key) const {
    if (from.kept) return {from.kept->c_str(), from.kept->size()};
    if (view_->stage) return view_->arena.put(from.made);
    auto [place, fresh] = view_->texts.try_emplace(key);
    if (fresh) place->second = view_->arena.put(from.made);
    return place->second;
  }

 private:
  vrd_view* view_;
  std::unique_lock<std::mutex> lock_;
};

vrd_status read_into(const Reading& view, uint32_t id, const Recipient* recipient, uint64_t key, vrd_value* out) {
  Attribute found = read_attribute(id, view.subject(), recipient);
  *out = {found.kind, 0, found.number, {"", 0}};
  if (found.kind == VRD_TEXT) out->text = view.lend(found, key | id);
  return VRD_OK;
}

vrd_status message_attr(const vrd_view* given, uint32_t id, vrd_value* out) {
  if (!out) return VRD_E_INVALID;
  *out = {VRD_NONE, 0, 0, {"", 0}};
  if (!attribute_known(id)) return VRD_E_NOT_FOUND;
  Reading view(given, "core.message attr");
  if (!view) return VRD_E_STATE;
  return read_into(view, id, view.subject().recipient, kOfTheStage, out);
}

vrd_status message_attr_of(const vrd_view* given, uint32_t id, uint32_t recipient, vrd_value* out) {
  if (!out) return VRD_E_INVALID;
  *out = {VRD_NONE, 0, 0, {"", 0}};
  if (!attribute_known(id)) return VRD_E_NOT_FOUND;
  Reading view(given, "core.message attr_of");
  if (!view) return VRD_E_STATE;
  const Envelope* envelope = view.subject().envelope;
  if (!envelope || recipient >= envelope->recipients.size()) return VRD_E_INVALID;
  return read_into(view, id, &envelope->recipients[recipient], uint64_t{recipient} << 32, out);
}

uint32_t message_attr_id(vrd_str name) { return attribute_id(text_of(name)); }

vrd_status message_note(const vrd_view* given, vrd_str key, vrd_str* value) {
  Reading view(given, "core.message note");
  if (!view) return VRD_E_STATE;
  const std::string* found = find_note(view.subject().notes(), text_of(key));
  if (!found) return VRD_E_NOT_FOUND;
  if (value) *value = {found->c_str(), found->size()};
  return VRD_OK;
}

uint32_t message_header_count(const vrd_view* given) {
  Reading view(given, "core.message header_count");
  return view ? view.headers().count() : 0;
}

vrd_status message_header_at(const vrd_view* given, uint32_t index, vrd_str* name, vrd_str* value) {
  Reading view(given, "core.message header_at");
  if (!view) return VRD_E_STATE;
  vrd_str found_name{}, found_value{};
  if (!view.headers().at(index, found_name, found_value)) return VRD_E_NOT_FOUND;
  if (name) *name = found_name;
  if (value) *value = found_value;
  return VRD_OK;
}

vrd_status message_header(const vrd_view* given, vrd_str name, uint32_t occurrence, vrd_str* value, uint32_t* index) {
  Reading view(given, "core.message header");
  if (!view) return VRD_E_STATE;
  vrd_str found{};
  uint32_t at = 0;
  if (!view.headers().find(text_of(name), occurrence, found, at)) return VRD_E_NOT_FOUND;
  if (value) *value = found;
  if (index) *index = at;
  return VRD_OK;
}

uint64_t message_size_of(const vrd_view* given) {
  Reading view(given, "core.message size_of");
  return view && view.subject().content ? view.subject().content->size() : 0;
}

uint64_t message_body_start(const vrd_view* given) {
  Reading view(given, "core.message body_start");
  if (!view || !view.subject().content) return 0;
  return std::min(view.headers().size(), view.subject().content->size());
}

vrd_status read_octets(const Content* content, uint64_t offset, void* buffer, size_t capacity, size_t* got) {
  if (!content) return VRD_E_UNSUPPORTED;
  if (!buffer || !got || offset > content->size()) return VRD_E_INVALID;
  Result<size_t> count = read_content(*content, offset, static_cast<char*>(buffer), capacity);
  if (!count) return VRD_E_IO;
  *got = *count;
  return VRD_OK;
}

vrd_status message_read(const vrd_view* given, uint64_t offset, void* buffer, size_t capacity, size_t* got) {
  if (got) *got = 0;
  vrd_view* view = checked(given, "core.message read");
  return view ? read_octets(view->subject->content, offset, buffer, capacity, got) : VRD_E_STATE;
}

const Content* received_content(const Subject& subject) { return subject.original ? &subject.original->content : subject.content; }

uint64_t message_received_size(const vrd_view* given) {
  vrd_view* view = checked(given, "core.message received_size");
  const Content* content = view ? received_content(*view->subject) : nullptr;
  return content ? content->size() : 0;
}

uint64_t message_received_body_start(const vrd_view* given) {
  vrd_view* view = checked(given, "core.message received_body_start");
  if (!view) return 0;
  return view->subject->original ? view->subject->original->body_start : message_body_start(given);
}

vrd_status message_read_received(const vrd_view* given, uint64_t offset, void* buffer, size_t capacity, size_t* got) {
  if (got) *got = 0;
  vrd_view* view = checked(given, "core.message read_received");
  return view ? read_octets(received_content(*view->subject), offset, buffer, capacity, got) : VRD_E_STATE;
}

constexpr vrd_core_message_1 kTable{
    VRD_SIZED(vrd_core_message_1), 0,           message_attr,       message_attr_of,   message_attr_id,
    message_note,                  message_header_count, message_header_at, message_header, message_size_of,
    message_body_start,            message_read,         message_received_size, message_received_body_start,
    message_read_received,
};

}  // namespace

const vrd_core_message_1& core_message() { return kTable; }

}  // namespace veredus
