// Engine: one context of libunbound, which resolves and validates in a thread of its own, and our thread that takes its results. Questions may
// be asked from any thread; answers come on our thread. stop() joins both and gives up what is still under way.
#ifndef VEREDUS_RESOLVER_UNBOUND_ENGINE_HPP
#define VEREDUS_RESOLVER_UNBOUND_ENGINE_HPP

#include <unbound.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace resolver_unbound {

/** What is said of one question; null: it failed, and why. Called once. */
using Heard = std::function<void(const ub_result*, const std::string& problem)>;

struct EngineOptions {
  std::string root_anchor;
  std::string followed_anchor;  // written to when keys of the root change; else empty
  std::vector<std::string> forward;                                // "192.0.2.1@53"
  std::vector<std::pair<std::string, std::vector<std::string>>> stubs;  // zone, addresses
  std::vector<std::string> insecure, reserved;                     // domains
  std::vector<std::pair<std::string, std::string>> options;        // of unbound.conf(5), "do-ip6:" "no"
};

class Engine {
 public:
  /** Throws std::runtime_error: which option is not accepted, and what libunbound says of it. Asks nobody. */
  explicit Engine(const EngineOptions& options);
  ~Engine() { stop(); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void ask(const std::string& name, uint32_t type, Heard heard);
  void stop();
  size_t under_way() const;

 private:
  struct Asked {
    Engine* engine = nullptr;
    uint64_t number = 0;
    Heard heard;
  };
  static void answered(void* asked, int error, ub_result* result);
  void configure(const EngineOptions& options);
  void finalize(const std::vector<std::string>& reserved);
  std::string begin(const std::string& name, uint32_t type, Heard& heard);
  void must(int code, const std::string& what) const;
  Heard take(uint64_t number);
  void work();

  struct Delete {
    void operator()(ub_ctx* context) const { ub_ctx_delete(context); }
  };
  std::unique_ptr<ub_ctx, Delete> context_;
  int wake_ = -1;  // eventfd
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;  // of what follows
  std::unordered_map<uint64_t, std::unique_ptr<Asked>> asked_;
  uint64_t last_ = 0;
  std::thread thread_;
};

}  // namespace resolver_unbound
#endif
