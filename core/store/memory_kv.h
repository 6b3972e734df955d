// MemoryKv: entries in a map, for tests of what uses a Kv. Answers at once. One thread.
#pragma once

#include <map>

#include "store/kv_ops.h"

namespace veredus {

class MemoryKv final : public Kv {
 public:
  explicit MemoryKv(const Clock& clock) : clock_(clock) {}
  Task<Result<std::vector<KvAnswer>>> run(Loop& loop, std::string space, std::vector<KvOp> ops, Deadline deadline) override;
  void break_with(std::optional<Error> problem) { problem_ = std::move(problem); }  // every request is answered with it

 private:
  using Space = std::map<std::string, kv::Slot, std::less<>>;
  KvAnswer one(Space& space, const KvOp& op);
  KvAnswer list(const Space& space, const KvOp& op, int64_t now) const;

  const Clock& clock_;
  std::optional<Error> problem_;
  std::map<std::string, Space, std::less<>> spaces_;
};

}  // namespace veredus
