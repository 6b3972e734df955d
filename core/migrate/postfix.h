// Postfix: its configuration with names expanded and maps read. Files come through a function, so that tests need none. Remembers which
// parameters were looked at, so that none is passed over in silence. One thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/result.h"
#include "migrate/postfix_files.h"

namespace veredus::migrate {

using ReadFile = std::function<Result<std::string>(const std::string& path)>;

struct Note {
  enum class Kind : unsigned char { untranslated, look } kind;
  Origin at;
  std::string text;
};

class Postfix {
 public:
  // `hostname`: of this system, for configurations without myhostname.
  Postfix(std::string directory, std::string hostname, ReadFile read);
  Status load();

  // A parameter that is set, expanded; from then on it counts as dealt with.
  std::optional<Parameter> take(std::string_view name);
  // The same as it stands, for values that are expanded when mail is delivered.
  std::optional<Parameter> take_as_written(std::string_view name);
  bool is_set(std::string_view name) const { return parameters_.contains(name); }
  // Set or default, expanded; nothing is marked.
  std::string value(std::string_view name) const;
  std::string expanded(std::string_view text) const;
  std::vector<std::string> words(std::string_view name) const { return split_words(value(name)); }
  // Of a service: its override, else main.cf.
  std::string value_for(const Service& service, std::string_view name) const;

  const std::vector<Service>& services() const { return services_; }
  std::vector<Parameter> not_taken() const;  // in the order of the file
  std::vector<Parameter> all() const;        // as they stand

  // Entries of a map, or nothing and a note why.
  std::optional<std::vector<MapEntry>> read_map(const MapReference& map, const Parameter& of);
  // All entries of all maps that a parameter names; words that are no maps become entries without a value. A word that is a path is a
  // file with more of them.
  std::vector<MapEntry> entries(const Parameter& parameter);
  std::string path_of(const std::string& path) const;  // where a file lies, when DIR is a copy

  void untranslated(const Origin& at, std::string text) { notes_.push_back({Note::Kind::untranslated, at, std::move(text)}); }
  void look(const Origin& at, std::string text) { notes_.push_back({Note::Kind::look, at, std::move(text)}); }
  const std::vector<Note>& notes() const { return notes_; }

 private:
  std::string expand(std::string_view text, int depth) const;
  std::string expand_one(std::string_view inside, int depth) const;
  std::string raw(std::string_view name, int depth) const;

  std::string directory_, hostname_;
  ReadFile read_;
  std::map<std::string, Parameter, std::less<>> parameters_;
  std::set<std::string, std::less<>> taken_;
  std::vector<Service> services_;
  std::vector<Note> notes_;
};

}  // namespace veredus::migrate
