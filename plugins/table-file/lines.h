// Lines of a table file: `key value`, `"key with spaces" value`, comments from # to the end of the line, empty lines. A value is the rest of
// the line, or a text in double quotes; \" and \\ stand for themselves within quotes. Values; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "table.h"

namespace table {

// Calls `take` for each entry; it returns what is wrong with it, empty when nothing. Returns "LINE: what is wrong", empty when all is well.
std::string each_line(std::string_view text, const std::function<std::string(Line&)>& take);

}  // namespace table
