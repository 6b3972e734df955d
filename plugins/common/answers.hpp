// Answers of tables while a hook call is decided: what is known, what must be asked. Used by one loop; lives as long as the decision.
#ifndef VEREDUS_PLUGINS_COMMON_ANSWERS_HPP
#define VEREDUS_PLUGINS_COMMON_ANSWERS_HPP

#include <veredus/plugin.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace common {

/** The tables of an instance, each opened once, whatever number of rules names it. [main] */
class Tables {
 public:
  explicit Tables(const vrd::Setup& setup) : setup_(setup) {}
  vrd::Table open(std::string_view name) {
    const auto known = tables_.find(name);
    if (known != tables_.end()) return known->second;
    return tables_.emplace(name, setup_.table(name)).first->second;
  }

 private:
  const vrd::Setup& setup_;
  std::map<std::string, vrd::Table, std::less<>> tables_;
};

class Answers {
 public:
  /** What is known of a key. */
  struct Row {
    enum class State { wanted, asked, known, failed } state = State::wanted;
    std::optional<std::string> value;
  };

  /** The row of a key; one that is not known will be asked for by the next fetch(). */
  const Row& row(vrd::Table table, const std::string& key) { return rows_[{table.id, key}]; }

  bool wants() const {
    for (const auto& [key, row] : rows_)
      if (row.state == Row::State::wanted) return true;
    return false;
  }

  /** Asks for all wanted rows and then calls `done`, once; `done` keeps this object alive. */
  void fetch(const vrd::Host& host, vrd::milliseconds timeout, std::function<void()> done) {
    const auto round = std::make_shared<Round>(std::move(done));
    std::vector<std::string> keys;
    std::optional<uint32_t> table;
    const auto send = [&] {
      if (!keys.empty()) ask(host, timeout, round, vrd::Table{*table}, std::exchange(keys, {}));
    };
    for (const Id& id : take_wanted()) {  // in the order of tables
      if (keys.size() == kBatch || table != id.first) send();
      table = id.first;
      keys.push_back(id.second);
    }
    send();
    round->settle();
  }

 private:
  using Id = std::pair<uint32_t, std::string>;
  static constexpr size_t kBatch = 64;

  /** Owned by the callbacks that are open: when the host drops them, it goes too. */
  struct Round {
    explicit Round(std::function<void()> with) : done(std::move(with)) {}
    void settle() {
      if (--open == 0) done();
    }
    std::function<void()> done;
    size_t open = 1;
  };

  std::vector<Id> take_wanted() {
    std::vector<Id> out;
    for (auto& [id, row] : rows_)
      if (row.state == Row::State::wanted) row.state = Row::State::asked, out.push_back(id);
    return out;
  }
  void ask(const vrd::Host& host, vrd::milliseconds timeout, const std::shared_ptr<Round>& round, vrd::Table table, std::vector<std::string> keys) {
    round->open++;
    std::vector<std::string> sent = keys;
    host.lookup(table, std::move(sent), timeout).then([this, round, table, keys = std::move(keys)](vrd::TableResult result) {
      for (size_t i = 0; i < keys.size(); i++) {
        Row& row = rows_[{table.id, keys[i]}];
        row.state = result.ok() && i < result.rows.size() ? Row::State::known : Row::State::failed;
        if (row.state == Row::State::known) row.value = std::move(result.rows[i]);
      }
      round->settle();
    });
  }

  std::map<Id, Row> rows_;
};

}  // namespace common
#endif
