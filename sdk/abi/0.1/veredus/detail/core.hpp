// C++ wrapper, lowest part: strings, errors, the interfaces of the host, and the guard that no exception passes. Owned by nobody; any thread.
#ifndef VEREDUS_DETAIL_CORE_HPP
#define VEREDUS_DETAIL_CORE_HPP

#include <veredus/veredus.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace vrd {

using std::chrono::milliseconds;

inline vrd_str str(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(vrd_str text) { return text.len == 0 ? std::string_view() : std::string_view(text.ptr, text.len); }
inline std::string copy(vrd_str text) { return std::string(view(text)); }

/** A failure with its number. Thrown by the wrapper where the plugin asked for something the host refused; out of a hook it is a fault. */
class Error : public std::runtime_error {
 public:
  Error(vrd_status status, const std::string& what) : std::runtime_error(what), status_(status) {}
  vrd_status status() const { return status_; }

 private:
  vrd_status status_;
};

/** Thrown in a constructor: the configuration is refused, with the place of a setting in front of the text. */
class Refused : public Error {
 public:
  Refused(const vrd_conf* node, const std::string& what) : Error(VRD_E_CONFIG, what), node_(node) {}
  const vrd_conf* node() const { return node_; }

 private:
  const vrd_conf* node_;
};

inline void check(vrd_status status, const char* what) {
  if (status < 0) throw Error(status, std::string(what) + " was refused with status " + std::to_string(status));
}

/** Milliseconds as the interfaces take them: what does not fit is cut, and what is below 1 is 1. */
inline uint32_t wait_ms(milliseconds time) {
  if (time.count() < 1) return 1;
  return time.count() > 0xffffffffLL ? 0xffffffffu : static_cast<uint32_t>(time.count());
}

/** A name with a value, text or number: what events and requests carry. Does not own the text. */
class Pair {
 public:
  Pair(std::string_view name, std::string_view value) : name_(name), value_(value) {}
  Pair(std::string_view name, const char* value) : name_(name), value_(value) {}
  Pair(std::string_view name, const std::string& value) : name_(name), value_(value) {}
  template <class N>
    requires(std::is_integral_v<N>)
  Pair(std::string_view name, N number) : name_(name), digits_count_(1) {
    char* end = nullptr;
    if constexpr (std::is_same_v<N, bool>) end = std::to_chars(digits_, digits_ + sizeof digits_, number ? 1 : 0).ptr;
    else end = std::to_chars(digits_, digits_ + sizeof digits_, number).ptr;
    digits_count_ = static_cast<size_t>(end - digits_);
  }
  vrd_pair raw() const { return {str(name_), digits_count_ > 0 ? vrd_str{digits_, digits_count_} : str(value_)}; }

 private:
  std::string_view name_, value_;
  char digits_[24] = {};
  size_t digits_count_ = 0;
};
using Pairs = std::initializer_list<Pair>;

/** The interfaces of the host, asked for once an instance. A member is null when this host does not offer it; need() throws then. */
struct Interfaces {
  explicit Interfaces(const vrd_host* host) : raw(host) {
    get(authres, VRD_CORE_AUTHRES_1), get(body, VRD_CORE_BODY_1), get(clock, VRD_CORE_CLOCK_1), get(conf, VRD_CORE_CONF_1);
    get(control, VRD_CORE_CONTROL_1), get(dns, VRD_CORE_DNS_1), get(edit, VRD_CORE_EDIT_1), get(helper, VRD_CORE_HELPER_1);
    get(hook, VRD_CORE_HOOK_1), get(http, VRD_CORE_HTTP_1), get(kv, VRD_CORE_KV_1), get(log, VRD_CORE_LOG_1);
    get(message, VRD_CORE_MESSAGE_1), get(metric, VRD_CORE_METRIC_1), get(queue, VRD_CORE_QUEUE_1);
    get(service, VRD_CORE_SERVICE_1), get(stream, VRD_CORE_STREAM_1), get(table, VRD_CORE_TABLE_1);
    get(timer, VRD_CORE_TIMER_1), get(work, VRD_CORE_WORK_1);
  }

  template <class Table>
  static const Table& need(const Table* table) {
    if (table == nullptr) throw Error(VRD_E_UNSUPPORTED, "this host does not offer an interface that the plugin needs");
    return *table;
  }

  const vrd_host* raw;
  const vrd_core_authres_1* authres = nullptr;
  const vrd_core_body_1* body = nullptr;
  const vrd_core_clock_1* clock = nullptr;
  const vrd_core_conf_1* conf = nullptr;
  const vrd_core_control_1* control = nullptr;
  const vrd_core_dns_1* dns = nullptr;
  const vrd_core_edit_1* edit = nullptr;
  const vrd_core_helper_1* helper = nullptr;
  const vrd_core_hook_1* hook = nullptr;
  const vrd_core_http_1* http = nullptr;
  const vrd_core_kv_1* kv = nullptr;
  const vrd_core_log_1* log = nullptr;
  const vrd_core_message_1* message = nullptr;
  const vrd_core_metric_1* metric = nullptr;
  const vrd_core_queue_1* queue = nullptr;
  const vrd_core_service_1* service = nullptr;
  const vrd_core_stream_1* stream = nullptr;
  const vrd_core_table_1* table = nullptr;
  const vrd_core_timer_1* timer = nullptr;
  const vrd_core_work_1* work = nullptr;

  /** Writes an event, of a message when a view is given. */
  void write(uint32_t level, std::string_view event, Pairs values, const vrd_view* about = nullptr) const noexcept {
    if (log == nullptr) return;
    std::array<vrd_pair, 16> list;
    size_t count = 0;
    for (const Pair& pair : values)
      if (count < list.size()) list[count++] = pair.raw();
    log->write(raw, level, str(event), about, list.data(), count);
  }

 private:
  template <class Table>
  void get(const Table*& table, const char* id) {
    table = static_cast<const Table*>(raw->iface(raw, id));
  }
};

/** Calls `body`; an exception becomes an event `exception` that says where, and VRD_E_FAULT. */
template <class Body>
vrd_status guarded(const Interfaces& host, const char* where, Body&& body) noexcept {
  try {
    body();
    return VRD_OK;
  } catch (const std::exception& error) {
    host.write(VRD_LOG_ERROR, "exception", {{"where", where}, {"what", error.what()}});
  } catch (...) {
    host.write(VRD_LOG_ERROR, "exception", {{"where", where}, {"what", "not a std::exception"}});
  }
  return VRD_E_FAULT;
}

}  // namespace vrd
#endif
