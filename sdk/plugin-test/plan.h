// The plan of one run: what the host does to the plugin on purpose. Plain runs have an empty one. Values; any thread.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace veredus::ptest {

enum class Scarce : uint8_t { nothing, tokens, views, edits };

struct Plan {
  std::string name;           // for people: "abort at deferral 2"
  bool strict = false;        // broken rules are failures
  bool expectations = true;   // what the script expects must come; else only the rules count
  bool twin = false;          // two benches, step by step in turn
  bool fuzz = false;          // arguments, settings and fakes are changed at random
  uint64_t seed = 1;
  int abort_at = -1;          // the session goes away at this deferral, from 0
  int64_t cut_ms = 0;         // the operator's time-out for every token; 0: none
  int64_t delay_ms = 0;       // added to every answer of a service
  bool shuffle = false;       // answers come in any order, up to 50 ms late
  int32_t fail_all = 0;       // every service answers with this status
  bool fail_some = false;     // every third answer, by chance, is one of the service's errors
  bool busy = false;          // every request is refused at once with VRD_E_BUSY
  std::string no_iface;       // iface() yields NULL for this id
  bool stop_at_once = false;  // at the end, requests under way are dropped instead of answered
  bool stop_in_work = false;  // and the end comes while a job is under way, if timers lead to one
  Scarce none = Scarce::nothing;  // cannot be had at all
  bool some_memory = false;       // every second list, view or token, by chance, cannot
};

class Chance {
 public:
  explicit Chance(uint64_t seed) : engine_(seed) {}
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : engine_() % bound; }
  bool one_in(uint64_t bound) { return below(bound) == 0; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace veredus::ptest
