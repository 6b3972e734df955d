// A script: a list of cases in YAML, checked against the grammar before anything runs. The grammar is the tables of script.cc. Values; any thread.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace veredus::ptest {

struct Step {
  std::string name;   // "rcpt"; "expect" when it only expects
  YAML::Node args, expect;
  std::string instance;  // label
  std::string place;     // "greylist.test.yaml:12:5"
};

struct Case {
  std::string name, file, place;
  YAML::Node body;  // the mapping: settings, fakes ...
  std::vector<Step> steps;
};

Result<std::vector<Case>> read_script(const std::string& path);  // not_found, or invalid with its place

// Of stage steps: what a plain value after the name is.
std::string_view main_attribute(std::string_view step);  // "rcpt" -> "recipient"
std::string attribute_name(const std::string& key);      // "client" -> "client.address"; others as they are
int64_t start_time(const YAML::Node& body);              // of `time:`, milliseconds since 1970

}  // namespace veredus::ptest
