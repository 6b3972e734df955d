// C++ wrapper: services that a plugin provides. The shard class (or the only class) derives from one or more of the bases; the service is
// then offered by itself. An answer object may be moved to where the answer comes from, any thread; destroyed unanswered it says VRD_E_FAULT.
#ifndef VEREDUS_DETAIL_PROVIDERS_HPP
#define VEREDUS_DETAIL_PROVIDERS_HPP

#include <veredus/detail/hook.hpp>

namespace vrd {

/** The promise to answer one request to a service. Move-only. */
class Answer {
 public:
  Answer(const Interfaces& host, vrd_pending token) : host_(&host), token_(token) { Interfaces::need(host.service); }
  Answer(Answer&& other) noexcept : host_(other.host_), token_(std::exchange(other.token_, 0)) {}
  Answer& operator=(Answer&& other) noexcept {
    std::swap(host_, other.host_);
    std::swap(token_, other.token_);
    return *this;
  }
  ~Answer() {
    if (token_ != 0) send(VRD_E_FAULT, nullptr);
  }
  /** No answer: VRD_E_TEMPORARY, VRD_E_TIMEOUT, and what the service's header allows. */
  bool fail(vrd_status status) { return send(status, nullptr); }
  explicit operator bool() const { return token_ != 0; }
  vrd_pending token() const { return token_; }

 protected:
  bool send(vrd_status status, const void* answer) {
    return token_ != 0 && host_->service->answer(std::exchange(token_, 0), status, answer) == VRD_OK;
  }
  const Interfaces* host_;
  vrd_pending token_;
};

class TableAnswer : public Answer {
 public:
  using Answer::Answer;
  /** One row a key, in the order of the keys; none: no such key. */
  bool rows(std::span<const std::optional<std::string>> values) {
    std::vector<vrd_table_row> list;
    for (const auto& value : values) list.push_back({value.has_value() ? 1u : 0u, 0, value.has_value() ? str(*value) : vrd_str{nullptr, 0}});
    const vrd_table_answer answer{VRD_SIZED(vrd_table_answer), static_cast<uint32_t>(list.size()), list.data()};
    return send(VRD_OK, &answer);
  }
};
/** svc.table/1. Keys live for the call only. */
class TableProvider {
 public:
  virtual void lookup(std::span<const std::string_view> keys, TableAnswer answer) = 0;

 protected:
  ~TableProvider() = default;
};

/** What became of one recipient. */
struct Delivered {
  uint32_t recipient = 0;
  uint32_t smtp = 250;
  std::string text = {};
  std::array<uint8_t, 3> enhanced = {};
};
class DeliverAnswer : public Answer {
 public:
  using Answer::Answer;
  bool rows(std::span<const Delivered> all) {
    std::vector<vrd_deliver_row> list;
    for (const Delivered& one : all)
      list.push_back({one.recipient, one.smtp, {one.enhanced[0], one.enhanced[1], one.enhanced[2]}, {0, 0, 0, 0, 0}, str(one.text)});
    const vrd_deliver_answer answer{VRD_SIZED(vrd_deliver_answer), static_cast<uint32_t>(list.size()), list.data()};
    return send(VRD_OK, &answer);
  }
};
/** svc.deliver/1. Keep the view for work that outlives the call. */
class DeliverProvider {
 public:
  virtual void deliver(const View& message, std::span<const uint32_t> recipients, std::string_view argument, DeliverAnswer answer) = 0;

 protected:
  ~DeliverProvider() = default;
};

class RouterAnswer : public Answer {
 public:
  using Answer::Answer;
  bool route(std::string_view next_hop, std::string_view pool = {}) { return send_router(0, next_hop, pool, {}); }
  /** 4yz: not now; 5yz: the recipient fails. */
  bool refuse(uint32_t smtp, std::string_view text) { return send_router(smtp, {}, {}, text); }

 private:
  bool send_router(uint32_t smtp, std::string_view next_hop, std::string_view pool, std::string_view text) {
    const vrd_router_answer answer{VRD_SIZED(vrd_router_answer), smtp, str(next_hop), str(pool), str(text)};
    return send(VRD_OK, &answer);
  }
};
/** svc.router/1: the recipient that the view is about. */
class RouterProvider {
 public:
  virtual void route(const View& message, RouterAnswer answer) = 0;

 protected:
  ~RouterProvider() = default;
};

class AuthAnswer : public Answer {
 public:
  using Answer::Answer;
  bool proven(std::string_view account, std::string_view tenant = {}, std::string_view secret = {}) {
    const vrd_auth_answer answer{VRD_SIZED(vrd_auth_answer), 0, str(account), str(tenant), str(secret)};
    return send(VRD_OK, &answer);
  }
  bool denied() { return fail(VRD_E_DENIED); }
};
/** svc.auth/1. `kKinds` of the class, if it has one, are the questions it answers: 1u << VRD_AUTH_PASSWORD ...; else passwords only. When
 *  settings or data decide, the plugin's class has `uint32_t auth_kinds() const` instead, asked once, after the constructor. */
class AuthProvider {
 public:
  virtual void check(const vrd_auth_request& request, AuthAnswer answer) = 0;

