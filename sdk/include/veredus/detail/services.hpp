// C++ wrapper: the structs of the services, built from the provider bases of a class C. Static data.
#ifndef VEREDUS_DETAIL_SERVICES_HPP
#define VEREDUS_DETAIL_SERVICES_HPP

#include <veredus/detail/providers.hpp>

namespace vrd::detail {

/** Calls a method of the object behind a shard, with its answer object; what it throws is told as the answer, by the object's end. */
template <class C, class A, class Body>
vrd_status provide(void* shard, vrd_pending token, Body&& body) noexcept {
  auto& cell = *static_cast<Cell<C>*>(shard);
  if (cell.host.interfaces().service == nullptr) return VRD_E_UNSUPPORTED;  // nothing to answer with
  (void)guarded(cell.host.interfaces(), "service", [&] { body(cell, A(cell.host.interfaces(), token)); });
  return VRD_OK;
}

template <class C>
struct Services {
  static vrd_status lookup(void* shard, const vrd_str* keys, size_t count, vrd_pending token) {
    return provide<C, TableAnswer>(shard, token, [&](Cell<C>& cell, TableAnswer answer) {
      std::vector<std::string_view> list;
      for (size_t i = 0; i < count; i++) list.push_back(view(keys[i]));
      static_cast<TableProvider&>(cell.object).lookup(list, std::move(answer));
    });
  }
  static vrd_status deliver(void* shard, const vrd_view* message, const uint32_t* recipients, size_t count, vrd_str argument, vrd_pending token) {
    return provide<C, DeliverAnswer>(shard, token, [&](Cell<C>& cell, DeliverAnswer answer) {
      const View shown(cell.host.interfaces(), message);
      static_cast<DeliverProvider&>(cell.object).deliver(shown, {recipients, count}, view(argument), std::move(answer));
    });
  }
  static vrd_status route(void* shard, const vrd_view* message, vrd_pending token) {
    return provide<C, RouterAnswer>(shard, token, [&](Cell<C>& cell, RouterAnswer answer) {
      const View shown(cell.host.interfaces(), message);
      static_cast<RouterProvider&>(cell.object).route(shown, std::move(answer));
    });
  }
  static vrd_status auth(void* shard, const vrd_auth_request* request, vrd_pending token) {
    return provide<C, AuthAnswer>(shard, token, [&](Cell<C>& cell, AuthAnswer answer) {
      static_cast<AuthProvider&>(cell.object).check(*request, std::move(answer));
    });
  }
  static vrd_status run(void* shard, vrd_str space, const vrd_kv_op* const* ops, size_t count, vrd_pending token) {
    return provide<C, StoreAnswer>(shard, token, [&](Cell<C>& cell, StoreAnswer answer) {
      static_cast<StoreProvider&>(cell.object).run(view(space), {ops, count}, std::move(answer));
    });
  }
  static vrd_status list(void* shard, vrd_str space, vrd_str prefix, vrd_str after, uint32_t limit, vrd_pending token) {
    return provide<C, StoreAnswer>(shard, token, [&](Cell<C>& cell, StoreAnswer answer) {
      static_cast<StoreProvider&>(cell.object).list(view(space), view(prefix), view(after), limit, std::move(answer));
    });
  }
  static void write(void* shard, vrd_str lines) {
    try {
      static_cast<LogSink&>(static_cast<Cell<C>*>(shard)->object).write(view(lines));
    } catch (...) {  // a sink must not log, so there is nobody to tell
    }
  }
  static vrd_status resolve(void* shard, const vrd_dns_request* request, vrd_pending token) {
    return provide<C, ResolverAnswer>(shard, token, [&](Cell<C>& cell, ResolverAnswer answer) {
      static_cast<ResolverProvider&>(cell.object).resolve(view(request->name), request->type, milliseconds(request->timeout_ms), std::move(answer));
    });
  }
  static vrd_status find_policy(void* shard, vrd_str domain, vrd_pending token) {
    return provide<C, TlsPolicyAnswer>(shard, token, [&](Cell<C>& cell, TlsPolicyAnswer answer) {
      static_cast<TlsPolicyProvider&>(cell.object).find(view(domain), std::move(answer));
    });
  }
  static vrd_status call(void* shard, vrd_str method, vrd_str request, vrd_pending token) {
    return provide<C, CallAnswer>(shard, token, [&](Cell<C>& cell, CallAnswer answer) {
      static_cast<CallProvider&>(cell.object).call(view(method), view(request), std::move(answer));
    });
  }

