// Supervisor: the first process. Opens ports and directories, starts the worker and restarts it after a crash while the sockets stay
// open. Parses no network input and loads no plugin. One thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "config/load.h"
#include "log/log.h"
#include "log/sinks.h"
#include "main/crash_board.h"
#include "main/descriptors.h"
#include "main/helper_processes.h"
#include "main/key_files.h"

namespace veredus {

class Supervisor {
 public:
  explicit Supervisor(std::string conf_dir);
  int run();  // an exit code of sysexits.h

 private:
  int prepare();
  Status make_directories();
  Status make_drop_directory();
  Status open_local_sockets();
  Status open_sockets();
  void raise_file_limit();
  Status find_user();
  Status start_worker();
  [[noreturn]] void become_worker(int status_fd, int life_fd, int helpers_fd, int keys_fd);
  int watch();
  void handle_signal(int number);
  void read_status();
  void reap();
  void worker_ended(int wait_status);
  void note_crash(int signal_number);
  void notify(const std::string& state);
  int poll_patience() const;

  std::string conf_dir_;
  RealClock clock_;
  FdSink sink_;
  Log log_;
  SettingsPtr settings_;
  HandedDescriptors handed_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  bool change_user_ = false;
  CrashBoard board_;
  CrashHistory history_;
  HelperProcesses helpers_{clock_, log_};
  KeyFiles keys_{conf_dir_, clock_, log_};
  int signal_fd_ = -1;
  int status_read_ = -1;
  int life_write_ = -1;  // closed = the worker ends
  pid_t worker_ = -1;
  bool ever_ready_ = false;  // with this configuration a worker has run
  bool stopping_ = false;
  bool killed_ = false;
  int exit_code_ = 0;
  int crashes_ = 0;
  MonoTime worker_started_{};
  MonoTime restart_at_{};
  MonoTime kill_at_{};
};

}  // namespace veredus
