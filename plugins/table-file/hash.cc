// Tables of exact keys and of domain patterns: one text with all keys and values, and a sorted index of 16 octets an entry.
#include <algorithm>
#include <vector>

#include "kinds.h"
#include "common/text.hpp"
#include "lines.h"

namespace table {

namespace {

struct Entry {
  uint64_t at;      // of the key in the text; the value follows it
  uint32_t key, value;
};

class HashTable : public Table {
 public:
  void add(std::string_view key, std::string_view value) {
    entries_.push_back({text_.size(), static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size())});
    text_ += key;
    text_ += value;
  }
  // Sorts; of equal keys the first of the file stays.
  void finish() {
    std::stable_sort(entries_.begin(), entries_.end(), [this](const Entry& a, const Entry& b) { return key_of(a) < key_of(b); });
    auto end = std::unique(entries_.begin(), entries_.end(), [this](const Entry& a, const Entry& b) { return key_of(a) == key_of(b); });
    repeated = static_cast<size_t>(entries_.end() - end);
    entries_.erase(end, entries_.end());
    entries_.shrink_to_fit();
    text_.shrink_to_fit();
  }
  std::optional<std::string> find(std::string_view key) const override { return exact(options.fold ? common::lowered(key) : std::string(key)); }
  size_t size() const override { return entries_.size(); }

 protected:
  std::optional<std::string> exact(std::string_view key) const {
    auto at = std::lower_bound(entries_.begin(), entries_.end(), key, [this](const Entry& entry, std::string_view wanted) { return key_of(entry) < wanted; });
    if (at == entries_.end() || key_of(*at) != key) return std::nullopt;
    return text_.substr(at->at + at->key, at->value);
  }

 private:
  std::string_view key_of(const Entry& entry) const { return std::string_view(text_).substr(entry.at, entry.key); }
  std::string text_;
  std::vector<Entry> entries_;
};

// a.test exactly that; .a.test any depth below; * all. The closest wins.
class DomainTable final : public HashTable {
 public:
  std::optional<std::string> find(std::string_view key) const override {
    std::string domain = common::lowered(key);
    if (auto found = exact(domain)) return found;
    for (size_t dot = domain.find('.'); dot != domain.npos; dot = domain.find('.', dot + 1))
      if (auto found = exact(std::string_view(domain).substr(dot))) return found;
    return exact("*");
  }
};

std::string domain_problem(std::string_view key) {
  if (key == "*") return {};
  std::string_view name = key.starts_with(".") ? key.substr(1) : key;
  bool odd = name.empty() || name.front() == '.' || name.find("..") != name.npos || name.find_first_of("*@/ ") != name.npos;
  return odd ? "'" + std::string(key) + "' is not a domain pattern (a.test, .a.test, *)" : "";
}

}  // namespace

std::shared_ptr<Table> make_hash(const Options& options, std::string_view text, std::string& error) {
  auto out = std::make_shared<HashTable>();
  error = each_line(text, [&](Line& line) {
    out->add(options.fold ? common::lowered(line.key) : line.key, line.value);
    return std::string();
  });
  out->finish();
  return out;
}

std::shared_ptr<Table> make_domain(const Options&, std::string_view text, std::string& error) {
  auto out = std::make_shared<DomainTable>();
  error = each_line(text, [&](Line& line) {
    if (line.key.size() > 1 && line.key.ends_with('.')) line.key.pop_back();
    out->add(common::lowered(line.key), line.value);
    return domain_problem(line.key);
  });
  out->finish();
  return out;
}

}  // namespace table