  template <class Base>
  static constexpr bool has = std::is_base_of_v<Base, C>;
  static constexpr size_t count = has<TableProvider> + has<DeliverProvider> + has<RouterProvider> + has<AuthProvider> + has<StoreProvider> +
                                  has<LogSink> + has<ResolverProvider> + has<CallProvider> + has<TlsPolicyProvider>;

  /** Tells `take` the id and the struct of each service that C offers. */
  template <class Take>
  static constexpr void each(Take&& take) {
    if constexpr (has<TableProvider>) take(VRD_SVC_TABLE_1, &kTable);
    if constexpr (has<DeliverProvider>) take(VRD_SVC_DELIVER_1, &kDeliver);
    if constexpr (has<RouterProvider>) take(VRD_SVC_ROUTER_1, &kRouter);
    if constexpr (has<AuthProvider>) take(VRD_SVC_AUTH_1, &kAuth);
    if constexpr (has<StoreProvider>) take(VRD_SVC_STORE_1, &kStore);
    if constexpr (has<LogSink>) take(VRD_SVC_LOGSINK_1, &kLogSink);
    if constexpr (has<ResolverProvider>) take(VRD_SVC_RESOLVER_1, &kResolver);
    if constexpr (has<CallProvider>) take(VRD_SVC_CALL_1, &kCall);
    if constexpr (has<TlsPolicyProvider>) take(VRD_SVC_TLS_POLICY_1, &kTlsPolicy);
  }

  static constexpr vrd_svc_table_1 kTable{VRD_SIZED(vrd_svc_table_1), 0, &lookup};
  static constexpr vrd_svc_deliver_1 kDeliver{VRD_SIZED(vrd_svc_deliver_1), 0, &deliver};
  static constexpr vrd_svc_router_1 kRouter{VRD_SIZED(vrd_svc_router_1), 0, &route};
  static constexpr uint32_t auth_kinds() {
    if constexpr (requires { C::kKinds; }) return C::kKinds;
    return 1u << VRD_AUTH_PASSWORD;
  }
  static constexpr vrd_svc_auth_1 kAuth{VRD_SIZED(vrd_svc_auth_1), 0, &auth, auth_kinds(), 0};
  /** For an instance that chooses its kinds: one struct for each set of them. */
  static const vrd_svc_auth_1* auth_with(uint32_t kinds) {
    static constexpr auto kAll = [] {
      std::array<vrd_svc_auth_1, 32> out{};
      for (uint32_t i = 0; i < out.size(); i++) out[i] = {VRD_SIZED(vrd_svc_auth_1), 0, &auth, i, 0};
      return out;
    }();
    return &kAll[kinds % kAll.size()];
  }
  static constexpr vrd_svc_store_1 kStore{VRD_SIZED(vrd_svc_store_1), 0, &run, &list};
  static constexpr vrd_svc_logsink_1 kLogSink{VRD_SIZED(vrd_svc_logsink_1), 0, &write};
  static constexpr vrd_svc_resolver_1 kResolver{VRD_SIZED(vrd_svc_resolver_1), 0, &resolve};
  static constexpr vrd_svc_tls_policy_1 kTlsPolicy{VRD_SIZED(vrd_svc_tls_policy_1), 0, &find_policy};
  static constexpr vrd_svc_call_1 kCall{VRD_SIZED(vrd_svc_call_1), 0, &call};
};

}  // namespace vrd::detail
#endif
