// CrashBoard: memory that supervisor and worker share, in which each loop names the message it is busy with. After a crash the supervisor
// looks who was named. CrashHistory: how often each was; one that was in hand at three crashes is to be held. Supervisor: one thread;
// worker: each loop writes its own cell.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace veredus {

class CrashBoard {
 public:
  using Cell = std::atomic<uint64_t>;
  static constexpr size_t kCells = 64;  // as many as there may be loops

  CrashBoard() = default;
  ~CrashBoard();
  CrashBoard(const CrashBoard&) = delete;

  Status make();          // a new board, all cells 0
  Status attach(int fd);  // that of the supervisor
  int fd() const { return fd_; }
  Cell* cell(size_t loop) { return cells_ ? &cells_[loop % kCells] : nullptr; }
  std::vector<MessageId> take();  // who is named; the cells are 0 afterwards

 private:
  Status map();
  int fd_ = -1;
  Cell* cells_ = nullptr;
};

class CrashHistory {
 public:
  static constexpr unsigned kTooMany = 3;
  void add(const std::vector<MessageId>& in_hand);
  std::string suspects() const;  // ids separated by commas, as the worker reads them

 private:
  static constexpr size_t kRemembered = 1000;
  std::map<MessageId, unsigned> crashes_;
};

std::vector<MessageId> parse_suspects(const char* text);
constexpr const char* kSuspectsVariable = "VEREDUS_SUSPECTS";

}  // namespace veredus
