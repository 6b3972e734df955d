// core.edit/1 and core.authres/1: arguments are checked when an edit is added, rights when the list is taken.
#include "edits.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "base/text.h"
#include "bench.h"
#include "mail/address.h"
#include "picture.h"

namespace veredus::ptest {

namespace {

constexpr size_t kMostEdits = 10'000;
constexpr size_t kMostResults = 64;

struct All {
  std::mutex mutex;
  std::vector<std::unique_ptr<vrd_edits>> lists;
};

All& all() {
  static All the;
  return the;
}

bool usable(vrd_edits* edits, const char* function) {
  if (edits && !edits->gone) return true;
  watch().breach("edits", std::string(function) + (edits ? " of a list that is gone" : " without a list"));
  return false;
}

vrd_status add(vrd_edits* edits, const char* function, bool good, Edit edit) {
  if (!usable(edits, function)) return VRD_E_STATE;
  if (!good) return VRD_E_INVALID;
  if (edits->no_memory || edits->list.size() >= kMostEdits) return VRD_E_MEMORY;
  edits->list.push_back(std::move(edit));
  return VRD_OK;
}

Edit make(EditKind kind, uint32_t index = 0, vrd_str name = no_str(), vrd_str value = no_str(), vrd_str extra = no_str()) {
  Edit out;
  out.kind = kind;
  out.index = index;
  out.name = string_of(name);
  out.value = string_of(value);
  out.extra = string_of(extra);
  return out;
}

bool field_name(vrd_str name) {
  std::string_view text = view_of(name);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 32 && c < 127 && c != ':'; });
}

// No controls but tab, and CRLF only as a fold.
bool field_value(vrd_str value) {
  std::string_view text = view_of(value);
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    bool fold = c == '\r' && i + 2 < text.size() && text[i + 1] == '\n' && (text[i + 2] == ' ' || text[i + 2] == '\t');
    if (fold) ++i;
    else if ((c < 32 && c != '\t') || c == 127) return false;
  }
  return true;
}

bool plain(vrd_str value, size_t longest) {
  std::string_view text = view_of(value);
  return text.size() <= longest && std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; });
}

bool printable_ascii(vrd_str value, size_t longest) { return plain(value, longest) && is_ascii(view_of(value)); }
bool address(vrd_str value) { return Address::parse(view_of(value)).ok(); }

bool note_key(vrd_str key) {
  auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'; };
  std::string_view text = view_of(key);
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), good);
}

bool known_field(vrd_str name, vrd_str value) {
  std::string_view text = view_of(name);
  if (text == "priority") return parse_uint(view_of(value), 100).has_value();
  return (text == "tenant" || text == "stream" || text == "pool") && plain(value, 255);
}

bool keyword(std::string_view text, std::string_view more) {
  auto good = [&](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || more.find(c) != more.npos; };
  return !text.empty() && std::all_of(text.begin(), text.end(), good);
}

vrd_edits* create(const vrd_host* host) {
  Instance* instance = nullptr;
  if (gate(host, "core.edit create", Where::any, &instance) != VRD_OK || instance->bench->no_memory(Scarce::edits)) return nullptr;
  return new_edits(instance, false);
}

void destroy(vrd_edits* edits) {
  if (!usable(edits, "core.edit destroy")) return;
  if (edits->of_call) return watch().breach("edits", "core.edit destroy of the stage's own list");
  edits->gone = true;
}

