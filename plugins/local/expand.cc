// Depth first, with the chain of names that led here.
#include "expand.h"

#include <algorithm>
#include <unordered_set>

namespace local {

namespace {

constexpr size_t kDeepest = 50, kMostSteps = 200'000, kMostProblems = 20;

class Walk {
 public:
  explicit Walk(const World& world) : world_(world) {}
  Expansion out;

  void top(std::string_view local_part) {
    out.known = name(std::string(local_part), false, "", true);
    finish();
  }
  void list(const TargetList& targets) {
    each(targets, "", "");
    finish();
  }

 private:
  bool stopped() const { return out.too_many || !out.later.empty(); }
  void finish() {
    if (out.items.empty() && looped_) out.looped = true;
    if (out.too_many || !out.later.empty()) out.items.clear();
  }
  void problem(std::string text) {
    if (out.problems.size() < kMostProblems) out.problems.push_back(std::move(text));
  }
  bool in_chain(const std::string& name) const { return std::find(chain_.begin(), chain_.end(), name) != chain_.end(); }

  void add(Item item) {
    std::string key = std::to_string(static_cast<int>(item.kind)) + "\n" + item.text + "\n" + item.extension + "\n" + item.owner;
    if (!seen_.insert(std::move(key)).second) return;
    if (out.items.size() == world_.most_items)
      out.too_many = true;
    else
      out.items.push_back(std::move(item));
  }

  // False: there is neither an alias nor a user of this name.
  bool name(std::string given, bool exact, const std::string& owner, bool top) {
    if (++steps_ > kMostSteps) return out.too_many = true;
    std::string whole = lowered(unquoted(given));
    auto [base, extension] = split_extension(whole, world_.separator);
    if (!exact)
      for (const std::string& key : {whole, base})
        if (!in_chain(key) && alias(key, owner)) return true;
    return user(whole, base, extension, exact, owner, top);
  }

  bool alias(const std::string& key, const std::string& owner) {
    std::string source;
    const Alias* found = world_.alias(key, &source);
    if (!found) return false;
    if (chain_.size() == kDeepest) return out.too_many = true;
    if (expanded_.contains(key + "\n" + owner)) return true;  // all that it leads to is there already
    std::string list_owner = world_.alias("owner-" + key, nullptr) ? key : owner;
    chain_.push_back(key);
    TargetList list;
    list.targets = found->targets;
    each(list, list_owner, source);
    chain_.pop_back();
    expanded_.insert(key + "\n" + owner);
    return true;
  }

  bool user(const std::string& whole, const std::string& base, const std::string& extension, bool exact, const std::string& owner,
            bool top) {
    for (bool with_extension : {false, true}) {
      if (with_extension && extension.empty()) break;
      const std::string& wanted = with_extension ? base : whole;
      UserAnswer answer = world_.user(wanted);
      if (answer.kind == UserAnswer::Kind::unknown) return out.later = "users cannot be looked up: " + answer.problem, true;
      if (answer.kind == UserAnswer::Kind::absent) continue;
      Item item;
      item.text = answer.user.name;
      item.extension = with_extension ? extension : "";
      item.exact = exact;
      item.itself = top || exact || in_chain(whole) || in_chain(base);
      item.owner = owner;
      return add(std::move(item)), true;
    }
    if (in_chain(whole) || in_chain(base)) return looped_ = true;
    return false;
  }

  void each(const TargetList& list, const std::string& owner, const std::string& source) {
    for (const std::string& one : list.problems) problem(source + ": " + one);
    for (const Target& target : list.targets) {
      if (stopped()) return;
      one(target, owner, source);
    }
  }

  void one(const Target& target, const std::string& owner, const std::string& source) {
    using Kind = Target::Kind;
    switch (target.kind) {
      case Kind::name:
        return by_name(target.text, target.exact, owner);
      case Kind::address:
        return by_address(target, owner);
      case Kind::include:
        return include(target.text, owner);
      case Kind::pipe:
        return plain(Item::Kind::pipe, target, owner, source);
      case Kind::file:
        return plain(Item::Kind::file, target, owner, source);
      case Kind::refuse:
        return plain(Item::Kind::refuse, target, owner, source);
      case Kind::defer:
        return plain(Item::Kind::defer, target, owner, source);
      case Kind::blackhole:
        return plain(Item::Kind::blackhole, target, owner, source);
    }
  }

  // A name that nobody has goes back to the queue, where it gets its own failure.
  void by_name(const std::string& text, bool exact, const std::string& owner) {
    if (name(text, exact, owner, false)) return;
    Item item;
    item.kind = Item::Kind::name;
    item.text = text;
    item.owner = owner;
    add(std::move(item));
  }

  void by_address(const Target& target, const std::string& owner) {
    size_t at = target.text.rfind('@');
    if (world_.is_local(lowered(std::string_view(target.text).substr(at + 1))))
      return by_name(target.text.substr(0, at), target.exact, owner);
    Item item;
    item.kind = Item::Kind::address;
    item.text = target.text;
    item.owner = owner;
    add(std::move(item));
  }

  void plain(Item::Kind kind, const Target& target, const std::string& owner, const std::string& source) {
    if (source.empty() && (kind == Item::Kind::pipe || kind == Item::Kind::file))
      return problem("'" + target.text.substr(0, 80) + "': commands and files stand in aliases and .forward only");
    Item item;
    item.kind = kind;
    item.text = target.text;
    item.code = target.code;
    item.owner = owner;
    item.source = source;
    add(std::move(item));
  }

  // Commands and files are not taken from a list: who writes it need not be who may run things.
  void include(const std::string& path, const std::string& owner) {
    std::string text, why;
    if (chain_.empty()) return problem("':include:" + path.substr(0, 80) + "': lists stand in aliases only");
    if (chain_.size() >= kDeepest) return void(out.too_many = true);
    std::string key = ":include:" + path;
    if (in_chain(key)) return void(looped_ = true);
    if (!world_.include(path, text, why)) return void(out.later = why.empty() ? path + " is not there" : why);
    chain_.push_back(key);
    each(parse_target_lines(text), owner, "");
    chain_.pop_back();
  }

  const World& world_;
  std::vector<std::string> chain_;
  std::unordered_set<std::string> seen_, expanded_;  // items; names with the owner they had
  size_t steps_ = 0;
  bool looped_ = false;
};

}  // namespace

std::pair<std::string, std::string> split_extension(std::string_view local_part, std::string_view separator) {
  size_t at = separator.empty() ? local_part.npos : local_part.find(separator);
  if (at == local_part.npos || at == 0) return {std::string(local_part), {}};
  return {std::string(local_part.substr(0, at)), std::string(local_part.substr(at + separator.size()))};
}

Expansion expand(std::string_view local_part, const World& world) {
  Walk walk(world);
  walk.top(local_part);
  return std::move(walk.out);
}

Expansion expand_targets(const TargetList& list, const World& world) {
  Walk walk(world);
  walk.list(list);
  return std::move(walk.out);
}

}  // namespace local
