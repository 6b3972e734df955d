// The file with which a user says where mail for him goes. Read as the user.
#pragma once

#include <optional>
#include <string>

#include "local/targets.h"
#include "local/users.h"
#include "local/wire.h"

namespace local {

struct Forward {
  bool found = false;
  std::string path;
  TargetList list;
  std::optional<Report> failure;  // it is there, but cannot be used
};

// NAME+extension first, then NAME, in the user's home.
Forward read_forward(const User& user, const std::string& name, const std::string& extension);

}  // namespace local
