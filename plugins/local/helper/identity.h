// Becoming somebody: the only way in which a child of the helper gets at files of a user. One process, one identity, no way back.
#pragma once

#include <optional>
#include <string>

#include "local/users.h"
#include "local/wire.h"

namespace local {

// Takes user id, group id and groups of a user, and proves that they are taken. `spool_group`: one group more, for a directory of
// mailboxes; 0: none. nullopt: done. As an ordinary user: nothing for that user, refused for others. Root is nobody's recipient.
std::optional<Report> become(const User& user, gid_t spool_group);
// The group by which users write to the directory of mailboxes: root's, writable by a group and not by all. 0: none.
gid_t spool_group_of(const std::string& directory);
// Ends with the helper.
void follow_parent(pid_t parent);

}  // namespace local
