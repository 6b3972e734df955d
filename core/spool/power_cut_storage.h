// PowerCutStorage: a file system in memory for tests that keeps apart what was synced and what was only written, directory entries
// included. A power cut keeps an arbitrary part of the rest, in any order and down to single sectors. Also fails when told. Any thread.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <random>

#include "spool/storage.h"

namespace veredus {

class PowerCutStorage final : public Storage {
 public:
  using Fault = std::function<std::optional<Error>(std::string_view operation, const std::string& name)>;

  // For tests.
  void set_fault(Fault fault) {
    std::lock_guard lock(mutex_);
    fault_ = std::move(fault);
  }
  void cut_at(uint64_t step) {  // the step itself does not happen, and nothing after it
    std::lock_guard lock(mutex_);
    steps_ = 0;
    cut_ = step;
  }
  uint64_t steps() const {
    std::lock_guard lock(mutex_);
    return steps_;
  }
  bool off() const {
    std::lock_guard lock(mutex_);
    return steps_ >= cut_;
  }
  void set_space(FreeSpace space) {
    std::lock_guard lock(mutex_);
    space_ = space;
  }
  // The machine starts again: what was synced is there, of the rest whatever `seed` says.
  void reboot(uint64_t seed) {
    std::lock_guard lock(mutex_);
    std::mt19937_64 random(seed);
    for (auto& [directory, entries] : live_) settle_names(directory, random);
    for (auto& [directory, entries] : stable_) entries = live_[directory];
    for (auto& [directory, entries] : live_)
      for (auto& [name, node] : entries) settle_node(*node, random);
    steps_ = 0;
    cut_ = UINT64_MAX;
    locked_ = false;
  }
  std::string content(const std::string& name) const {
    std::lock_guard lock(mutex_);
    auto node = find(name);
    return node ? node->now : std::string();
  }
  void replace(const std::string& name, std::string octets) {  // as if it had always been so
    std::lock_guard lock(mutex_);
    auto [directory, base] = split_name(name);
    auto node = std::make_shared<Node>();
    node->now = node->stable = std::move(octets);
    live_[directory][base] = stable_[directory][base] = node;
  }

  Result<std::shared_ptr<File>> open(const std::string& name, OpenMode mode) override {
    std::lock_guard lock(mutex_);
    if (mode == OpenMode::create)
      if (Status allowed = step("create", name); !allowed) return allowed.error();
    if (Status allowed = check("open", name); !allowed) return allowed.error();
    auto node = find(name);
    if (mode != OpenMode::create && !node) return fail(Errc::not_found, "opening " + name + ": no such file");
    if (mode == OpenMode::create && node) return fail(Errc::exists, "opening " + name + ": it exists");
    auto [directory, base] = split_name(name);
    if (!node) node = live_[directory][base] = std::make_shared<Node>();
    return std::shared_ptr<File>(std::make_shared<OpenFile>(*this, name, node));
  }
  Status rename(const std::string& from, const std::string& to) override {
    std::lock_guard lock(mutex_);
    if (Status allowed = step("rename", from); !allowed) return allowed;
    auto node = find(from);
    if (!node) return fail(Errc::not_found, from);
    auto [old_directory, old_base] = split_name(from);
    auto [directory, base] = split_name(to);
    live_[old_directory].erase(old_base);
    live_[directory][base] = node;
    return {};
  }
  Status remove(const std::string& name) override {
    std::lock_guard lock(mutex_);
    if (Status allowed = step("remove", name); !allowed) return allowed;
    auto [directory, base] = split_name(name);
    if (!live_[directory].erase(base)) return fail(Errc::not_found, name);
    return {};
  }
  Status make_directory(const std::string& name) override {
    std::lock_guard lock(mutex_);
    return check("mkdir", name);
  }
  Status sync_directory(const std::string& name) override {
    std::lock_guard lock(mutex_);
    if (Status allowed = step("sync_directory", name); !allowed) return allowed;
    stable_[name] = live_[name];
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    std::lock_guard lock(mutex_);
    if (Status allowed = check("list", directory); !allowed) return allowed.error();
    std::vector<std::string> out;
    for (const auto& [name, node] : live_[directory]) out.push_back(name);
    return out;
  }
  Result<FreeSpace> free_space() override {
    std::lock_guard lock(mutex_);
    return space_;
  }
  Result<std::unique_ptr<StorageLock>> lock(const std::string&, LockKind) override {
    std::lock_guard guard(mutex_);
    if (locked_) return fail(Errc::busy, "the spool is in use by process 1");
    locked_ = true;
    return std::unique_ptr<StorageLock>(std::make_unique<Held>(*this));
  }

 private:
  static constexpr size_t kSector = 512;
  struct Write {
    uint64_t offset;
    std::string octets;
  };
  struct Node {
    std::string now, stable;
    std::vector<Write> unsynced;
  };
  using Entries = std::map<std::string, std::shared_ptr<Node>>;

