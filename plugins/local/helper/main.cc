// veredus-local: delivers to the users of this host, for the plugin `local`. Started by the supervisor with a socket as descriptor 3.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "server.h"

namespace {

bool is_socket(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode);
}

// A line of the daemon's log, which this process shares.
void say_unprivileged() {
  time_t now = time(nullptr);
  tm parts{};
  char when[32] = {};
  gmtime_r(&now, &parts);
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S.000Z", &parts);
  std::fprintf(stderr,
               "{\"time\":\"%s\",\"level\":\"warning\",\"event\":\"local.unprivileged\",\"uid\":%u,\"reason\":\"not root: delivers to this "
               "user only\"}\n",
               when, geteuid());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words == std::vector<std::string>{"--help"}) {
    std::printf("veredus-local [OPTIONS]: started by veredusd as a helper; see veredus-local(7)\n%s", local::options_help().c_str());
    return EX_OK;
  }
  std::string problem;
  auto options = local::read_options(words, problem);
  if (!options) {
    std::fprintf(stderr, "veredus-local: %s\n", problem.c_str());
    return EX_USAGE;
  }
  if (!is_socket(local::kDaemonSocket)) {
    std::fprintf(stderr, "veredus-local: descriptor 3 is no socket: this program is started by veredusd (core: helpers:)\n");
    return EX_USAGE;
  }
  if (geteuid() != 0) say_unprivileged();
  return local::serve(*options, local::kDaemonSocket);
}
