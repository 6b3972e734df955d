// C++ wrapper: the host as a plugin sees it. One Host for the instance and one for each shard; requests made through it end with it.
#ifndef VEREDUS_DETAIL_HOST_HPP
#define VEREDUS_DETAIL_HOST_HPP

#include <veredus/detail/requests_more.hpp>
#include <veredus/detail/view.hpp>

namespace vrd {

/** A metric that the Setup defined. Adding is allowed on any thread. */
class Metric {
 public:
  Metric() = default;
  Metric(const Interfaces& host, uint32_t id) : host_(&host), id_(id) {}
  void add(int64_t amount = 1, uint32_t label = 0) const {
    if (host_ != nullptr) host_->metric->add(host_->raw, id_, label, amount);
  }

 private:
  const Interfaces* host_ = nullptr;
  uint32_t id_ = 0;
};

/** The services. Log, clock and metrics: any thread; requests: loop threads. A request does nothing until then() is called on it. */
class Host {
 public:
  explicit Host(const vrd_host* raw) : interfaces_(raw) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const vrd_host* raw() const { return interfaces_.raw; }
  const Interfaces& interfaces() const { return interfaces_; }
  detail::Keeper& keeper() const { return keeper_; }
  std::string_view version() const { return interfaces_.raw->version; }

  void debug(std::string_view event, Pairs values = {}, const View& about = {}) const { log(VRD_LOG_DEBUG, event, values, about); }
  void info(std::string_view event, Pairs values = {}, const View& about = {}) const { log(VRD_LOG_INFO, event, values, about); }
  void notice(std::string_view event, Pairs values = {}, const View& about = {}) const { log(VRD_LOG_NOTICE, event, values, about); }
  void warning(std::string_view event, Pairs values = {}, const View& about = {}) const { log(VRD_LOG_WARNING, event, values, about); }
  void error(std::string_view event, Pairs values = {}, const View& about = {}) const { log(VRD_LOG_ERROR, event, values, about); }
  void log(uint32_t level, std::string_view event, Pairs values, const View& about = {}) const {
    interfaces_.write(level, event, values, about.raw());
  }
  bool wants(uint32_t level) const { return interfaces_.log != nullptr && interfaces_.log->wants(raw(), level) != 0; }

  int64_t wall_ms() const { return Interfaces::need(interfaces_.clock).wall_ms(raw()); }
  int64_t mono_ms() const { return Interfaces::need(interfaces_.clock).mono_ms(raw()); }

  std::string_view instance() const { return vrd::view(Interfaces::need(interfaces_.conf).instance(raw())); }
  std::string_view state_dir() const { return vrd::view(Interfaces::need(interfaces_.conf).state_dir(raw())); }
  /** "hostname", "loops", "postmaster", "relay_domains", "relay_networks", "local_domains". */
  std::string_view core(const char* name) const { return vrd::view(Interfaces::need(interfaces_.conf).core(raw(), name)); }

  DnsRequest dns(std::string name, uint32_t type, milliseconds timeout) const { return {interfaces_, keeper_, std::move(name), type, timeout}; }
  KvRequest kv(milliseconds timeout) const { return {interfaces_, keeper_, timeout}; }
  KvListRequest kv_list(std::string prefix, std::string after, uint32_t limit, milliseconds timeout) const {
    return {interfaces_, keeper_, std::move(prefix), std::move(after), limit, timeout};
  }
  TableRequest lookup(Table table, std::vector<std::string> keys, milliseconds timeout) const {
    return {interfaces_, keeper_, table, std::move(keys), timeout};
  }
  TableRequest lookup(Table table, std::string key, milliseconds timeout) const {
    std::vector<std::string> keys;
    keys.push_back(std::move(key));
    return lookup(table, std::move(keys), timeout);
  }
  HttpRequest http(std::string method, std::string url) const { return {interfaces_, keeper_, std::move(method), std::move(url)}; }
  TimerRequest after(milliseconds delay) const { return {interfaces_, keeper_, delay, milliseconds(0)}; }
  TimerRequest every(milliseconds period) const { return {interfaces_, keeper_, period, period}; }
  template <class F>
  WorkRequest<F> work(F job) const {
    return {interfaces_, keeper_, std::move(job)};
  }
  HelperRequest ask(Helper helper, std::string octets, milliseconds timeout, int32_t fd = -1) const {
    return {interfaces_, keeper_, helper, std::move(octets), fd, timeout};
  }
  QueueRequest inject(NewMessage message) const { return {interfaces_, keeper_, std::move(message)}; }
  QueueRequest act(Selector selector, uint32_t action, std::string reason) const {
    return {interfaces_, keeper_, std::move(selector), action, std::move(reason)};
  }
  QueueRequest suspend(std::string pattern, std::string reason) const { return {interfaces_, keeper_, true, std::move(pattern), std::move(reason)}; }
  QueueRequest resume(std::string pattern) const { return {interfaces_, keeper_, false, std::move(pattern), std::string()}; }
  CallRequest call(std::string provider, std::string method, std::string request, milliseconds timeout) const {
    return {interfaces_, keeper_, std::move(provider), std::move(method), std::move(request), timeout};
  }

 private:
  Interfaces interfaces_;
  mutable detail::Keeper keeper_;
};

}  // namespace vrd
#endif
