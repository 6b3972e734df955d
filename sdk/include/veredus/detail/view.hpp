// C++ wrapper: looking at what a stage shows (View, KeptView) and listing wanted changes (Edits, OwnEdits). A View is borrowed and ends
// with the hook call; a KeptView may be read on any thread until it is destroyed.
#ifndef VEREDUS_DETAIL_VIEW_HPP
#define VEREDUS_DETAIL_VIEW_HPP

#include <veredus/detail/core.hpp>

#include <cstddef>
#include <optional>

namespace vrd {

/** A header field as received: folded, with its leading space. */
struct Field {
  std::string_view name, value;
};

/** What one authentication method found, by a plugin that was asked before. */
struct AuthResult {
  std::string method, result, reason;
  std::vector<std::pair<std::string, std::string>> properties;
  /** Value of the first property of this name; empty when there is none. */
  std::string_view property(std::string_view name) const {
    for (const auto& [key, value] : properties)
      if (key == name) return value;
    return {};
  }
};

class KeptView;

/** What a stage shows. Texts live as long as the view. */
class View {
 public:
  View() = default;
  View(const Interfaces& host, const vrd_view* raw) : host_(&host), raw_(raw) {}
  const vrd_view* raw() const { return raw_; }
  const Interfaces& interfaces() const { return *host_; }

  vrd_value value(uint32_t attr) const {
    vrd_value out{};
    Interfaces::need(host_->message).attr(raw_, attr, &out);
    return out;
  }
  vrd_value value_of(uint32_t attr, uint32_t recipient) const {
    vrd_value out{};
    Interfaces::need(host_->message).attr_of(raw_, attr, recipient, &out);
    return out;
  }
  bool has(uint32_t attr) const { return value(attr).kind != VRD_NONE; }
  /** Text of an attribute; empty when it has none: has() tells these apart. */
  std::string_view text(uint32_t attr) const { return text_of(value(attr)); }
  std::string_view text(uint32_t attr, uint32_t recipient) const { return text_of(value_of(attr, recipient)); }
  /** Number of an attribute, 0 when it has none. Also for booleans and times. */
  int64_t number(uint32_t attr) const { return value(attr).number; }
  bool flag(uint32_t attr) const { return value(attr).number != 0; }
  uint32_t recipients() const { return static_cast<uint32_t>(number(VRD_ATTR_RECIPIENT_COUNT)); }

  std::optional<std::string_view> note(std::string_view key) const {
    vrd_str out{};
    if (Interfaces::need(host_->message).note(raw_, str(key), &out) < 0) return std::nullopt;
    return vrd::view(out);
  }

  /** What was found so far, in the order it was added; those of earlier hooks of this stage too. Empty with a host that cannot tell. */
  std::vector<AuthResult> auth_results() const {
    std::vector<AuthResult> out;
    const vrd_core_authres_1& api = Interfaces::need(host_->authres);
    if (api.size < sizeof(vrd_core_authres_1)) return out;
    const uint32_t count = api.count(raw_);
    for (uint32_t i = 0; i < count; ++i) {
      vrd_authres row{};
      row.size = sizeof row;
      if (api.at(raw_, i, &row) < 0) break;
      out.push_back({std::string(vrd::view(row.method)), std::string(vrd::view(row.result)), std::string(vrd::view(row.reason)), {}});
      for (uint32_t p = 0; p < row.property_count; ++p) {
        vrd_str name{}, value{};
        if (api.property(raw_, i, p, &name, &value) >= 0) out.back().properties.emplace_back(vrd::view(name), vrd::view(value));
      }
    }
    return out;
  }

  uint32_t header_count() const { return Interfaces::need(host_->message).header_count(raw_); }
  std::optional<Field> header_at(uint32_t index) const {
    vrd_str name{}, value{};
    if (Interfaces::need(host_->message).header_at(raw_, index, &name, &value) < 0) return std::nullopt;
    return Field{vrd::view(name), vrd::view(value)};
  }
  /** The n-th field of a name, from 1, as received. */
  std::optional<std::string_view> header(std::string_view name, uint32_t occurrence = 1) const {
    vrd_str value{};
    if (Interfaces::need(host_->message).header(raw_, str(name), occurrence, &value, nullptr) < 0) return std::nullopt;
    return vrd::view(value);
  }

  uint64_t size() const { return Interfaces::need(host_->message).size_of(raw_); }
  uint64_t body_start() const { return Interfaces::need(host_->message).body_start(raw_); }
  /** Octets of the message from `offset`, at most `most`. Large messages: on a worker thread, with a KeptView. */
  std::string read(uint64_t offset, size_t most) const {
    return read_with(Interfaces::need(host_->message).read, offset, most, size());
  }
  std::string body(size_t most = 64u << 20) const { return read(body_start(), most); }

  /** The message as the client sent it, before any edit; with a host that cannot tell, as it is. To verify signatures of others. */
  uint64_t received_size() const { return tells_received() ? host_->message->received_size(raw_) : size(); }
  uint64_t received_body_start() const { return tells_received() ? host_->message->received_body_start(raw_) : body_start(); }
  std::string read_received(uint64_t offset, size_t most) const {
    if (!tells_received()) return read(offset, most);
    return read_with(host_->message->read_received, offset, most, received_size());
  }

  /** A picture that lives on after the call. */
  KeptView keep() const;

