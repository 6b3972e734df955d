// A command as the recipient: fixed PATH, an environment in which nothing of a stranger is dangerous, a time limit, exit codes of sysexits.
#pragma once

#include <string>
#include <vector>

#include "local/users.h"
#include "fd.h"
#include "message.h"

namespace local {

// What is told about the message in the environment.
struct Delivery {
  std::string sender, recipient, original, local, domain, extension;
};

// Runs `command` with /bin/sh. The message is its standard input; what it prints comes back in the text.
Report run_command(const std::string& command, const User& user, const Delivery& delivery, const Message& message, int time_limit);

// What an end of a command means. `output`: the beginning of what it printed; an enhanced status there says it better than the code.
Report judge_exit(int status, std::string_view output);
// "NAME=value" for execve. Values that came from outside keep letters, digits and harmless signs only.
std::vector<std::string> command_environment(const User& user, const Delivery& delivery);

}  // namespace local
