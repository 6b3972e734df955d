// Generations come whole, and go when nobody holds them.
#include "plugin/plugin_host.h"

#include <algorithm>

#include "log/events.h"
#include "loop/remote.h"
#include "plugin/hook_adapter.h"

namespace veredus {

namespace {

void start_on_loop(LoopServices* services, Generation* generation, Remote<bool>::Promise done) {
  Status started = generation->start_here(*services);
  done.fulfil(started ? Result<bool>(true) : Result<bool>(started.error()));
}

Task<void> stop_on_loop(LoopServices* services, Generation* generation, Remote<bool>::Promise done) {
  co_await generation->stop_here(*services);
  done.fulfil(true);
}

}  // namespace

PluginHost::PluginHost(std::vector<LoopServices*> loops)
    : loops_(std::move(loops)), current_(std::make_shared<Generation>(0, nullptr)), all_gone_(main().loop), chores_(main().loop) {
  all_gone_.set();
  for (LoopServices* services : loops_) {
    services->host = this;
    scopes_.push_back(std::make_unique<Scope>(services->loop));
  }
}

PluginHost::~PluginHost() {
  chores_.cancel();
  current_.reset();
}

std::shared_ptr<Generation> PluginHost::current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

// The pin's last holder may be on any loop; what follows is the main loop's.
std::shared_ptr<Generation> PluginHost::adopt(std::unique_ptr<Generation> generation) {
  Generation* object = generation.get();
  living_[object->number()].generation = std::move(generation);
  all_gone_.reset();
  std::shared_ptr<Generation> pin(object, [this, number = object->number()](Generation*) {
    main().loop.post_call([this, number] { released(number); });
  });
  object->pinned_by(pin);
  return pin;
}

void PluginHost::released(uint64_t number) {
  auto found = living_.find(number);
  if (found == living_.end() || found->second.ending) return;
  found->second.ending = true;
  chores_.spawn(end_one(found->second.generation.get()));
}

Task<Result<std::shared_ptr<Generation>>> PluginHost::prepare(std::vector<PreparedPlugin> plugins, SettingsPtr core) {
  std::shared_ptr<Generation> running = current();
  auto fresh = std::make_unique<Generation>(++last_number_, std::move(core));
  Generation& generation = *fresh;
  std::shared_ptr<Generation> pin = adopt(std::move(fresh));
  if (!plugins.empty()) generation.watched_by(std::make_unique<StartWatch>(main().log.sink(), main().loop.clock(), slow_start_));
  Status ready = generation.create(plugins, static_cast<unsigned>(loops_.size()), running.get());
  if (ready) ready = co_await start(generation);
  generation.watched_by(nullptr);
  if (!ready) {
    main().log.write(events::kPluginFailed, {{"reason", ready.error().text}});
    co_return ready.error();
  }
  generation.set_phase(InstancePhase::running);
  for (const auto& instance : generation.instances())
    main().log.write(events::kPluginStarted, {{"plugin", instance->label()},
                                              {"version", instance->manifest().version},
                                              {"generation", generation.number()}});
  co_return pin;
}

Task<Status> PluginHost::start(Generation& generation) {
  std::vector<std::unique_ptr<Remote<bool>>> waits;
  for (LoopServices* services : loops_) {
    waits.push_back(std::make_unique<Remote<bool>>(main().loop));
    services->loop.post_call([services, &generation, done = waits.back()->promise()]() mutable {
      start_on_loop(services, &generation, std::move(done));
    });
  }
  Status out;
  for (auto& wait : waits) {
    co_await wait->answered(Deadline::never());  // one turn of our own loops
    Result<bool> started = wait->take();
    if (!started && out) out = started.error();
  }
  co_return out;
}

// Who connects after the answer to a reload meets the new generation: this loop takes it now, the others before what it posts to them later.
void PluginHost::commit(std::shared_ptr<Generation> generation) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    Runner* runner = loops_[i]->runner;
    auto hooks = generation->hook_set(static_cast<unsigned>(i), generation);
    if (loops_[i]->loop.on_loop_thread()) runner->use(std::move(hooks));
    else loops_[i]->loop.post_call([runner, hooks = std::move(hooks)]() mutable { runner->use(std::move(hooks)); });
  }
  std::lock_guard lock(mutex_);
  current_.swap(generation);
}

Task<void> PluginHost::stop(Generation& generation) {
  generation.quiesce();
  std::vector<std::unique_ptr<Remote<bool>>> waits;
  for (size_t i = 0; i < generation.loops(); ++i) {
    waits.push_back(std::make_unique<Remote<bool>>(main().loop));
    loops_[i]->loop.post_call([services = loops_[i], scope = scopes_[i].get(), &generation, done = waits.back()->promise()]() mutable {
      scope->spawn(stop_on_loop(services, &generation, std::move(done)));
    });
  }
  for (auto& wait : waits) co_await wait->answered(Deadline::never());  // as long as jobs that have begun
  generation.destroy();
}

Task<void> PluginHost::end_one(Generation* generation) {
  co_await stop(*generation);
  report_leaks(*generation);
  ended_.add(*generation, true);
  living_.erase(generation->number());
  if (living_.empty()) all_gone_.set();
}

void PluginHost::report_leaks(const Generation& generation) {
  for (const auto& instance : generation.instances()) {
    const PluginRecord& record = *instance->record();
    main().log.write(events::kPluginEnded, {{"plugin", record.label()}, {"generation", generation.number()}});
    uint64_t views = record.views.load(), edits = record.edits.load();
    if (views + edits > 0) main().log.write(events::kPluginLeaked, {{"plugin", record.label()}, {"views", views}, {"edits", edits}});
  }
}

Task<void> PluginHost::end(Millis patience) {
  for (LoopServices* services : loops_)
    services->loop.post_call([runner = services->runner] { runner->use(std::make_shared<const HookSet>()); });
  {
    std::lock_guard lock(mutex_);
    current_ = std::make_shared<Generation>(0, nullptr);
  }
  co_await all_gone_.wait(Deadline::in(main().loop, patience));
  std::vector<uint64_t> late;
  for (const auto& [number, living] : living_) late.push_back(number);
  for (uint64_t number : late) released(number);
  co_await all_gone_.wait(Deadline::in(main().loop, patience));
}

std::vector<PluginStats> PluginHost::stats() const {
  PluginTotals totals = ended_;
  for (const auto& [number, living] : living_) totals.add(*living.generation, false);
  return totals.list();
}

}  // namespace veredus
