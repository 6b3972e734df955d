// veredus-sink: the entry point.
#include "sink/options.h"
#include "sink/server.h"

int main(int argc, char** argv) {
  using namespace veredus::tools;
  SinkOptions options;
  switch (read_sink_options(argc, argv, options)) {
    case ArgsOutcome::kHelp:
      return 0;
    case ArgsOutcome::kError:
      return 2;
    case ArgsOutcome::kRun:
      break;
  }
  Server server(options);
  return server.prepare() ? server.run() : 2;
}
