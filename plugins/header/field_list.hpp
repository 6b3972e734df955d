// The header fields of a message while rules change them: each change is made here at once, so that later rules and later changes see it,
// and is remembered as an edit whose position is right at its turn. Lives for one decision on one loop.
#ifndef VEREDUS_PLUGINS_HEADER_FIELD_LIST_HPP
#define VEREDUS_PLUGINS_HEADER_FIELD_LIST_HPP

#include "header/template.hpp"

namespace header {

class FieldList {
 public:
  static constexpr size_t kMostEdits = 2000;

  explicit FieldList(const vrd::View& view) {
    for (uint32_t i = 0; const auto field = view.header_at(i); i++) fields_.push_back({common::lowered(field->name), common::unfolded(field->value)});
  }

  void add(const std::string& name, const std::string& value, bool on_top) {
    const auto text = folded(name, value);
    if (!text) return;
    fields_.insert(on_top ? fields_.begin() : fields_.end(), {common::lowered(name), value});
    note({on_top ? Edit::Kind::top : Edit::Kind::bottom, name, *text, 0});
  }

  void remove(const std::string& name) {
    const std::string wanted = common::lowered(name);
    for (size_t i = 0; i < fields_.size() && !is_full();) {
      if (fields_[i].name != wanted) {
        i++;
        continue;
      }
      fields_.erase(fields_.begin() + static_cast<ptrdiff_t>(i));
      note({Edit::Kind::remove, name, {}, 1});
    }
  }

  /** False when the expression needs too many steps. */
  bool remove_matching(const std::string& name, const common::Regex& regex, common::Budget& budget) {
    const std::string wanted = common::lowered(name);
    uint32_t occurrence = 1;
    for (size_t i = 0; i < fields_.size();) {
      if (fields_[i++].name != wanted) continue;
      const common::Match found = regex.match(fields_[i - 1].value, budget);
      if (found == common::Match::limit) return false;
      if (found == common::Match::no) {
        occurrence++;
        continue;
      }
      fields_.erase(fields_.begin() + static_cast<ptrdiff_t>(--i));
      note({Edit::Kind::remove, name, {}, occurrence});
      if (is_full()) break;
    }
    return true;
  }

  /** False when the expression needs too many steps. */
  bool replace(const std::string& name, const common::Regex& regex, std::string_view with, common::Budget& budget) {
    const std::string wanted = common::lowered(name);
    uint32_t occurrence = 0;
    for (Field& field : fields_) {
      if (field.name != wanted) continue;
      occurrence++;
      const auto result = regex.replace(field.value, with, budget);
      if (!result) return false;
      std::string value = cleaned(*result, common::Regex::kLongestResult);
      const auto text = folded(name, value);
      if (value == field.value || !text) continue;
      note({Edit::Kind::replace, name, *text, occurrence});
      field.value = std::move(value);
      if (is_full()) break;
    }
    return true;
  }

  /** The first field of the name gets the value, the others go; without one it is added at the end. */
  void set(const std::string& name, const std::string& value) {
    const std::string wanted = common::lowered(name);
    const auto text = folded(name, value);
    const auto first = std::find_if(fields_.begin(), fields_.end(), [&](const Field& field) { return field.name == wanted; });
    if (!text) return;
    if (first == fields_.end()) return add(name, value, false);
    if (first->value != value) note({Edit::Kind::replace, name, *text, 1});
    first->value = value;
    const size_t kept = static_cast<size_t>(first - fields_.begin());
    for (size_t i = kept + 1; i < fields_.size() && !is_full();) {
      if (fields_[i].name != wanted) {
        i++;
        continue;
      }
      fields_.erase(fields_.begin() + static_cast<ptrdiff_t>(i));
      note({Edit::Kind::remove, name, {}, 2});
    }
  }

  /** A message that asks for more changes than that is not a letter. */
  bool is_full() const { return edits_.size() >= kMostEdits; }
  bool is_changed() const { return !edits_.empty(); }
  size_t changes() const { return edits_.size(); }

  void apply(vrd::Edits& edits) const {
    for (const Edit& edit : edits_) {
      switch (edit.kind) {
        case Edit::Kind::top: edits.prepend_header(edit.name, edit.value); break;
        case Edit::Kind::bottom: edits.append_header(edit.name, edit.value); break;
        case Edit::Kind::replace: edits.replace_header(edit.name, edit.value, edit.occurrence); break;
        case Edit::Kind::remove: edits.remove_header(edit.name, edit.occurrence); break;
      }
    }
  }

 private:
  struct Field {
    std::string name, value;  // lower case; on one line
  };
  struct Edit {
    enum class Kind { top, bottom, replace, remove } kind;
    std::string name, value;
    uint32_t occurrence;
  };
  void note(Edit edit) { edits_.push_back(std::move(edit)); }

  std::vector<Field> fields_;
  std::vector<Edit> edits_;
};

}  // namespace header
#endif
