// DropPickup: takes over what lies in the drop directory, when the daemon starts and while it runs. Each file is renamed to carry the id
// that its message will have, handed to a session of its own as if a program had connected, and removed between "durable" and
// "queued": a daemon that is killed at any moment neither loses nor doubles it. Belongs to the queue's loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "drop/directory_watch.h"
#include "drop/drop_directory.h"
#include "drop/hand_in.h"
#include "inbound/session.h"
#include "loop/scope.h"
#include "loop/work_pool.h"
#include "queue/queue.h"

namespace veredus {

struct PickupParts {
  SessionContext& context;
  Scope& sessions;  // for those that take the messages
  WorkPool& pool;
  Reporter& reporter;
  std::function<std::string(uint32_t uid)> user_name;
};

class DropPickup {
 public:
  DropPickup(PickupParts parts, std::string directory);

  // Before the queue delivers anything: which of the files here are messages that were stored when the daemon was last killed.
  Task<void> remember_stored();
  void start() { tasks_.spawn(run()); }
  void stop();  // nothing more is begun; what is under way with a session is finished by it
  size_t taken() const { return taken_; }

 private:
  struct Rest {
    MonoTime until{};
    Millis pause{};
  };

  Task<void> run();
  Task<void> look();
  Deadline next_look();
  bool waits(const DropEntry& entry);
  Task<void> take(DropEntry entry);
  Task<Status> take_over(DropEntry entry);
  Task<Status> hand_over(std::string name, MessageId id, std::shared_ptr<const Submission> submission, DropFile file);
  Task<Status> give_back(std::string name, MessageId id, std::shared_ptr<const Submission> submission, WallTime written, Reply reply, ReportKind kind);
  Task<bool> stored(MessageId id);
  Task<HandIn::End> talk(std::unique_ptr<Stream> stream, std::shared_ptr<const Submission> submission, Reply& last);
  void defer(const std::string& rest, std::string_view reason);
  void done(const std::string& name, MessageId id, uint32_t uid);
  void set_aside(const std::string& name, std::string_view reason);
  void complain(const std::string& name, const Error& error);
  Loop& loop() { return parts_.context.loop; }
  Log& log() { return parts_.context.log; }

  PickupParts parts_;
  DropDirectory directory_;
  Event changed_, room_;
  std::unique_ptr<DirectoryWatch> watch_;
  std::set<std::string> in_hand_;      // files, by the part of their name that stays
  std::set<std::string> finished_;     // since the directory was last listed, which may still show them
  std::map<std::string, Rest> resting_;
  std::set<std::string> complained_;   // each once
  std::set<MessageId> stored_;         // in the spool when the daemon began
  size_t taken_ = 0;
  bool stopping_ = false;
  Scope tasks_;
};

}  // namespace veredus
