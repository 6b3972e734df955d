// The worker: one function builds the object graph, one starts it, one drains it.
#include "main/worker.h"

#include <signal.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>
#include <thread>

#include "main/key_files.h"
#include "main/worker_graph.h"
#include "plugin/prepare.h"

namespace veredus {

namespace {

int complain(std::string_view text, int code) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
  return code;
}

}  // namespace

int run_worker(const std::string& conf_dir) {
  signal(SIGPIPE, SIG_IGN);
  auto handed = decode_descriptors(getenv(kDescriptorsVariable));
  if (!handed) return complain("veredusd: " + handed.error().text, EX_USAGE);
  auto config = load_plugin_config(conf_dir, Catalogue::standard());
  if (!config) return complain(config.error_text(), EX_CONFIG);
  if (handed->keys >= 0) use_secret_files(std::make_shared<KeyDoor>(handed->keys));
  WorkerGraph graph(conf_dir, config.value(), std::move(*handed));
  auto opened = graph.open();
  if (!opened) return graph.failed(opened.error());
  return graph.run();
}

}  // namespace veredus
