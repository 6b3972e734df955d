// veredus-load: the entry point.
#include "load/generator.h"
#include "load/options.h"

int main(int argc, char** argv) {
  using namespace veredus::tools;
  LoadOptions options;
  switch (read_load_options(argc, argv, options)) {
    case ArgsOutcome::kHelp:
      return 0;
    case ArgsOutcome::kError:
      return 2;
    case ArgsOutcome::kRun:
      break;
  }
  Generator generator(options);
  return generator.prepare() ? generator.run() : 2;
}
