// Instances of a case: made from settings, started, reloaded, ended.
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "exec.h"
#include "fakes.h"
#include "object.h"

namespace veredus::ptest {

namespace {

YAML::Node part(const YAML::Node& map, const char* key) { return map.IsMap() && map[key] ? map[key] : YAML::Node(); }

std::map<std::string, std::string> core_values(const YAML::Node& given) {
  std::map<std::string, std::string> out{{"hostname", "mx.example.test"}, {"loops", "1"}, {"relay_domains", ""}, {"local_domains", ""},
                                         {"relay_networks", "127.0.0.0/8,::1/128"}, {"postmaster", "postmaster@mx.example.test"}};
  if (given.IsMap())
    for (const auto& entry : given) out[entry.first.Scalar()] = entry.second.IsScalar() ? entry.second.Scalar() : "";
  return out;
}

void fill_store(KvStore& store, const YAML::Node& given) {
  if (!given.IsMap()) return;
  for (const auto& entry : given) {
    auto ttl = duration_of(text_of(entry.second, "ttl", "0s")).value_or(0);
    std::string value = entry.second.IsScalar() ? entry.second.Scalar() : text_of(entry.second, "value");
    store.put(entry.first.Scalar(), value, static_cast<uint64_t>(ttl));
  }
}

}  // namespace

Exec::Exec(const Case& script, const vrd_plugin* plugin, const Plan& plan, std::string directory)
    : script_(script),
      plugin_(plugin),
      bench_(plan, script.body, start_time(script.body), std::move(directory)),
      session_(core_values(part(script.body, "core"))["hostname"]) {
  fill_store(bench_.kv, part(script.body, "kv"));
  if (YAML::Node message = part(script.body, "message"); message.IsScalar()) session_.set_content(message.Scalar());
  description_ = description_text(plugin);
}

void Exec::write_files(const YAML::Node& files) {
  if (!files.IsMap()) return;
  for (const auto& entry : files) {
    auto path = std::filesystem::path(bench_.directory) / entry.first.Scalar();
    if (entry.second.IsNull()) {
      std::filesystem::remove(path);
      continue;
    }
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << entry.second.Scalar();
  }
}

Instance* Exec::make_instance(const std::string& label, const YAML::Node& settings, void* prev, std::string* error) {
  SettingsPlace place{script_.file, bench_.directory};
  auto checked = check_settings(plugin_->settings, settings, place);
  if (!checked) {
    *error = checked.error().text;
    return nullptr;
  }
  auto made = std::make_unique<Instance>();
  made->size = sizeof(vrd_host);
  made->abi = VRD_ABI;
  made->version = "0.1.0";
  made->vrd_host::iface = &ptest::iface;
  made->bench = &bench_;
  made->plugin = plugin_;
  made->label = label;
  made->state_dir = bench_.directory;
  made->conf = std::move(*checked);
  made->core_values = core_values(part(script_.body, "core"));
  bench_.instances.push_back(std::move(made));
  Instance& instance = *bench_.instances.back();
  if (create(instance, prev, error) && start_shard(instance, error)) return &instance;
  return nullptr;
}

bool Exec::create(Instance& instance, void* prev, std::string* error) {
  vrd_err err;
  vrd_status status = VRD_E_FAULT;
  instance.creating = true;
  guarded(Role::main, "create()", [&] { status = plugin_->create(&instance, instance.conf.get(), prev, &instance.self, &err); });
  instance.creating = false;
  if (status == VRD_OK) {
    check_provided(instance);
    return true;
  }
  bool mute = bench_.plan.no_iface == VRD_CORE_CONF_1;  // then there is no way to say it
  if (err.text.empty() && !mute) watch().breach("error text", "create() refused without a text in `err`");
  instance.destroyed = true;
  *error = err.text.empty() ? "create() refused: " + std::string(status_text(status)) : err.text;
  return false;
}

void Exec::check_provided(Instance& instance) {
  for (auto id = plugin_->services; id && *id; ++id) {
    const void* table = nullptr;
    guarded(Role::main, "provide()", [&] { table = plugin_->provide ? plugin_->provide(instance.self, *id) : nullptr; });
    if (!table) watch().breach("provide", std::string("provide() gives NULL for ") + *id + ", which `services` names");
  }
}

bool Exec::start_shard(Instance& instance, std::string* error) {
  instance.shard = instance.self;
  vrd_err err;
  vrd_status status = VRD_OK;
  if (plugin_->shard_start) guarded(Role::loop, "shard_start()", [&] { status = plugin_->shard_start(instance.self, 0, &instance.shard, &err); });
  instance.running = status == VRD_OK;
  if (instance.running) return true;
  *error = err.text.empty() ? "shard_start() refused" : err.text;
  bench_.end_timers(instance);
  if (plugin_->destroy) guarded(Role::main, "destroy()", [&] { plugin_->destroy(instance.self); });
  instance.destroyed = true;
  return false;
}

void Exec::start_instance(const std::string& label, const YAML::Node& settings) {
  std::string error;
  Instance* instance = make_instance(label, settings, nullptr, &error);
  if (instance) {
    current_.push_back(instance);
    return;
  }
  stopped_ = true;
  std::string expected = text_of(script_.body, "expect_error");
  bool right = !expected.empty() && (text_fits(expected, error) || error.find(expected) != error.npos);
  if (!right) fail(script_.place, "expected " + (expected.empty() ? "no error" : "the error " + expected) + ", came " + error);
}

void Exec::start() {
  write_files(part(script_.body, "files"));
  YAML::Node named = part(script_.body, "instances");
  bool unnamed = !named.IsMap() || part(script_.body, "settings").IsMap();
  if (unnamed) start_instance("", part(script_.body, "settings"));
  if (named.IsMap())
    for (const auto& entry : named)
      if (!stopped_) start_instance(entry.first.Scalar(), entry.second);
  std::string expected = text_of(script_.body, "expect_error");
  if (!stopped_ && !expected.empty()) fail(script_.place, "expected the error " + expected + ", came none");
  bench_.run_due();
}

// quiesce, then the shard, then the instance. Answers that were still to come have come before.
void Exec::retire(Instance& instance) {
  if (instance.destroyed) return;
  bench_.drain();
  if (bench_.plan.stop_in_work) bench_.run_into([&] { return has_jobs(instance); });
  if (plugin_->quiesce) guarded(Role::main, "quiesce()", [&] { plugin_->quiesce(instance.self); });
  bench_.run_due();
  instance.stopping = true;
  cancel_jobs(instance);
  bench_.end_timers(instance);
  instance.running = false;
  if (plugin_->shard_stop) guarded(Role::loop, "shard_stop()", [&] { plugin_->shard_stop(instance.shard); });
  bench_.shard_stopped(instance);
  if (plugin_->destroy) guarded(Role::main, "destroy()", [&] { plugin_->destroy(instance.self); });
  instance.destroyed = true;
  bench_.run_due();
}

Instance* Exec::find_instance(const std::string& label) {
  for (Instance* instance : current_)
    if (label.empty() || instance->label == label) return instance;
  return nullptr;
}

void Exec::finish() {
  if (run_ && !run_->done()) run_->abort();
  if (token_ != 0) bench_.abort_token(token_);
  collect();
  if (session_.is_open || session_.in_transaction) end_session();
  bench_.run_due();
  for (Instance* instance : current_) retire(*instance);
  for (const auto& instance : bench_.instances) retire(*instance);
  bench_.check_tokens();
  check_views(bench_);
  check_edits(bench_);
  if (description_text(plugin_) != description_) watch().breach("description", "the description has changed since it was read");
}

void Exec::fail(const std::string& place, const std::string& text) {
  if (bench_.plan.expectations) failures_.push_back(text + " (" + place + ")");
}

void Exec::reload_step(const Step& step) {
  std::string error;
  seen_.status = "ok";
  Instance* old = find_instance(step.instance);
  if (!old) return fail(step.place, "there is no instance " + step.instance);
  YAML::Node settings = step.args.IsMap() && step.args["settings"] ? step.args["settings"] : step.args;
  Instance* fresh = make_instance(old->label, settings, old->self, &error);
  seen_.error = error;
  if (!fresh) {
    seen_.status = "config";
    bool expected = step.expect.IsMap() && (step.expect["error"] || step.expect["status"]);
    if (!expected) fail(step.place, "the reload was refused: " + error);
    return;
  }
  std::replace(current_.begin(), current_.end(), old, fresh);
  bool pinned = session_.is_open && std::find(of_session_.begin(), of_session_.end(), old) != of_session_.end();
  if (!pinned && !busy()) retire(*old);
  bench_.run_due();
}

}  // namespace veredus::ptest