vrd_status insert_header(vrd_edits* e, uint32_t index, vrd_str name, vrd_str value) {
  return add(e, "core.edit insert_header", field_name(name) && field_value(value), make(EditKind::insert_header, index, name, value));
}
vrd_status replace_header(vrd_edits* e, vrd_str name, uint32_t occurrence, vrd_str value) {
  bool good = field_name(name) && field_value(value) && occurrence > 0;
  return add(e, "core.edit replace_header", good, make(EditKind::replace_header, occurrence, name, value));
}
vrd_status remove_header(vrd_edits* e, vrd_str name, uint32_t occurrence) {
  return add(e, "core.edit remove_header", field_name(name), make(EditKind::remove_header, occurrence, name));
}
vrd_status replace_body(vrd_edits* e, vrd_str body) {
  return add(e, "core.edit replace_body", true, make(EditKind::replace_body, 0, no_str(), body));
}
vrd_status add_recipient(vrd_edits* e, vrd_str to, vrd_str hop) {
  return add(e, "core.edit add_recipient", address(to) && plain(hop, 4096), make(EditKind::add_recipient, 0, no_str(), to, hop));
}
vrd_status drop_recipient(vrd_edits* e, uint32_t index) {
  return add(e, "core.edit drop_recipient", true, make(EditKind::drop_recipient, index));
}
vrd_status set_recipient(vrd_edits* e, uint32_t index, vrd_str to) {
  return add(e, "core.edit set_recipient", address(to), make(EditKind::set_recipient, index, no_str(), to));
}
vrd_status set_sender(vrd_edits* e, vrd_str from) {
  return add(e, "core.edit set_sender", from.len == 0 || address(from), make(EditKind::set_sender, 0, no_str(), from));
}
vrd_status set_route(vrd_edits* e, uint32_t index, vrd_str hop, vrd_str pool) {
  return add(e, "core.edit set_route", plain(hop, 4096) && plain(pool, 255), make(EditKind::set_route, index, no_str(), hop, pool));
}
vrd_status set_field(vrd_edits* e, vrd_str name, vrd_str value) {
  return add(e, "core.edit set_field", known_field(name, value), make(EditKind::set_field, 0, name, value));
}
vrd_status note(vrd_edits* e, vrd_str key, vrd_str value) {
  return add(e, "core.edit note", note_key(key) && value.len <= 1024, make(EditKind::note, 0, key, value));
}
vrd_status split(vrd_edits* e, const uint32_t* indices, size_t count) {
  Edit edit = make(EditKind::split);
  if (indices) edit.indices.assign(indices, indices + count);
  bool good = !edit.indices.empty();
  return add(e, "core.edit split", good, std::move(edit));
}
vrd_status reply(vrd_edits* e, uint32_t smtp, const uint8_t enhanced[3], vrd_str text) {
  Edit edit = make(EditKind::reply, 0, no_str(), text);
  edit.smtp = smtp;
  if (enhanced) std::copy(enhanced, enhanced + 3, edit.enhanced);
  return add(e, "core.edit reply", printable_ascii(text, 480) && (smtp == 0 || (smtp >= 200 && smtp <= 599)), std::move(edit));
}
vrd_status rule(vrd_edits* e, vrd_str name) {
  return add(e, "core.edit rule", plain(name, 128), make(EditKind::rule, 0, no_str(), name));
}

bool good_result(const vrd_authres& result, Edit* edit) {
  if (!keyword(view_of(result.method), "") || !keyword(view_of(result.result), "") || result.property_count > 16) return false;
  for (uint64_t i = 0; i < result.property_count; ++i) {
    std::string name = string_of(result.properties[i].name);
    if (!keyword(name, "._") || name.find('.') == std::string::npos) return false;
    edit->properties.emplace_back(name, string_of(result.properties[i].value));
  }
  return true;
}

vrd_status add_result(vrd_edits* edits, const vrd_authres* result) {
  if (!usable(edits, "core.authres add")) return VRD_E_STATE;
  if (!result || result->size < sizeof(vrd_authres)) return VRD_E_INVALID;
  Edit edit = make(EditKind::authres, 0, result->method, result->result, result->reason);
  bool good = good_result(*result, &edit);
  auto is_result = [](const Edit& each) { return each.kind == EditKind::authres; };
  if (static_cast<size_t>(std::count_if(edits->list.begin(), edits->list.end(), is_result)) >= kMostResults) return VRD_E_MEMORY;
  return add(edits, "core.authres add", good, std::move(edit));
}

uint32_t count_results(const vrd_view* view) {
  return usable_view(view, "core.authres count") ? static_cast<uint32_t>(view->picture->results.size()) : 0;
}

vrd_status result_at(const vrd_view* view, uint32_t index, vrd_authres* out) {
  if (!usable_view(view, "core.authres at")) return VRD_E_STATE;
  if (!out || out->size < sizeof(vrd_authres)) return VRD_E_INVALID;
  if (index >= view->picture->results.size()) return VRD_E_NOT_FOUND;
  const AuthFinding& found = view->picture->results[index];
  *out = {out->size, 0, str_of(found.method), str_of(found.result), str_of(found.reason), nullptr, found.properties.size()};
  return VRD_OK;
}

vrd_status result_property(const vrd_view* view, uint32_t index, uint32_t position, vrd_str* name, vrd_str* value) {
  if (!usable_view(view, "core.authres property")) return VRD_E_STATE;
  const auto& results = view->picture->results;
  if (index >= results.size() || position >= results[index].properties.size()) return VRD_E_NOT_FOUND;
  const auto& [key, text] = results[index].properties[position];
  if (name) *name = str_of(key);
  if (value) *value = str_of(text);
  return VRD_OK;
}

std::string indices_text(const std::vector<uint32_t>& indices) {
  std::string out;
  for (uint32_t index : indices) out += (out.empty() ? "" : ",") + std::to_string(index);
  return out;
}

