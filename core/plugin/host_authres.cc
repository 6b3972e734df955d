// core.authres/1: results of authentication methods, added to the edits of a call, and read: a live view shows those of earlier stages and of
// earlier hooks of its own, a frozen one has both in its copy.
#include <veredus/authres.h>

#include "plugin/calls.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr size_t kMostProperties = 16;

vrd_status authres_add(vrd_edits* edits, const vrd_authres* result) {
  if (!result || result->size < sizeof(vrd_authres) || result->zero != 0) return VRD_E_INVALID;
  if (result->property_count > kMostProperties || (result->property_count > 0 && !result->properties)) return VRD_E_INVALID;
  if (!checked(edits, "core.authres add")) return VRD_E_STATE;
  AuthResult out;
  out.method = text_of(result->method);
  out.result = text_of(result->result);
  out.reason = text_of(result->reason);
  for (uint64_t i = 0; i < result->property_count; ++i)
    out.properties.emplace_back(text_of(result->properties[i].name), text_of(result->properties[i].value));
  if (!auth_result_problem(out).empty()) return VRD_E_INVALID;
  size_t there = 0;
  for (const Edit& edit : edits->list) there += std::holds_alternative<AddAuthResult>(edit);
  if (there >= kMostAuthResults) return VRD_E_MEMORY;
  edits->list.emplace_back(std::move(out));
  return VRD_OK;
}

// In the order they were added. Calls `look` with each until it says true.
template <typename Look>
bool any_result(const vrd_view& view, Look look) {
  const Subject& subject = view.stage ? *view.stage->subject : *view.subject;
  if (subject.auth_results)
    for (const AuthResult& each : *subject.auth_results)
      if (look(each)) return true;
  if (!view.stage || !view.stage->call) return false;
  for (const Edit& edit : view.stage->call->earlier())
    if (const auto* added = std::get_if<AddAuthResult>(&edit); added && look(*added)) return true;
  return false;
}

const AuthResult* find_result(const vrd_view& view, uint32_t index) {
  const AuthResult* out = nullptr;
  any_result(view, [&](const AuthResult& each) {
    out = &each;
    return index-- == 0;
  });
  return index == UINT32_MAX ? out : nullptr;
}

vrd_str lent(const std::string& text) { return {text.c_str(), text.size()}; }

uint32_t authres_count(const vrd_view* given) {
  vrd_view* view = checked(given, "core.authres count");
  uint32_t out = 0;
  if (view) any_result(*view, [&](const AuthResult&) { return ++out, false; });
  return out;
}

vrd_status authres_at(const vrd_view* given, uint32_t index, vrd_authres* out) {
  vrd_view* view = checked(given, "core.authres at");
  if (!view) return VRD_E_STATE;
  if (!out || out->size < sizeof(vrd_authres)) return VRD_E_INVALID;
  const AuthResult* found = find_result(*view, index);
  if (!found) return VRD_E_NOT_FOUND;
  *out = {out->size, 0, lent(found->method), lent(found->result), lent(found->reason), nullptr, found->properties.size()};
  return VRD_OK;
}

vrd_status authres_property(const vrd_view* given, uint32_t index, uint32_t position, vrd_str* name, vrd_str* value) {
  vrd_view* view = checked(given, "core.authres property");
  if (!view) return VRD_E_STATE;
  const AuthResult* found = find_result(*view, index);
  if (!found || position >= found->properties.size()) return VRD_E_NOT_FOUND;
  if (name) *name = lent(found->properties[position].first);
  if (value) *value = lent(found->properties[position].second);
  return VRD_OK;
}

constexpr vrd_core_authres_1 kTable{VRD_SIZED(vrd_core_authres_1), 0, authres_add, authres_count, authres_at, authres_property};

}  // namespace

const vrd_core_authres_1& core_authres() { return kTable; }

}  // namespace veredus
