// What a view shows: attributes, recipients, notes, header fields and the message's octets, frozen. Read by core.message/1, on any thread.
// Views are never freed, so that late reads can be told.
#pragma once

#include <veredus/message.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace veredus::ptest {

class Bench;

struct AttrInfo {
  const char* name;
  uint32_t id, kind, stage;
  bool per_recipient;
};
const AttrInfo* attr_by_id(uint32_t id);
const AttrInfo* attr_by_name(std::string_view name);

struct AttrValue {
  std::string text;
  int64_t number = 0;
};
using Attrs = std::map<uint32_t, AttrValue>;
bool set_attr(Attrs& attrs, const AttrInfo& info, const std::string& text);  // false: not of its kind

struct Field {
  std::string name, value;  // the value with its leading space, folds as they are
};

// What some plugin found out about the message's origin.
struct AuthFinding {
  std::string method, result, reason;
  std::vector<std::pair<std::string, std::string>> properties;
};

struct Picture {
  uint32_t stage = 0;
  Attrs attrs;
  std::vector<Attrs> recipients;
  uint32_t recipient = 0;
  std::map<std::string, std::string> notes;
  std::vector<AuthFinding> results;
  bool content = false;
  std::vector<Field> fields;
  std::string octets, received;  // as it is; as it came
  size_t body_start = 0, received_body_start = 0;
};

}  // namespace veredus::ptest

// The ABI's opaque type.
struct vrd_view {
  std::shared_ptr<const veredus::ptest::Picture> picture;
  veredus::ptest::Bench* bench = nullptr;
  std::string what;
  bool retained = false;          // else it lasts as long as its call
  std::atomic<bool> gone{false};
};

namespace veredus::ptest {

vrd_view* new_view(Bench& bench, std::shared_ptr<const Picture> picture, std::string what, bool retained);
const vrd_view* retain_view(const vrd_view* view);
void release_view(const vrd_view* view);
void check_views(Bench& bench);  // at the end: retained ones that were not released
bool usable_view(const vrd_view* view, const char* function);
const vrd_core_message_1* message_table();

}  // namespace veredus::ptest
