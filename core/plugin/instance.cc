// The calls of a plugin's lifecycle.
#include "plugin/instance.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "plugin/generation.h"
#include "plugin/interfaces.h"

namespace veredus {

namespace {

constexpr size_t kLongestReason = 1000;

const void* give_interface(const vrd_host*, const char* id) { return id ? find_interface(id) : nullptr; }

// STATE/NAME; both are the worker's own.
Status make_directory(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) mkdir(path.substr(0, slash).c_str(), 0700);
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail(Errc::io, path + ": " + std::strerror(errno));
}

std::string status_text(vrd_status status) { return "status " + std::to_string(status); }

}  // namespace

Instance::Instance(Generation& generation, Made made)
    : generation_(generation), made_(std::move(made)), shards_(made_.loops) {
  record_ = PluginRecord::make(made_.prepared.label(), plugin().threading == VRD_SERIAL);
  handle_.size = VRD_SIZED(vrd_host);
  handle_.abi = VRD_ABI;
  handle_.version = VEREDUS_VERSION;
  handle_.iface = &give_interface;
  handle_.instance = this;
}

Instance::~Instance() = default;

// An error of a setting has its own place; others get that of the fragment.
Status Instance::failed(std::string_view function, vrd_status status, const std::string& text) const {
  const PluginFragment& fragment = made_.prepared.fragment;
  std::string reason = text.empty() ? std::string(function) + " failed: " + status_text(status) : printable(text, kLongestReason);
  if (reason.starts_with(fragment.file + ":")) return fail(Errc::invalid, reason);
  return fail(Errc::invalid, ConfigError{fragment.file, fragment.place.line, fragment.place.column, label() + ": " + reason}.full());
}

Status Instance::create(void* previous) {
  if (Status made = make_directory(made_.prepared.state_dir); !made) return failed("create", VRD_E_IO, made.error().text);
  vrd_err error;
  vrd_status status = VRD_E_FAULT;
  StartWatch::Call watched(generation_.watch(), label(), "create");
  bool calm = guarded(*record_, "create", [&] { status = plugin().create(host(), conf(), previous, &self_, &error); });
  if (!calm || status < 0) return failed("create", status, calm ? error.text : "create threw an exception");
  ask_services();
  set_phase(InstancePhase::starting);
  return {};
}

void Instance::ask_services() {
  for (const std::string& id : manifest().services) {
    const void* table = nullptr;
    if (plugin().provide) guarded(*record_, "provide", [&] { table = plugin().provide(self_, id.c_str()); });
    provided_.emplace_back(id, table);
  }
}

const void* Instance::service(std::string_view id) const {
  for (const auto& [name, table] : provided_)
    if (name == id) return table;
  return nullptr;
}

Shard* Instance::here() const {
  LoopServices* services = LoopServices::here();
  if (!services || services->loop.index() >= shards_.size()) return nullptr;
  return shards_[services->loop.index()].get();
}

Loop& Instance::serving(Loop& from) const {
  if (!serial() || made_.loops == 1) return from;
  LoopServices* services = LoopServices::of(record_->number() % made_.loops);
  return services ? services->loop : from;
}

LoopServices* Instance::check_loop(std::string_view function) const {
  if (Shard* shard = here()) return &shard->services;
  record_->misbehaved(function, "called on a thread that its tag does not allow");
  return nullptr;
}

bool Instance::check_main(std::string_view function) const {
  LoopServices* services = LoopServices::here();
  if (services && services->loop.index() == 0) return true;
  record_->misbehaved(function, "called on a thread that its tag does not allow");
  return false;
}

Status Instance::start_here(LoopServices& services) {
  if (!serves(services.loop)) return {};
  unsigned loop = services.loop.index();
  shards_[loop] = std::make_unique<Shard>(*this, services);
  Shard& shard = *shards_[loop];
  shard.object = self_;
  if (!plugin().shard_start) return {};
  vrd_err error;
  vrd_status status = VRD_E_FAULT;
  void* object = nullptr;
  StartWatch::Call watched(generation_.watch(), label(), "shard_start");
  bool calm = guarded(*record_, "shard_start", [&] { status = plugin().shard_start(self_, loop, &object, &error); });
  if (!calm || status < 0) return failed("shard_start", status, calm ? error.text : "shard_start threw an exception");
  shard.started = true;
  shard.made = object;
  if (object) shard.object = object;
  return {};
}

Task<void> Instance::stop_here(LoopServices& services) {
  std::unique_ptr<Shard>& shard = shards_[services.loop.index()];
  if (!shard) co_return;
  shard->ops.cancel_all();
  co_await shard->ops.idle(Deadline::never());  // jobs of the pool that have begun
  shard->state.reset();
  if (shard->started && plugin().shard_stop) guarded(*record_, "shard_stop", [&] { plugin().shard_stop(shard->made); });
  shard.reset();
}

void Instance::quiesce() {
  if (phase() == InstancePhase::creating) return;
  set_phase(InstancePhase::quiescing);
  if (plugin().quiesce) guarded(*record_, "quiesce", [&] { plugin().quiesce(self_); });
}

void Instance::destroy() {
  bool created = phase() != InstancePhase::creating;
  set_phase(InstancePhase::ended);
  if (created && plugin().destroy) guarded(*record_, "destroy", [&] { plugin().destroy(self_); });
}

}  // namespace veredus
