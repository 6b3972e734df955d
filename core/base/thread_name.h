// Names of threads, as top and debuggers show them.
#pragma once

#include <pthread.h>

namespace veredus {

// Of the thread that calls; at most 15 characters.
inline void name_thread(const char* name) { pthread_setname_np(pthread_self(), name); }

}  // namespace veredus
