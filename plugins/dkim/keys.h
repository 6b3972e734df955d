// Private keys, had when a message needs them and kept while there is room: 300,000 domains must work. A KeyRing belongs to one loop; files are
// read on the pool.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <veredus/plugin_co.hpp>

#include "settings.h"

namespace mail_dkim {

// The keys of a domain. None and no problem: its mail is not signed.
struct KeySet {
  std::vector<mailauth::SigningKey> keys;
  std::string problem;  // a sentence: a key that should be there cannot be had
};
using Keys = std::shared_ptr<const KeySet>;

// What to read.
struct KeyPlan {
  std::string domain;  // d=
  std::vector<KeyPlace> places;
  bool ruled = false;       // by a rule: nothing else is asked
  bool optional = false;    // a file that is not there is no problem
  std::string active_file;  // names the selectors, a line each; `pattern` has their files
  std::string pattern;
};

// By the first rule that fits, else by key_files. A plan without places and active file: no keys.
KeyPlan plan_of(const Options& options, const std::string& tenant, const std::string& domain);

// "sel1=/path/one.pem, sel2=base64:MIIE..." of a table. Nothing and `problem`: not of this form.
std::vector<KeyPlace> places_of(std::string_view value, std::string& problem);

// "{domain}", "{tenant}" and "{selector}" filled in. Empty: a part would lead elsewhere.
std::string filled(std::string_view pattern, std::string_view tenant, std::string_view domain, std::string_view selector);

// Reads files; blocks.
KeySet load(const KeyPlan& plan);

// The lines of the file that says which selectors sign.
std::vector<std::string> selectors_in(std::string_view text);

// The last used stay. One loop.
template <class Value>
class Lru {
 public:
  explicit Lru(size_t most) : most_(most) {}
  Value* find(const std::string& key) {
    auto place = by_key_.find(key);
    if (place == by_key_.end()) return nullptr;
    order_.splice(order_.begin(), order_, place->second);
    return &order_.front().second;
  }
  Value& put(const std::string& key, Value value) {
    if (Value* known = find(key)) return *known = std::move(value);
    while (!order_.empty() && order_.size() >= most_) {
      by_key_.erase(order_.back().first);
      order_.pop_back();
    }
    order_.emplace_front(key, std::move(value));
    by_key_[key] = order_.begin();
    return order_.front().second;
  }
  size_t size() const { return order_.size(); }

 private:
  size_t most_;
  std::list<std::pair<std::string, Value>> order_;
  std::unordered_map<std::string, typename std::list<std::pair<std::string, Value>>::iterator> by_key_;
};

class KeyRing {
 public:
  KeyRing(const vrd::Host& host, const Options& options) : host_(host), options_(options), known_(options.key_cache) {}

  // Keys that could be had before stay in use when they cannot be had now.
  vrd::Task<Keys> keys_of(std::string tenant, std::string domain);
  size_t size() const { return known_.size(); }

 private:
  struct Known {
    Keys keys;
    int64_t fresh_until = 0;
  };
  vrd::Task<KeySet> look_up(std::string tenant, std::string domain);
  vrd::Task<KeySet> ask_table(std::string tenant, std::string domain);

  const vrd::Host& host_;
  const Options& options_;
  Lru<Known> known_;
};

}  // namespace mail_dkim
