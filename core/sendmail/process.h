// What sendmail does about the process it was started in, which may be as hostile as its caller likes: descriptors that are closed, an
// environment that is empty, signals that are ignored, a directory that cannot be read. One thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace veredus {

void tidy_process();    // descriptors 0-2 are there and none above, SIGPIPE is ignored, children can be waited for
void block_signals();   // from here on the exit code must tell the truth

struct SubmittingUser {
  std::string login;  // of the real uid; "uid-N" where the system knows no name
  std::string name;   // NAME of the environment, else the full name
};
SubmittingUser submitting_user();
std::string working_directory();                    // empty when it cannot be told
std::string script_that_calls(std::string_view header);  // from what PHP and web servers say, else the command that started us

// Runs a program with these words; its exit code, or -1. `input` goes to its standard input; its standard output goes to `output`,
// when there is one.
struct Ran {
  int code = -1;       // 127: it could not be started
  std::string output;
};
Ran run_program(const std::string& path, const std::vector<std::string>& words, const std::string* input, bool capture);
std::string own_path();  // of this executable; empty when it cannot be told
std::string beside_own(const std::string& name);  // a program of the same build; empty when this is an installed one
// veredus-drop: VEREDUS_DROP of the environment (unless rights were gained by who called), beside the build's own program, else where it is installed.
std::string drop_program();

}  // namespace veredus
