// Maildir: one message into one mailbox, durable when store() has answered ok. Knows files only, nothing of plugins. Blocking: for a
// worker thread. Follows no symbolic link below its root.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace maildir {

struct Options {
  std::string root;       // absolute; must exist
  std::string path;       // below it: "{domain}/{local}/Maildir"
  std::string extension;  // what separates user and folder in a local part; empty: nothing does
  std::string hostname;   // in the names of files
  bool create = true;     // mailboxes that do not exist are made
  mode_t mode = 0700;     // of directories; files get it without the x bits
  uint64_t quota = 0;     // octets of one mailbox, all folders of it apart; 0: none
};

// Why a message is not in its mailbox.
struct Failure {
  unsigned smtp = 0;
  uint8_t enhanced[3] = {0, 0, 0};
  std::string text;
};

// Where a recipient's mail goes: directory names from the root down, the folder last if there is one.
struct Place {
  std::vector<std::string> mailbox;
  std::string folder;     // ".Junk", or empty for the inbox
  bool folder_asked = false;  // by the route, not by the address: made when it is missing
};

// A name that is one directory: nothing empty, no dot names, no separators, no control characters, at most 128 octets.
bool good_name(std::string_view name);
// The place for a recipient; `folder` is the argument of the next hop and wins over the address. A failure for names that are no directory.
std::optional<Failure> find_place(const Options& options, std::string_view local, std::string_view domain, std::string_view folder, Place& out);

// Gives octets from an offset on: what was copied, 0 at the end, below 0 when they cannot be read.
using Source = std::function<ssize_t(uint64_t offset, char* buffer, size_t capacity)>;

// Writes `head` and then all octets of `source` with LF line ends, under a name that nobody else uses. nullopt: it is on stable storage.
std::optional<Failure> store(const Options& options, const Place& place, std::string_view head, uint64_t size, const Source& source);

// Why `path` cannot be a template, empty when it can.
std::string template_problem(std::string_view path);

}  // namespace maildir
