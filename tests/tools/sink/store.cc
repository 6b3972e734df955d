// Implementation of the store. Files are written under tmp names and renamed when they are complete.
#include "sink/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "common/text.h"

namespace veredus::tools {
namespace {

constexpr std::size_t kHeaderKept = 16384;

bool make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) std::fprintf(stderr, "veredus-sink: cannot create %s\n", path.c_str());
  return !error;
}

bool write_all(int fd, std::string_view octets) {
  while (!octets.empty()) {
    const auto wrote = write(fd, octets.data(), octets.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    octets.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

}  // namespace

std::string_view load_id(const Arrival& arrival) {
  static constexpr std::string_view kName = "X-Load-Id: ";
  std::string_view header = arrival.header;
  header = header.substr(0, header.find("\r\n\r\n"));
  std::size_t at = header.find(kName);
  while (at != std::string_view::npos && at != 0 && header[at - 1] != '\n') at = header.find(kName, at + 1);
  if (at == std::string_view::npos) return "-";
  const auto value = header.substr(at + kName.size());
  return value.substr(0, value.find_first_of("\r\n"));
}

bool Store::prepare() {
  prefix_ =
      std::to_string(static_cast<std::uint64_t>(wall_seconds())) + ".P" + std::to_string(getpid()) + "Q";
  if (!options_.ids_file.empty() && !ids_.open(options_.ids_file)) {
    std::fprintf(stderr, "veredus-sink: cannot write %s\n", options_.ids_file.c_str());
    return false;
  }
  if (!options_.store.empty() && !make_folder(options_.store)) return false;
  if (options_.maildir.empty()) return true;
  for (const char* part : {"/tmp", "/new", "/cur"}) {
    if (!make_folder(options_.maildir + part)) return false;
  }
  return true;
}

std::string Store::temporary(const Arrival& arrival) const {
  if (!options_.maildir.empty()) return options_.maildir + "/tmp/" + arrival.file_name;
  return options_.store + "/" + arrival.file_name + ".part";
}

void Store::begin(Arrival& arrival) {
  if (options_.maildir.empty() && options_.store.empty()) return;
  arrival.file_name = prefix_ + std::to_string(++next_) + ".sink";
  arrival.file = Fd(open(temporary(arrival).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  arrival.file_failed = !arrival.file;
}

void Store::append(Arrival& arrival, std::string_view octets) {
  arrival.size += octets.size();
  if (arrival.header.size() < kHeaderKept)
    arrival.header += octets.substr(0, kHeaderKept - arrival.header.size());
  if (!arrival.file || arrival.file_failed) return;
  arrival.file_failed = !write_all(arrival.file.get(), octets);
}

bool Store::write_envelope(const Arrival& arrival) const {
  std::string text = "from\t" + arrival.from + "\t" + arrival.mail_args + "\n";
  for (std::size_t i = 0; i < arrival.rcpts.size(); ++i) {
    text += "rcpt\t" + arrival.rcpts[i] + "\t" + arrival.rcpt_args[i] + "\n";
  }
  text += arrival.chunked ? "by\tBDAT\n" : "by\tDATA\n";
  const auto path = options_.store + "/" + arrival.file_name + ".env";
  Fd file(open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  return file && write_all(file.get(), text) && (!options_.fsync || fsync(file.get()) == 0);
}

bool Store::sync_folder(const std::string& folder) const {
  if (!options_.fsync) return true;
  const Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd && fsync(fd.get()) == 0;
}

bool Store::commit(Arrival& arrival) {
  if (!arrival.file && !arrival.file_failed) return true;
  const bool written = !arrival.file_failed && (!options_.fsync || fsync(arrival.file.get()) == 0);
  if (!written || (!options_.store.empty() && !write_envelope(arrival))) {
    discard(arrival);
    return false;
  }
  const auto from = temporary(arrival);
  const auto folder = options_.maildir.empty() ? options_.store : options_.maildir + "/new";
  if (!options_.maildir.empty() && !options_.store.empty()) {
    const auto copy = options_.store + "/" + arrival.file_name + ".eml";
    if (link(from.c_str(), copy.c_str()) != 0 || !sync_folder(options_.store)) return false;
  }
  const auto to = folder + "/" + arrival.file_name + (options_.maildir.empty() ? ".eml" : "");
  arrival.file.reset();
  return rename(from.c_str(), to.c_str()) == 0 && sync_folder(folder);
}

void Store::discard(Arrival& arrival) {
  if (!arrival.file && !arrival.file_failed) return;
  arrival.file.reset();
  arrival.file_failed = false;
  unlink(temporary(arrival).c_str());
}

void Store::note(const Arrival& arrival, std::string_view id) {
  if (!ids_.is_open()) return;
  line_.clear();
  append_wall_time(line_);
  line_.append("\t").append(id).append("\t").append(arrival.from).append("\t");
  for (std::size_t i = 0; i < arrival.rcpts.size(); ++i)
    line_.append(i == 0 ? "" : ",").append(arrival.rcpts[i]);
  line_.append("\t");
  append_number(line_, arrival.size);
  line_.append(arrival.chunked ? "\tBDAT" : "\tDATA");
  if (!arrival.mail_args.empty()) line_.append(" ").append(arrival.mail_args);
  ids_.write(line_.append("\n"));
}

}  // namespace veredus::tools
