// Shared by tests with as many sessions as there can be: how many, and what they cost. The cost is the allocator's figure, so it is 0 where a
// sanitizer has replaced the allocator.
#pragma once

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VEREDUS_OTHER_ALLOCATOR
#endif
#endif

namespace veredus {

// 10,000, or as many as there are descriptors for, two each.
inline size_t session_count() {
  constexpr size_t kWanted = 10'000;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 2 * kWanted + 200);
  setrlimit(RLIMIT_NOFILE, &limit);
  return std::min<size_t>(kWanted, (limit.rlim_cur - 200) / 2);
}

inline size_t allocated_octets() {
#ifdef VEREDUS_OTHER_ALLOCATOR
  return 0;
#else
  return mallinfo2().uordblks;
#endif
}

}  // namespace veredus