 protected:
  using Reader = vrd_status (*)(const vrd_view*, uint64_t, void*, size_t, size_t*);
  bool tells_received() const { return Interfaces::need(host_->message).size > offsetof(vrd_core_message_1, read_received); }
  std::string read_with(Reader reader, uint64_t offset, size_t most, uint64_t end) const {
    std::string out;
    if (offset >= end) return out;
    out.resize(static_cast<size_t>(std::min<uint64_t>(most, end - offset)));
    size_t got = 0;
    check(reader(raw_, offset, out.data(), out.size(), &got), "reading the message");
    out.resize(got);
    return out;
  }
  static std::string_view text_of(const vrd_value& value) { return value.kind == VRD_TEXT ? vrd::view(value.text) : std::string_view(); }
  const Interfaces* host_ = nullptr;
  const vrd_view* raw_ = nullptr;
};

/** A retained view; gives it back when destroyed. Move-only. */
class KeptView : public View {
 public:
  KeptView() = default;
  explicit KeptView(const View& from) : View(from.interfaces(), Interfaces::need(from.interfaces().hook).view_retain(from.raw())) {
    if (raw_ == nullptr) throw Error(VRD_E_MEMORY, "no memory to keep a view");
  }
  KeptView(KeptView&& other) noexcept : View(other) { other.raw_ = nullptr; }
  KeptView& operator=(KeptView&& other) noexcept {
    std::swap(host_, other.host_);
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~KeptView() {
    if (raw_ != nullptr) host_->hook->view_release(raw_);
  }
};

inline KeptView View::keep() const { return KeptView(*this); }

/** The changes that a call wants. A refused one throws Error, so a hook that does not catch it ends as a fault. Chainable. */
class Edits {
 public:
  Edits() = default;
  Edits(const Interfaces& host, vrd_edits* raw) : host_(&host), raw_(raw) {
    if (raw == nullptr) throw Error(VRD_E_MEMORY, "no list of edits");
  }
  vrd_edits* raw() const { return raw_; }

  Edits& insert_header(uint32_t index, std::string_view name, std::string_view value) {
    return did(api().insert_header(raw_, index, str(name), str(value)), "inserting a header field");
  }
  Edits& prepend_header(std::string_view name, std::string_view value) { return insert_header(0, name, value); }
  Edits& append_header(std::string_view name, std::string_view value) { return insert_header(0xffffffffu, name, value); }
  Edits& replace_header(std::string_view name, std::string_view value, uint32_t occurrence = 1) {
    return did(api().replace_header(raw_, str(name), occurrence, str(value)), "replacing a header field");
  }
  /** Occurrence 0: all of that name. */
  Edits& remove_header(std::string_view name, uint32_t occurrence = 0) {
    return did(api().remove_header(raw_, str(name), occurrence), "removing a header field");
  }
  Edits& replace_body(std::string_view body) { return did(api().replace_body(raw_, str(body)), "replacing the body"); }
  Edits& add_recipient(std::string_view address, std::string_view next_hop = {}) {
    return did(api().add_recipient(raw_, str(address), str(next_hop)), "adding a recipient");
  }
  Edits& drop_recipient(uint32_t index) { return did(api().drop_recipient(raw_, index), "dropping a recipient"); }
  Edits& set_recipient(uint32_t index, std::string_view address) {
    return did(api().set_recipient(raw_, index, str(address)), "changing a recipient");
  }
  Edits& set_sender(std::string_view address) { return did(api().set_sender(raw_, str(address)), "changing the sender"); }
  Edits& set_route(uint32_t index, std::string_view next_hop, std::string_view pool = {}) {
    return did(api().set_route(raw_, index, str(next_hop), str(pool)), "choosing a route");
  }
  Edits& set_field(std::string_view name, std::string_view value) { return did(api().set_field(raw_, str(name), str(value)), "setting a field"); }
  Edits& note(std::string_view key, std::string_view value) { return did(api().note(raw_, str(key), str(value)), "leaving a note"); }
  Edits& split(std::span<const uint32_t> indices) { return did(api().split(raw_, indices.data(), indices.size()), "splitting recipients off"); }
  Edits& rule(std::string_view name) { return did(api().rule(raw_, str(name)), "naming the rule"); }
  Edits& reply(uint32_t smtp, const uint8_t enhanced[3], std::string_view text) {
    return did(api().reply(raw_, smtp, enhanced, str(text)), "setting the reply");
  }
  Edits& authres(std::string_view method, std::string_view result, std::string_view reason = {}, Pairs properties = {}) {
    std::vector<vrd_pair> list;
    for (const Pair& pair : properties) list.push_back(pair.raw());
    const vrd_authres one{VRD_SIZED(vrd_authres), 0, str(method), str(result), str(reason), list.data(), list.size()};
    return did(Interfaces::need(host_->authres).add(raw_, &one), "adding an authentication result");
  }

 protected:
  const vrd_core_edit_1& api() const { return Interfaces::need(host_->edit); }
  Edits& did(vrd_status status, const char* what) {
    check(status, what);
    return *this;
  }
  const Interfaces* host_ = nullptr;
  vrd_edits* raw_ = nullptr;
};

/** A list of its own, to be given to Pending::answer(). Freed when it is given to nobody. Move-only. */
class OwnEdits : public Edits {
 public:
  OwnEdits() = default;
  explicit OwnEdits(const Interfaces& host) : Edits(host, Interfaces::need(host.edit).create(host.raw)) {}
  OwnEdits(OwnEdits&& other) noexcept : Edits(other) { other.raw_ = nullptr; }
  OwnEdits& operator=(OwnEdits&& other) noexcept {
    std::swap(host_, other.host_);
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~OwnEdits() {
    if (raw_ != nullptr) host_->edit->destroy(raw_);
  }
  explicit operator bool() const { return raw_ != nullptr; }
  vrd_edits* release() { return std::exchange(raw_, nullptr); }
};

}  // namespace vrd
#endif
