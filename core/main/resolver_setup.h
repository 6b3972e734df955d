// Small conversions from settings that several parts of the worker need.
#pragma once

#include <memory>
#include <string_view>

#include "config/settings.h"
#include "log/log.h"
#include "net/resolver.h"

namespace veredus {

std::unique_ptr<Resolver> make_worker_resolver(Loop& loop, const Settings& settings);
Severity severity_of(std::string_view level);

}  // namespace veredus
