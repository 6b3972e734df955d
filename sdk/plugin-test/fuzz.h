// Random variations of a case: arguments of steps, the message, what fakes answer, and settings within their bounds. Values; any thread.
#pragma once

#include <veredus/plugin.h>

#include "plan.h"
#include "script.h"

namespace veredus::ptest {

Case fuzzed(const Case& script, const vrd_plugin& plugin, Chance& chance);

}  // namespace veredus::ptest
