// veredusd: the daemon's arguments. Stays in the foreground.
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/thread_name.h"
#include "main/supervisor.h"
#include "main/worker.h"
#include "plugin/probe.h"

namespace {

constexpr const char* kDefaultConf = "/etc/veredus/conf.d";
constexpr const char* kUsage =
    "usage: veredusd [--conf DIR]\n"
    "       veredusd --version\n"
    "Runs in the foreground. DIR holds the fragments NN-name.yaml; /etc/veredus/conf.d by default.\n"
    "'veredus --conf DIR config check' tests a configuration without starting it.\n";

int usage_error(std::string_view text) {
  std::fprintf(stderr, "veredusd: %.*s\n%s", static_cast<int>(text.size()), text.data(), kUsage);
  return EX_USAGE;
}

}  // namespace

int main(int argc, char** argv) {
  if (std::optional<int> code = veredus::run_as_probe_child(argc, argv)) return *code;
  const char* from_environment = std::getenv("VEREDUS_CONF");
  std::string conf = from_environment ? from_environment : kDefaultConf;
  bool worker = false;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word == "--worker") worker = true;
    else if (word == "--conf" && i + 1 < argc) conf = argv[++i];
    else if (word == "--help" || word == "-h") return std::fputs(kUsage, stdout) < 0 ? EX_IOERR : EX_OK;
    else if (word == "--version") return std::puts("veredusd " VEREDUS_VERSION) < 0 ? EX_IOERR : EX_OK;
    else return usage_error("unknown argument '" + std::string(word) + "'");
  }
  if (!worker) return veredus::Supervisor(conf).run();
  veredus::name_thread("veredusd");  // it was started by another name, that of the file behind /proc/self/exe
  return veredus::run_worker(conf);
}
