// A manifest for people and for scripts: `veredus plugin show`. Any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "plugin/manifest.h"

namespace veredus {

std::string manifest_text(const Manifest& manifest, const std::string& path);
nlohmann::ordered_json manifest_words(const Manifest& manifest, const std::string& path);  // numbers of the ABI as words
std::string joined(const std::vector<std::string>& words, const char* between = " ");

}  // namespace veredus
