// Build tool: writes the source of veredus.conf.5 to the file named on its command line.
#include <cstdio>
#include <fstream>

#include "config/show.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: veredus-conf-man FILE\n");
    return 64;
  }
  std::ofstream out(argv[1], std::ios::binary);
  out << veredus::settings_reference_man();
  out.close();
  return out ? 0 : 74;
}
