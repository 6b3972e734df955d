// CheckReport: what was found out about one thing: a word, a sentence, then lines "NAME: text"; or one JSON object. Values.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace veredus {

class CheckReport {
 public:
  explicit CheckReport(std::string subject) : subject_(std::move(subject)) {}

  void result(std::string word, std::string summary);
  void note(std::string name, std::string text);                        // a line; in JSON a member, a list when it comes again
  void note(std::string name, std::string text, nlohmann::json value);  // the same, with another value in JSON
  void fix(const std::string& text) { note("fix", text); }
  void data(const std::string& name, nlohmann::json value) { json_[name] = std::move(value); }  // in JSON only

  const std::string& word() const { return word_; }
  const std::string& subject() const { return subject_; }
  const std::string& summary() const { return summary_; }
  std::string text() const;
  std::string json_text() const;

 private:
  std::string subject_, word_, summary_;
  std::vector<std::pair<std::string, std::string>> notes_;
  nlohmann::json json_ = nlohmann::json::object();
};

}  // namespace veredus
