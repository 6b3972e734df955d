// svc.logsink/1.
#include "plugin/providers_logsink.h"

#include <veredus/svc_logsink.h>

#include "base/text.h"
#include "plugin/hook_adapter.h"
#include "plugin/host_support.h"

namespace veredus {

namespace {

void give(const Generation& generation, LoopServices& services, std::string_view lines) {
  for (const auto& instance : generation.instances()) {
    auto* sink = static_cast<const vrd_svc_logsink_1*>(instance->service(VRD_SVC_LOGSINK_1));
    if (!sink || instance->serial()) continue;
    Shard* shard = LoopServices::here() == &services ? instance->here() : nullptr;
    std::string wanted = shard ? without_lines_of(lines, instance->name(), instance->label()) : std::string();
    if (wanted.empty()) continue;
    void* object = shard->object ? shard->object : instance->self();
    guarded(*instance->record(), "svc.logsink write", [&] { sink->write(object, str_of(wanted)); });
  }
}

}  // namespace

std::string without_lines_of(std::string_view lines, std::string_view plugin, std::string_view label) {
  std::string own = "\"event\":\"" + std::string(plugin) + ".", about = "\"plugin\":\"" + std::string(label) + "\"";
  std::string out;
  while (!lines.empty()) {
    size_t end = std::min(lines.find('\n'), lines.size() - 1) + 1;
    std::string_view line = lines.substr(0, end);
    if (line.find(own) == line.npos && line.find(about) == line.npos) out.append(line);
    lines.remove_prefix(end);
  }
  return out;
}

void PluginLogSinks::write(std::string_view lines) {
  std::shared_ptr<Generation> generation = host_.current();
  bool wanted = false;
  for (const auto& instance : generation->instances()) wanted = wanted || instance->service(VRD_SVC_LOGSINK_1);
  if (!wanted) return;
  if (shared_->waiting.fetch_add(lines.size()) + lines.size() > kMostWaiting) {
    shared_->waiting.fetch_sub(lines.size());
    shared_->dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  LoopServices* here = LoopServices::here();
  LoopServices* there = here ? here : &host_.main();
  there->loop.post_call([there, shared = shared_, generation, text = std::string(lines)] {
    shared->waiting.fetch_sub(text.size());
    if (!shared->ended) give(*generation, *there, text);
  });
}

}  // namespace veredus
