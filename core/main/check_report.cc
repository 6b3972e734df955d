// Renders reports. What servers said comes from strangers: everything is printable.
#include "main/check_report.h"

#include "base/text.h"

namespace veredus {

namespace {

constexpr size_t kLongestLine = 4000;

// These are lists in JSON, however many there are.
bool is_list(const std::string& name) { return name == "fix" || name == "mail" || name == "chain" || name == "tlsa" || name == "mx" || name == "note"; }

}  // namespace

void CheckReport::result(std::string word, std::string summary) {
  word_ = std::move(word);
  summary_ = printable(summary, kLongestLine);
}

void CheckReport::note(std::string name, std::string text) {
  std::string shown = printable(text, kLongestLine);
  note(std::move(name), shown, shown);
}

void CheckReport::note(std::string name, std::string text, nlohmann::json value) {
  if (is_list(name)) json_[name].push_back(std::move(value));
  else json_[name] = std::move(value);
  notes_.emplace_back(std::move(name), printable(text, kLongestLine));
}

std::string CheckReport::text() const {
  std::string out = word_ + " " + subject_ + (summary_.empty() ? "" : ": " + summary_) + "\n";
  for (const auto& [name, text] : notes_) out += name + ": " + text + "\n";
  return out;
}

std::string CheckReport::json_text() const {
  nlohmann::json out = json_;
  out["result"] = word_;
  out["subject"] = subject_;
  out["summary"] = summary_;
  return out.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace veredus
