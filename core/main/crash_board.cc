// A page of memory without a file.
#include "main/crash_board.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace veredus {

static_assert(CrashBoard::Cell::is_always_lock_free && sizeof(CrashBoard::Cell) == sizeof(uint64_t));

CrashBoard::~CrashBoard() {
  if (cells_) munmap(cells_, kCells * sizeof(Cell));
  if (fd_ >= 0) close(fd_);
}

Status CrashBoard::make() {
  fd_ = memfd_create("veredus-in-hand", MFD_CLOEXEC);
  if (fd_ < 0 || ftruncate(fd_, kCells * sizeof(Cell)) != 0) return fail(Errc::io, std::string("cannot make shared memory: ") + std::strerror(errno));
  return map();
}

Status CrashBoard::attach(int fd) {
  fd_ = fd;
  return map();
}

Status CrashBoard::map() {
  void* memory = mmap(nullptr, kCells * sizeof(Cell), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) return fail(Errc::io, std::string("cannot map shared memory: ") + std::strerror(errno));
  cells_ = static_cast<Cell*>(memory);
  return {};
}

std::vector<MessageId> CrashBoard::take() {
  std::vector<MessageId> out;
  for (size_t i = 0; cells_ && i < kCells; ++i)
    if (MessageId id{cells_[i].exchange(0)}) out.push_back(id);
  return out;
}

void CrashHistory::add(const std::vector<MessageId>& in_hand) {
  for (MessageId id : in_hand) ++crashes_[id];
  while (crashes_.size() > kRemembered) crashes_.erase(crashes_.begin());  // the oldest
}

std::string CrashHistory::suspects() const {
  std::string out;
  for (const auto& [id, times] : crashes_)
    if (times >= kTooMany) out += (out.empty() ? "" : ",") + id.text();
  return out;
}

std::vector<MessageId> parse_suspects(const char* text) {
  std::vector<MessageId> out;
  if (!text) return out;
  for (std::string_view part : split(text, ','))
    if (auto id = MessageId::parse(part)) out.push_back(*id);
  return out;
}

}  // namespace veredus
