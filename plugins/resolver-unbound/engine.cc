// The context is finalized in the constructor, by a question that it answers itself, so that wrong settings refuse the configuration.
#include "engine.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace resolver_unbound {

namespace {

constexpr int kAddress = 1, kInternet = 1;  // type A, class IN
constexpr size_t kMostUnderWay = 10'000;

/** What libunbound writes while it lives. */
class Said {
 public:
  Said() : file_(open_memstream(&text_, &size_)) {}
  ~Said() {
    if (file_ != nullptr) std::fclose(file_);
    std::free(text_);
  }
  FILE* file() const { return file_; }
  /** The last line, without time and thread in front. */
  std::string last() const {
    if (file_ == nullptr || std::fflush(file_) != 0) return {};
    std::string out(text_, size_);
    while (!out.empty() && out.back() == '\n') out.pop_back();
    out = out.substr(out.rfind('\n') + 1);
    const size_t level = out.find("error: ");
    return level == out.npos ? out : out.substr(level + 7);
  }

 private:
  char* text_ = nullptr;
  size_t size_ = 0;
  FILE* file_;
};

}  // namespace

Engine::Engine(const EngineOptions& options) : context_(ub_ctx_create()), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  try {
    if (!context_ || wake_ < 0) throw std::runtime_error("no memory or no descriptors for libunbound");
    configure(options);
    finalize(options.reserved);
    thread_ = std::thread([this] { work(); });
  } catch (...) {
    if (wake_ >= 0) close(wake_);
    throw;
  }
}

void Engine::must(int code, const std::string& what) const {
  if (code != 0) throw std::runtime_error(what + ": " + ub_strerror(code));
}

void Engine::configure(const EngineOptions& options) {
  ub_ctx* context = context_.get();
  must(ub_ctx_async(context, 1), "threads of libunbound");
  for (const auto& [name, value] : options.options) must(ub_ctx_set_option(context, name.c_str(), value.c_str()), "option '" + name + " " + value + "'");
  if (!options.followed_anchor.empty())
    must(ub_ctx_add_ta_autr(context, options.followed_anchor.c_str()), "followed_anchor '" + options.followed_anchor + "'");
  else if (!options.root_anchor.empty())
    must(ub_ctx_add_ta_file(context, options.root_anchor.c_str()), "root_anchor '" + options.root_anchor + "'");
  for (const std::string& address : options.forward) must(ub_ctx_set_fwd(context, address.c_str()), "forward '" + address + "'");
  for (const auto& [zone, addresses] : options.stubs) {
    for (const std::string& address : addresses) must(ub_ctx_set_stub(context, zone.c_str(), address.c_str(), 0), "stub '" + zone + "' at '" + address + "'");
  }
  for (const std::string& domain : options.insecure) must(ub_ctx_set_option(context, "domain-insecure:", domain.c_str()), "insecure '" + domain + "'");
}

void Engine::finalize(const std::vector<std::string>& reserved) {
  const Said said;  // libunbound has one log for the whole process, and nobody reads it
  ub_ctx_debugout(context_.get(), said.file());
  int code = 0;
  for (const std::string& zone : reserved) code = code != 0 ? code : ub_ctx_zone_add(context_.get(), zone.c_str(), "transparent");
  ub_result* result = nullptr;
  if (code == 0) code = ub_resolve(context_.get(), "localhost", kAddress, kInternet, &result);
  ub_resolve_free(result);
  ub_ctx_debugout(context_.get(), nullptr);
  if (code == 0) return;
  const std::string why = said.last();
  throw std::runtime_error("libunbound does not start: " + (why.empty() ? std::string(ub_strerror(code)) : why));
}

void Engine::ask(const std::string& name, uint32_t type, Heard heard) {
  std::string problem;
  {
    const std::lock_guard lock(mutex_);  // the context must not go meanwhile; libunbound calls nothing back from here
    problem = begin(name, type, heard);
  }
  if (!problem.empty()) heard(nullptr, problem);
}

std::string Engine::begin(const std::string& name, uint32_t type, Heard& heard) {
  if (stopping_) return "the plugin ends";
  if (asked_.size() >= kMostUnderWay) return "too many questions are under way";
  auto made = std::make_unique<Asked>();
  *made = {this, ++last_, {}};
  const int code = ub_resolve_async(context_.get(), name.c_str(), static_cast<int>(type), kInternet, made.get(), answered, nullptr);
  if (code != 0) return ub_strerror(code);
  made->heard = std::move(heard);
  asked_.emplace(last_, std::move(made));
  return {};
}

Heard Engine::take(uint64_t number) {
  const std::lock_guard lock(mutex_);
  auto found = asked_.extract(number);
  return found ? std::move(found.mapped()->heard) : Heard();
}

void Engine::answered(void* opaque, int error, ub_result* result) {
  const auto* asked = static_cast<Asked*>(opaque);
  const Heard heard = asked->engine->take(asked->number);
  if (heard) heard(error == 0 ? result : nullptr, error == 0 ? std::string() : ub_strerror(error));
  ub_resolve_free(result);
}

void Engine::work() {
  pollfd watched[2] = {{ub_fd(context_.get()), POLLIN, 0}, {wake_, POLLIN, 0}};
  while (!stopping_) {
    if (poll(watched, 2, -1) < 0) continue;
    if ((watched[0].revents & POLLIN) != 0) ub_process(context_.get());
  }
}

void Engine::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_.exchange(true)) return;
  }
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);
  thread_.join();
  context_.reset();
  close(wake_);
  for (auto& [number, asked] : std::exchange(asked_, {})) asked->heard(nullptr, "the plugin ends");
}

size_t Engine::under_way() const {
  const std::lock_guard lock(mutex_);
  return asked_.size();
}

}  // namespace resolver_unbound