std::string result_text(const Edit& edit) {
  std::string out = "authres " + edit.name + "=" + edit.value;
  if (!edit.extra.empty()) out += " (" + edit.extra + ")";
  for (const auto& [name, value] : edit.properties) out += " " + name + "=" + value;
  return out;
}

std::string reply_text(const Edit& edit) {
  std::string out = "reply " + std::to_string(edit.smtp);
  for (int i = 0; i < 3; ++i) out += (i == 0 ? " " : ".") + std::to_string(edit.enhanced[i]);
  return out + " " + edit.value;
}

std::string with(std::string text, const std::string& more) { return more.empty() ? text : text + " " + more; }

}  // namespace

uint32_t right_of(EditKind kind) {
  constexpr uint32_t kRights[] = {VRD_MAY_HEADERS,    VRD_MAY_HEADERS, VRD_MAY_HEADERS, VRD_MAY_BODY,  VRD_MAY_RECIPIENTS,
                                  VRD_MAY_RECIPIENTS, VRD_MAY_RECIPIENTS, VRD_MAY_SENDER, VRD_MAY_ROUTE, VRD_MAY_FIELDS,
                                  VRD_MAY_NOTES,      VRD_MAY_SPLIT,   VRD_MAY_AUTHRES, 0,             0};
  return kRights[static_cast<size_t>(kind)];
}

std::string edit_text(const Edit& e) {
  std::string index = std::to_string(e.index);
  switch (e.kind) {
    case EditKind::insert_header: return "insert_header " + index + " " + e.name + ": " + e.value;
    case EditKind::replace_header: return "replace_header " + index + " " + e.name + ": " + e.value;
    case EditKind::remove_header: return "remove_header " + index + " " + e.name;
    case EditKind::replace_body: return "replace_body " + e.value;
    case EditKind::add_recipient: return with("add_recipient " + e.value, e.extra);
    case EditKind::drop_recipient: return "drop_recipient " + index;
    case EditKind::set_recipient: return "set_recipient " + index + " " + e.value;
    case EditKind::set_sender: return "set_sender <" + e.value + ">";
    case EditKind::set_route: return with(with("set_route " + index, e.value), e.extra.empty() ? "" : "pool=" + e.extra);
    case EditKind::set_field: return "set_field " + e.name + "=" + e.value;
    case EditKind::note: return "note " + e.name + "=" + e.value;
    case EditKind::split: return "split " + indices_text(e.indices);
    case EditKind::authres: return result_text(e);
    case EditKind::reply: return reply_text(e);
    case EditKind::rule: return "rule " + e.value;
  }
  return {};
}

vrd_edits* new_edits(Instance* owner, bool of_call) {
  auto edits = std::make_unique<vrd_edits>();
  edits->owner = owner;
  edits->of_call = of_call;
  edits->no_memory = of_call && owner->bench->no_memory(Scarce::edits);
  std::lock_guard lock(all().mutex);
  all().lists.push_back(std::move(edits));
  return all().lists.back().get();
}

std::vector<Edit> take_edits(vrd_edits* edits, const char* function) {
  if (!edits) return {};
  if (!usable(edits, function)) return {};
  edits->gone = true;
  if (!edits->of_call) return std::move(edits->list);
  watch().breach("edits", std::string(function) + " was given the stage's own list");
  return {};
}

void check_edits(Bench& bench) {
  std::lock_guard lock(all().mutex);
  for (const auto& edits : all().lists)
    if (edits->owner->bench == &bench && !edits->gone)
      watch().breach("edits leaked", "a list of core.edit create was neither completed nor destroyed");
}

const vrd_core_edit_1* edit_table() {
  static const vrd_core_edit_1 kTable{sizeof(vrd_core_edit_1), 0,        create,        destroy,   insert_header, replace_header,
                                      remove_header, replace_body,       add_recipient, drop_recipient, set_recipient, set_sender,
                                      set_route,     set_field,          note,          split,     reply,         rule};
  return &kTable;
}

std::optional<Edit> result_of(std::string_view text) {
  Edit out;
  out.kind = EditKind::authres;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find(' ', at), text.size());
    std::string_view word = text.substr(at, end - at);
    at = end + 1;
    size_t equal = word.find('=');
    if (word.empty()) continue;
    if (equal == 0 || equal == std::string_view::npos) return std::nullopt;
    std::string name(word.substr(0, equal)), value(word.substr(equal + 1));
    if (out.name.empty()) out.name = name, out.value = value;
    else out.properties.emplace_back(name, value);
  }
  if (out.name.empty()) return std::nullopt;
  return out;
}

const vrd_core_authres_1* authres_table() {
  static const vrd_core_authres_1 kTable{sizeof(vrd_core_authres_1), 0, add_result, count_results, result_at, result_property};
  return &kTable;
}

}  // namespace veredus::ptest
