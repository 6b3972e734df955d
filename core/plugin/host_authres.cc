// core.authres/1: results of authentication methods, among the edits of a call.
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

constexpr vrd_core_authres_1 kTable{VRD_SIZED(vrd_core_authres_1), 0, authres_add};

}  // namespace

const vrd_core_authres_1& core_authres() { return kTable; }

}  // namespace veredus
