// Limits, and a filter of system calls by their numbers: a list of what is denied, since allowed ones differ from libc to libc.
#include "plugin/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VEREDUS_SHADOW_MEMORY 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VEREDUS_SHADOW_MEMORY 1
#endif

namespace veredus {

namespace {

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr unsigned kArchitecture = AUDIT_ARCH_RISCV64;
#else
constexpr unsigned kArchitecture = 0;  // limits only
#endif

constexpr unsigned kDenied[] = {
    SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_sendto, SYS_execve, SYS_execveat, SYS_kill, SYS_tkill, SYS_ptrace,
    SYS_unlinkat, SYS_renameat2, SYS_mkdirat, SYS_linkat, SYS_symlinkat, SYS_fchmodat, SYS_fchownat, SYS_fchmod, SYS_fchown,
    SYS_truncate, SYS_ftruncate, SYS_mknodat, SYS_mount, SYS_unshare, SYS_setns, SYS_bpf, SYS_setuid, SYS_setgid,
#ifdef SYS_unlink
    SYS_unlink, SYS_rename, SYS_mkdir, SYS_rmdir, SYS_link, SYS_symlink, SYS_chmod, SYS_chown, SYS_creat, SYS_mknod,
#endif
#ifdef SYS_setrlimit
    SYS_setrlimit,
#endif
#ifdef SYS_fork
    SYS_fork, SYS_vfork,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup,
#endif
};
// Their arguments lie behind a pointer; libc then takes the older call.
constexpr unsigned kUnknownToUs[] = {
#ifdef SYS_clone3
    SYS_clone3,
#endif
#ifdef SYS_openat2
    SYS_openat2,
#endif
};

void limit(int resource, rlim_t value) {
  struct rlimit bound = {value, value};
  setrlimit(static_cast<__rlimit_resource>(resource), &bound);
}

class Filter {
 public:
  void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<unsigned>(offset)); }
  void answer(unsigned value) { add(BPF_RET | BPF_K, 0, 0, value); }
  void deny(unsigned number, unsigned error) {
    add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number);
    answer(SECCOMP_RET_ERRNO | error);
  }
  // Denied when any, or with `none` when none, of the bits of an argument is set.
  void deny_by_bits(unsigned number, unsigned argument, unsigned bits, bool none) {
    add(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, number);
    load(offsetof(seccomp_data, args) + argument * sizeof(uint64_t));
    add(BPF_JMP | BPF_JSET | BPF_K, none ? 1 : 0, none ? 0 : 1, bits);
    answer(SECCOMP_RET_ERRNO | EPERM);
    answer(SECCOMP_RET_ALLOW);
  }
  bool install() {
    sock_fprog program = {static_cast<unsigned short>(code_.size()), code_.data()};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  }
  void add(unsigned code, unsigned char yes, unsigned char no, unsigned value) {
    code_.push_back({static_cast<unsigned short>(code), yes, no, value});
  }

 private:
  std::vector<sock_filter> code_;
};

void filter_calls() {
  if (kArchitecture == 0) return;
  constexpr unsigned kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
  Filter filter;
  filter.load(offsetof(seccomp_data, arch));
  filter.add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, kArchitecture);
  filter.answer(SECCOMP_RET_ERRNO | EPERM);
  filter.load(offsetof(seccomp_data, nr));
  for (unsigned number : kDenied) filter.deny(number, EPERM);
  for (unsigned number : kUnknownToUs) filter.deny(number, ENOSYS);
  filter.deny_by_bits(SYS_openat, 2, kWriting, false);
#ifdef SYS_open
  filter.deny_by_bits(SYS_open, 1, kWriting, false);
#endif
  filter.deny_by_bits(SYS_clone, 0, CLONE_THREAD, true);
  filter.deny_by_bits(SYS_prlimit64, 2, ~0u, false);  // libc also reads limits with it
  filter.answer(SECCOMP_RET_ALLOW);
  filter.install();
}

}  // namespace

void confine_this_process(int result_fd, unsigned cpu_seconds) {
  close_range(static_cast<unsigned>(result_fd) + 1, ~0u, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_NOFILE, 64);
  limit(RLIMIT_CPU, cpu_seconds);
#ifndef VEREDUS_SHADOW_MEMORY
  limit(RLIMIT_AS, rlim_t{2} << 30);
#endif
  filter_calls();
}

}  // namespace veredus
