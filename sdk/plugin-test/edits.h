// Wanted changes, as records: core.edit and core.authres fill a list of them, the stage judges and applies it. Lists are never freed, so that
// late use can be told. Any thread; a list by one thread at a time.
#pragma once

#include <veredus/authres.h>
#include <veredus/edit.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace veredus::ptest {

class Bench;
struct Instance;

enum class EditKind : uint8_t {
  insert_header, replace_header, remove_header, replace_body, add_recipient, drop_recipient, set_recipient, set_sender, set_route,
  set_field, note, split, authres, reply, rule,
};

struct Edit {
  EditKind kind = EditKind::rule;
  uint32_t index = 0;  // or the occurrence
  std::string name, value, extra;
  std::vector<uint32_t> indices;
  std::vector<std::pair<std::string, std::string>> properties;
  uint32_t smtp = 0;
  uint8_t enhanced[3] = {0, 0, 0};
};

uint32_t right_of(EditKind kind);    // VRD_MAY_...; 0: needs none
std::optional<Edit> result_of(std::string_view text);  // "spf=pass smtp.mailfrom=a.test"
std::string edit_text(const Edit& edit);  // "insert_header 0 X-Spam: yes"

}  // namespace veredus::ptest

// The ABI's opaque type.
struct vrd_edits {
  veredus::ptest::Instance* owner = nullptr;
  std::vector<veredus::ptest::Edit> list;
  bool of_call = false;  // core.hook edits(): the stage's own
  bool gone = false;     // given to complete(), destroyed, or its call has ended
  bool no_memory = false;
};

namespace veredus::ptest {

vrd_edits* new_edits(Instance* owner, bool of_call);
std::vector<Edit> take_edits(vrd_edits* edits, const char* function);  // consumes; NULL is allowed
void check_edits(Bench& bench);  // at the end: lists that were given back to nobody
const vrd_core_edit_1* edit_table();
const vrd_core_authres_1* authres_table();

}  // namespace veredus::ptest
