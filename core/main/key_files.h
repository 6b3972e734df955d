// Keys that only root reads, for a worker that is not root: the supervisor opens those that the configuration names and hands the
// descriptors over. KeyFiles: the supervisor's side, one thread. KeyDoor: the worker's, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/settings.h"
#include "log/log.h"
#include "net/secret_file.h"
#include "plugin/unique_fd.h"

namespace veredus {

// What may be handed over: files by name, links followed; and whatever lies beneath directories, where links must not lead out.
struct KeyRules {
  std::set<std::string> files;
  std::vector<std::string> directories;
  void add(const TlsSettings& settings);
};

// Opened for reading. Only regular files of at most 1 MiB that hold PEM. Errc::not_found: the rules do not name it.
Result<UniqueFd> open_by_rules(const KeyRules& rules, const std::string& path);
// Whether nobody but root can change what the directory's fragments say.
Status only_root_writes(const std::string& conf_dir);

class KeyFiles {
 public:
  KeyFiles(std::string conf_dir, const Clock& clock, Log& log) : conf_dir_(std::move(conf_dir)), clock_(clock), log_(log) {}

  void know(const Settings& settings) { rules_.add(settings.tls); }
  Result<UniqueFd> begin();  // a worker starts; the descriptor is its end
  void end() { socket_.reset(); }
  int fd() const { return socket_.get(); }
  void serve();  // what is asked for now

 private:
  void answer(const std::string& request);
  Result<UniqueFd> open(const std::string& path);
  void look_again();

  std::string conf_dir_;
  const Clock& clock_;
  Log& log_;
  KeyRules rules_;
  UniqueFd socket_;
  MonoTime look_again_{};             // not before
  std::set<std::string> complained_;  // files whose refusal was told
};

class KeyDoor final : public SecretFiles {
 public:
  explicit KeyDoor(int socket);
  Result<int> open(const std::string& path) override;

 private:
  Result<int> receive(uint32_t number);

  UniqueFd socket_;
  std::mutex mutex_;
  uint32_t number_ = 0;
};

}  // namespace veredus
