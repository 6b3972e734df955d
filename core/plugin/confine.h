// Confine: takes from this process what describing a plugin does not need: the network, writing, other programs, time and memory. Cannot be
// undone. Called by the probe's child before it opens an object; single-threaded.
#pragma once

namespace veredus {

// Keeps `result_fd` and the standard streams open, and nothing else. What the kernel does not offer is left out.
void confine_this_process(int result_fd, unsigned cpu_seconds);

}  // namespace veredus