 protected:
  ~AuthProvider() = default;
};

class TlsPolicyAnswer : public Answer {
 public:
  using Answer::Answer;
  /** `mode`: VRD_TLS_POLICY_TESTING or _ENFORCE; `mx`: a line each. */
  bool policy(uint32_t mode, std::string_view mx, std::string_view text) { return send_policy(mode, mx, text, {}, {}); }
  /** The domain has none; or one that cannot be had, with the result type of RFC 8460 and a sentence. */
  bool none(std::string_view result = {}, std::string_view problem = {}) { return send_policy(VRD_TLS_POLICY_NONE, {}, {}, result, problem); }

 private:
  bool send_policy(uint32_t mode, std::string_view mx, std::string_view text, std::string_view result, std::string_view problem) {
    const vrd_tls_policy_answer answer{VRD_SIZED(vrd_tls_policy_answer), mode, str(mx), str(text), str(result), str(problem)};
    return send(VRD_OK, &answer);
  }
};
/** svc.tls_policy/1. */
class TlsPolicyProvider {
 public:
  virtual void find(std::string_view domain, TlsPolicyAnswer answer) = 0;

 protected:
  ~TlsPolicyProvider() = default;
};

class StoreAnswer : public Answer {
 public:
  using Answer::Answer;
  /** Of run(): one an operation. */
  bool answers(std::span<const KvAnswer> all) {
    std::vector<vrd_kv_answer> list;
    for (const KvAnswer& one : all) list.push_back({one.status, one.taken ? 1u : 0u, one.number, str(one.value)});
    const vrd_store_answer answer{VRD_SIZED(vrd_store_answer), static_cast<uint32_t>(list.size()), list.data()};
    return send(VRD_OK, &answer);
  }
  /** Of list(). */
  bool entries(std::span<const std::pair<std::string, std::string>> all) {
    std::vector<KvAnswer> list;
    for (const auto& [key, value] : all) {
      KvAnswer one;
      one.value = key + '\0' + value;
      list.push_back(std::move(one));
    }
    return answers(list);
  }
};
/** svc.store/1. */
class StoreProvider {
 public:
  virtual void run(std::string_view space, std::span<const vrd_kv_op* const> ops, StoreAnswer answer) = 0;
  virtual void list(std::string_view space, std::string_view prefix, std::string_view after, uint32_t limit, StoreAnswer answer) = 0;

 protected:
  ~StoreProvider() = default;
};

/** svc.logsink/1: lines of JSON. Must not block and must not log. */
class LogSink {
 public:
  virtual void write(std::string_view lines) = 0;

 protected:
  ~LogSink() = default;
};

class ResolverAnswer : public Answer {
 public:
  using Answer::Answer;
  bool records(std::span<const DnsRecord> all, bool secure, bool nxdomain = false) {
    std::vector<vrd_dns_record> list;
    std::vector<const vrd_dns_record*> pointers;
    for (const DnsRecord& one : all)
      list.push_back({VRD_SIZED(vrd_dns_record), one.type, one.ttl, one.preference, str(one.owner), str(one.text), str(one.data)});
    for (const vrd_dns_record& one : list) pointers.push_back(&one);
    const vrd_dns_answer answer{VRD_SIZED(vrd_dns_answer), secure ? 1u : 0u, nxdomain ? 1u : 0u, static_cast<uint32_t>(list.size()), pointers.data(), 0, 0};
    return send(VRD_OK, &answer);
  }
  /** There are signatures, and they are wrong. */
  bool bogus() {
    const vrd_dns_answer answer{VRD_SIZED(vrd_dns_answer), 0, 0, 0, nullptr, 1, 0};
    return send(VRD_OK, &answer);
  }
};
/** svc.resolver/1. Must not ask host.dns(). */
class ResolverProvider {
 public:
  virtual void resolve(std::string_view name, uint32_t type, milliseconds timeout, ResolverAnswer answer) = 0;

 protected:
  ~ResolverProvider() = default;
};

class CallAnswer : public Answer {
 public:
  using Answer::Answer;
  bool octets(std::string_view text) {
    const vrd_call_answer answer{VRD_SIZED(vrd_call_answer), 0, str(text)};
    return send(VRD_OK, &answer);
  }
};
/** svc.call/1: what other plugins ask by host.call(). */
class CallProvider {
 public:
  virtual void call(std::string_view method, std::string_view request, CallAnswer answer) = 0;

 protected:
  ~CallProvider() = default;
};

}  // namespace vrd
#endif
