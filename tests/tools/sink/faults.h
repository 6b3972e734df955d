// The ways in which the sink misbehaves on purpose. A fault is a kind, the stage it strikes at and how often.
// Which message it strikes follows from --seed, so a run can be repeated.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace veredus::tools {

enum class Stage : std::uint8_t { kConnect, kEhlo, kMail, kRcpt, kData, kBody, kDot, kRset, kQuit };

enum class FaultKind : std::uint8_t {
  kClose,
  kReset,
  kStall,
  kGarbage,
  kNul,
  kEndlessReply,
  kEndlessLine,
  kLongLine,
  kHalfLine,
  kHalfLineStall,
  kCode,
  kDouble,
  kMultiline,
  kMixedCodes,
  kBareLf,
  kDribble,
  kEarly,
  kLieSize,
  kLiePipelining,
  kLieChunking,
  kLieExtensions,
  kNoEhlo
};

struct Fault {
  FaultKind kind = FaultKind::kClose;
  Stage stage = Stage::kDot;
  int code = 0;
  double percent = 100;
};

/// "close@dot", "stall@mail%10", "code=354@mail", "close-after-dot", "lie-size".
std::optional<Fault> parse_fault(std::string_view text);
std::optional<Stage> parse_stage(std::string_view text);
/// The documented list, one line a mode.
std::string_view fault_help();

class FaultPlan {
 public:
  void add(const Fault& fault) { faults_.push_back(fault); }
  void seed(std::uint64_t seed) { random_.seed(seed); }
  /// The fault to commit instead of (or with) the reply at this stage, if any.
  const Fault* strike(Stage stage);
  /// Whether a fault that belongs to no stage is on for this connection or command.
  bool lies(FaultKind kind);
  bool chance(double percent);

 private:
  std::vector<Fault> faults_;
  std::mt19937_64 random_;
};

}  // namespace veredus::tools
