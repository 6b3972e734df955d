// Migration: the files to write and what is to be told, from one Postfix. Pure but for the files it reads through the function it is given.
#pragma once

#include "migrate/draft.h"
#include "migrate/postfix.h"

namespace veredus::migrate {

struct OutputFile {
  std::string name, text;  // below the new directory
  bool secret = false;     // for the daemon's user alone
};

struct Migration {
  std::vector<OutputFile> files;
  std::vector<Note> notes;
};

// `target`: the absolute path that the new directory has or will have; files that others name stand there.
Result<Migration> migrate_postfix(const std::string& directory, const std::string& target, const std::string& hostname, ReadFile read);

std::vector<OutputFile> render(const Draft& draft, const std::string& target);
std::string note_line(const Note& note);  // "main.cf:12: not translated: ..."

}  // namespace veredus::migrate