  struct Held final : StorageLock {
    explicit Held(PowerCutStorage& s) : storage(s) {}
    ~Held() override {
      std::lock_guard lock(storage.mutex_);
      storage.locked_ = false;
    }
    PowerCutStorage& storage;
  };

  class OpenFile final : public File {
   public:
    OpenFile(PowerCutStorage& storage, std::string name, std::shared_ptr<Node> node)
        : storage_(storage), name_(std::move(name)), node_(std::move(node)) {}
    Result<size_t> read(uint64_t offset, char* out, size_t count) override {
      std::lock_guard lock(storage_.mutex_);
      if (Status allowed = storage_.check("read", name_); !allowed) return allowed.error();
      if (offset >= node_->now.size()) return size_t{0};
      return node_->now.copy(out, count, offset);
    }
    Status write(uint64_t offset, std::span<const iovec> pieces) override {
      std::string octets;
      for (const iovec& piece : pieces) octets.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
      std::lock_guard lock(storage_.mutex_);
      Status allowed = storage_.step("write", name_);
      // A write the power or the disk cut short may have left a part.
      if (!allowed) octets.resize(octets.size() / 2);
      if (!octets.empty()) apply(offset, std::move(octets));
      return allowed;
    }
    Status sync() override {
      std::lock_guard lock(storage_.mutex_);
      if (Status allowed = storage_.step("sync", name_); !allowed) return allowed;
      node_->stable = node_->now;
      node_->unsynced.clear();
      return {};
    }
    Status truncate(uint64_t size) override {
      std::lock_guard lock(storage_.mutex_);
      if (Status allowed = storage_.step("truncate", name_); !allowed) return allowed;
      node_->now.resize(size);
      return {};
    }
    Status preallocate(uint64_t size) override {
      std::lock_guard lock(storage_.mutex_);
      if (Status allowed = storage_.step("preallocate", name_); !allowed) return allowed;
      apply(0, std::string(size, '\0'));
      return {};
    }
    Result<uint64_t> size() override {
      std::lock_guard lock(storage_.mutex_);
      return uint64_t{node_->now.size()};
    }

   private:
    void apply(uint64_t offset, std::string octets) {
      write_into(node_->now, offset, octets);
      node_->unsynced.push_back({offset, std::move(octets)});
    }
    PowerCutStorage& storage_;
    std::string name_;
    std::shared_ptr<Node> node_;
  };

  static void write_into(std::string& whole, uint64_t offset, std::string_view octets) {
    if (whole.size() < offset + octets.size()) whole.resize(offset + octets.size());
    whole.replace(offset, octets.size(), octets);
  }
  static std::pair<std::string, std::string> split_name(const std::string& name) {
    size_t slash = name.find('/');
    if (slash == std::string::npos) return {"", name};
    return {name.substr(0, slash), name.substr(slash + 1)};
  }
  std::shared_ptr<Node> find(const std::string& name) const {
    auto [directory, base] = split_name(name);
    auto entries = live_.find(directory);
    if (entries == live_.end()) return nullptr;
    auto found = entries->second.find(base);
    return found == entries->second.end() ? nullptr : found->second;
  }
  Status check(std::string_view operation, const std::string& name) {
    if (steps_ >= cut_) return fail(Errc::io, "the power is off");
    if (fault_)
      if (auto error = fault_(operation, name)) return *error;
    return {};
  }
  Status step(std::string_view operation, const std::string& name) {
    if (steps_ < cut_) ++steps_;
    return check(operation, name);
  }
  void settle_names(const std::string& directory, std::mt19937_64& random) {
    Entries &now = live_[directory], &then = stable_[directory];
    Entries out = then;
    for (const auto& [name, node] : now)
      if (random() % 2) out[name] = node;
    for (const auto& [name, node] : then)
      if (!now.count(name) && random() % 2) out.erase(name);
    now = std::move(out);
  }
  static void settle_node(Node& node, std::mt19937_64& random) {
    std::string out = node.stable;
    if (node.unsynced.empty() && random() % 2) out = node.now;  // cut, or not yet
    for (const Write& write : node.unsynced) {
      for (size_t at = 0; at < write.octets.size();) {
        size_t sector_end = (write.offset + at) / kSector * kSector + kSector - write.offset;
        size_t end = std::min(write.octets.size(), sector_end);
        if (random() % 2) write_into(out, write.offset + at, std::string_view(write.octets).substr(at, end - at));
        at = end;
      }
    }
    node.now = node.stable = std::move(out);
    node.unsynced.clear();
  }

  mutable std::mutex mutex_;
  std::map<std::string, Entries> live_, stable_;
  Fault fault_;
  FreeSpace space_{uint64_t{1} << 40, 1'000'000};
  uint64_t steps_ = 0, cut_ = UINT64_MAX;
  bool locked_ = false;
};

}  // namespace veredus
