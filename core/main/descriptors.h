// Descriptors that the supervisor hands to the worker, as the text of one environment variable.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace veredus {

struct HandedDescriptors {
  std::vector<int> listeners;  // in the order of the settings
  int control = -1;
  int submit = -1;
  int status = -1;  // the worker writes "ready\n"
  int life = -1;    // ends when the supervisor is gone
  int board = -1;   // CrashBoard
  int helpers = -1;  // on which the sockets of helpers come; -1: there are none
  int keys = -1;     // KeyDoor; -1: the worker has the supervisor's rights
};

constexpr const char* kDescriptorsVariable = "VEREDUS_DESCRIPTORS";

std::string encode_descriptors(const HandedDescriptors& descriptors);
Result<HandedDescriptors> decode_descriptors(const char* text);

}  // namespace veredus
