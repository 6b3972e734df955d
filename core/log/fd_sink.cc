// FdSink: never blocks, never tears a line of its own.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "log/events.h"
#include "log/sinks.h"

namespace veredus {

namespace {

bool writable(int fd, int wait_ms) {
  pollfd one{fd, POLLOUT, 0};
  return poll(&one, 1, wait_ms) > 0;
}

// A description of the same pipe or terminal that does not block and whose flags are ours alone; -1 if the
// system refuses.
int reopen(int fd) {
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  return open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

// As many whole lines as fit `most` octets; a longer line alone goes whole.
std::string_view whole_lines(std::string_view octets, size_t most) {
  if (octets.size() <= most) return octets;
  size_t end = octets.rfind('\n', most - 1);
  if (end == std::string_view::npos) end = octets.find('\n');
  return end == std::string_view::npos ? octets : octets.substr(0, end + 1);
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

FdSink::FdSink(int fd, const Clock& clock, size_t keep_at_most)
    : clock_(clock), fd_(fd), keep_at_most_(keep_at_most) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || S_ISREG(info.st_mode)) return;
  kind_ = S_ISSOCK(info.st_mode) ? Kind::socket : Kind::pipe;
  if (kind_ == Kind::pipe) own_fd_ = reopen(fd);
}

FdSink::~FdSink() {
  if (kept_.size() > kept_from_ && writable(own_fd_ >= 0 ? own_fd_ : fd_, 500)) push_kept();
  if (own_fd_ >= 0) close(own_fd_);
}

void FdSink::write(std::string_view lines) {
  std::lock_guard lock(mutex_);
  push_kept();
  if (kept_.empty()) report_dropped();
  if (kept_.empty()) lines.remove_prefix(push(lines));
  if (!lines.empty()) keep(lines);
}

uint64_t FdSink::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

long FdSink::write_piece(std::string_view piece) {
  if (kind_ == Kind::socket) return send(fd_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (kind_ == Kind::pipe && own_fd_ < 0 && !writable(fd_, 0)) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(own_fd_ >= 0 ? own_fd_ : fd_, piece.data(), piece.size());
}

size_t FdSink::push(std::string_view octets) {
  size_t done = 0;
  while (done < octets.size()) {
    std::string_view rest = octets.substr(done);
    long taken = write_piece(kind_ == Kind::pipe ? whole_lines(rest, PIPE_BUF) : rest);
    if (taken > 0) done += static_cast<size_t>(taken);
    if (taken >= 0 || errno == EINTR) continue;
    if (would_block(errno)) break;
    dropped_ +=
        static_cast<uint64_t>(std::count(rest.begin(), rest.end(), '\n'));  // closed or broken: nobody reads
    reported_ = dropped_;
    return octets.size();
  }
  return done;
}

void FdSink::push_kept() {
  if (kept_.empty()) return;
  kept_from_ += push(std::string_view(kept_).substr(kept_from_));
  if (kept_from_ < kept_.size()) return;
  kept_.clear();
  kept_.shrink_to_fit();
  kept_from_ = 0;
}

void FdSink::keep(std::string_view lines) {
  size_t held = kept_.size() - kept_from_;
  size_t room = keep_at_most_ > held ? keep_at_most_ - held : 0;
  std::string_view fits = lines.substr(0, room);
  // The rest of a line whose beginning is out must be kept, whatever the bound says.
  size_t end = fits.rfind('\n');
  size_t first_line = kept_.empty() ? lines.find('\n') + 1 : 0;
  fits = lines.substr(0, std::max(end == std::string_view::npos ? 0 : end + 1, first_line));
  if (kept_from_ > 0) kept_.erase(0, kept_from_);
  kept_from_ = 0;
  kept_.append(fits);
  lines.remove_prefix(fits.size());
  dropped_ += static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

void FdSink::report_dropped() {
  if (dropped_ == reported_) return;
  ListSink made;
  Log(clock_, made).write(events::kLogDropped, {{"lines", dropped_ - reported_}});
  reported_ = dropped_;
  std::string line = made.text();
  size_t done = push(line);
  if (done < line.size()) keep(std::string_view(line).substr(done));
}

}  // namespace veredus
