// table-file: svc.table over a file. Each instance is one table; its name is the instance's label. The file is looked at every `check` on
// the pool and loaded again when it changed; lookups read the table of that moment without a lock of their own.
#include <algorithm>

#include <veredus/plugin.hpp>

#include "common/watched_file.hpp"
#include "table.h"

namespace {

using TablePtr = std::shared_ptr<const table::Table>;
using Looks = common::FileLooks<table::Table>;

table::Options options_of(const vrd::Conf& conf) {
  table::Options out;
  out.file = conf.text("file");
  out.kind = static_cast<table::Kind>(conf.choice("kind"));
  out.fold = conf.choice("case") == 0;
  out.missing_is_empty = conf.choice("missing") == 1;
  return out;
}

class TableFile : public vrd::Plugin<> {
 public:
  explicit TableFile(vrd::Setup& setup)
      : Plugin(setup),
        options(options_of(setup.conf)),
        watched(options.file, [this](std::string& error) { return table::load(options, error); }),
        check(setup.conf.duration("check")),
        lookups(setup.counter("lookups_total", "Keys asked for")),
        found(setup.counter("found_total", "Keys that were there")),
        refused(setup.counter("refused_total", "Changed files that were not taken because of an error")) {
    watched.begin(first(setup));
  }

  TablePtr now() const { return watched.now(); }

  struct Shard : vrd::ShardOf<TableFile>, vrd::TableProvider {
    explicit Shard(const vrd::ShardSetup<TableFile>& setup) : ShardOf(setup) {
      if (loop == 0) looks_.emplace(host, plugin.watched, plugin.check, [this](const Looks::Look& look) { taken(look); });
    }
    void lookup(std::span<const std::string_view> keys, vrd::TableAnswer answer) override {
      TablePtr table = plugin.now();
      std::vector<std::optional<std::string>> rows;
      for (std::string_view key : keys) rows.push_back(table->find(key));
      plugin.lookups.add(static_cast<int64_t>(keys.size()));
      plugin.found.add(std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.has_value(); }));
      answer.rows(rows);
    }

   private:
    void taken(const Looks::Look& look) const {
      if (!look.error.empty()) {
        plugin.refused.add();
        host.error("refused", {{"table", host.instance()}, {"reason", look.error}, {"remedy", "the table of before stays in use; mend the file"}});
      }
      if (!look.held) return;
      plugin.watched.replace(look.held);
      host.notice("loaded", {{"table", host.instance()}, {"file", plugin.options.file}, {"entries", look.held->size()}, {"repeated", look.held->repeated}});
    }
    std::optional<Looks> looks_;  // of loop 0
  };

  const table::Options options;
  common::WatchedFile<table::Table> watched;
  const vrd::milliseconds check;
  const vrd::Metric lookups, found, refused;

 private:
  // A file that an instance before this one has loaded, and that is still the same, is not read again.
  TablePtr first(const vrd::Setup& setup) const {
    if (const auto* before = setup.previous<TableFile>()) {
      TablePtr table = before->now();
      bool same = table->options.file == options.file && table->options.kind == options.kind && table->options.fold == options.fold;
      if (same) table = common::WatchedFile<table::Table>::unless_changed(std::move(table), options.file);
      if (same && table) return table;
    }
    std::string error;
    TablePtr table = table::load(options, error);
    if (!table) setup.conf["file"].refuse(error);
    host.info("loaded", {{"table", host.instance()}, {"file", options.file}, {"entries", table->size()}, {"repeated", table->repeated}});
    return table;
  }
};

constexpr vrd::About kAbout{"table-file", "0.1", "Apache-2.0", "Tables in files: keys, networks, domains, regular expressions"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("file", VRD_SETTING_PATH, nullptr, nullptr, "The file. It is loaded at the start and whenever it changes.", VRD_SETTING_REQUIRED),
    vrd::setting("kind", VRD_SETTING_CHOICE, "hash", "hash|cidr|regex|domain",
                 "hash: keys as they are. cidr: networks, the longest prefix wins. regex: PCRE2, the first match wins, \\1 to \\9 in its value are its groups. domain: a.test, .a.test, *, the closest wins."),
    vrd::setting("case", VRD_SETTING_CHOICE, "fold", "fold|exact", "Whether the case of ASCII letters in keys counts. Domains are always folded."),
    vrd::setting("check", VRD_SETTING_DURATION, "2s", "100ms..1d", "How often the file is looked at."),
    vrd::setting("missing", VRD_SETTING_CHOICE, "error", "error|empty", "What a missing file is: an error (at the start the configuration is refused, later the table of before stays in use), or an empty table."),
};

}  // namespace

VEREDUS_PLUGIN(TableFile, kAbout, kSettings)
