// The plugin's settings, read once. Instance-wide things that lock by themselves are here as well.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <veredus/plugin.hpp>

#include "common/patterns.hpp"
#include "alias_files.h"
#include "expand.h"
#include "users.h"

namespace local {

struct Options {
  explicit Options(const vrd::Setup& setup);

  bool is_local(std::string_view domain) const;    // users and aliases of this host; lower case
  bool is_virtual(std::string_view domain) const;  // of tables only
  std::string home_domain;                         // behind names without a domain

  std::string separator, root_to, hostname;
  std::string transport;  // next hop of users' mailboxes; empty: the helper writes them
  size_t most_targets;
  std::optional<vrd::Table> virtual_table, mailboxes;
  vrd::Helper helper;

  // Any thread.
  mutable AliasFiles aliases;
  mutable UserCache users;

 private:
  std::vector<common::DomainPattern> local_, virtual_;
};

}  // namespace local
