/* veredus-drop: writes one message into the drop directory, for when the daemon is not there. Installed setgid to the group that may
 * write there; believes nothing: neither the environment, nor the descriptors it was given, nor the records on standard input, which
 * are looked at one by one. Exits 0 only when the file is durable; leaves nothing behind otherwise. libc only, one thread. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "drop_format.h"

static int directory = -1;
static int readable = 1;
static char unfinished[96]; /* name of the file while it is written; empty: there is none */
static char buffer[VDROP_LONGEST + VDROP_LONGEST_HEAD + 1];
static size_t filled;

static void give_up(int signal_number) {
  (void)signal_number;
  if (unfinished[0]) unlinkat(directory, unfinished, 0);
  _exit(EX_TEMPFAIL);
}

static int fail(int code, const char* doing, const char* reason) {
  if (unfinished[0]) unlinkat(directory, unfinished, 0);
  unfinished[0] = 0;
  fprintf(stderr, "veredus-drop: %s: %s\n", doing, reason);
  return code;
}

static int code_for(int error, int otherwise) {
  switch (error) {
    case ENOSPC: case EDQUOT: case ENOMEM: case EMFILE: case ENFILE: case EINTR: case EAGAIN: case ENOLCK: return EX_TEMPFAIL;
    default: return otherwise;
  }
}

static int os_failure(int otherwise, const char* doing) {
  int error = errno;
  return fail(code_for(error, otherwise), doing, strerror(error));
}

/* Descriptors 0 to 2 exist, none above is ours. */
static int tidy_descriptors(void) {
  int fd;
  while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2) continue;
  if (fd < 0) return -1;
  if (syscall(SYS_close_range, 3U, ~0U, 0U) != 0)
    for (fd = 3; fd < 1024; ++fd) close(fd);
  return 0;
}

static void tidy_process(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  umask(0);
  clearenv();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = give_up;
  sigfillset(&action.sa_mask);
  const int asked[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGALRM};
  sigset_t all;
  sigemptyset(&all);
  for (size_t i = 0; i < sizeof asked / sizeof *asked; ++i) {
    sigaction(asked[i], &action, NULL);
    sigaddset(&all, asked[i]);
  }
  sigprocmask(SIG_UNBLOCK, &all, NULL);
}

/* Another directory may be named only by somebody who gains nothing by it. */
static const char* directory_of(int argc, char** argv) {
  int privileged = getauxval(AT_SECURE) != 0 || getuid() != geteuid() || getgid() != getegid();
  if (argc == 3 && strcmp(argv[1], "--directory") == 0 && !privileged) return argv[2];
  return argc == 1 ? VEREDUS_DROP_DIRECTORY : NULL;
}

static int create_file(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(unfinished, sizeof unfinished, "tmp.%lld.%09ld.%ld", (long long)now.tv_sec, now.tv_nsec, (long)getpid());
  int fd = openat(directory, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
  if (fd < 0) unfinished[0] = 0;
  return fd;
}

static int write_all(int fd, const char* octets, size_t length) {
  while (length > 0) {
    ssize_t taken = write(fd, octets, length);
    if (taken < 0 && errno == EINTR) continue;
    if (taken <= 0) return -1;
    octets += taken;
    length -= (size_t)taken;
  }
  return 0;
}

/* Reads until `wanted` octets are buffered; 0: the input ended before. */
static int fill(size_t wanted) {
  while (filled < wanted) {
    ssize_t got = read(STDIN_FILENO, buffer + filled, wanted - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) return 0;
    filled += (size_t)got;
  }
  return 1;
}

/* The next record of the input, checked: its size in the buffer; 0: the input is over; -1: `problem` or errno says why not. */
static long next_record(struct vdrop_checker* checker, const char** problem) {
  char letter = 0;
  size_t length = 0;
  int head = 0;
  filled = 0;
  *problem = NULL;
  while (head == 0) {
    int got = fill(filled + 1);
    if (got < 0) return -1;
    if (got == 0 && filled == 0) return 0;
    *problem = "the last record is cut off";
    if (got == 0) return -1;
    head = vdrop_head(buffer, filled, &letter, &length);
  }
  *problem = "this is no record";
  if (head < 0) return -1;
  size_t whole = (size_t)head + length + 1;
  int got = fill(whole);
  *problem = got < 0 ? NULL : "the last record is cut off";
  if (got <= 0) return -1;
  *problem = buffer[whole - 1] == '\n' ? vdrop_check(checker, letter, buffer + head, length) : "a record does not end where it should";
  return *problem ? -1 : (long)whole;
}

static int copy_records(int fd) {
  struct vdrop_checker checker = {0, 0, 0};
  const char* problem = NULL;
  long size;
  while ((size = next_record(&checker, &problem)) > 0)
    if (write_all(fd, buffer, (size_t)size) != 0) return os_failure(EX_IOERR, "cannot write the message");
  if (size < 0) return problem ? fail(EX_DATAERR, "the message is not accepted", problem) : os_failure(EX_DATAERR, "cannot read the message");
  return vdrop_complete(&checker) ? EX_OK : fail(EX_DATAERR, "the message is not accepted", "it is not complete");
}

/* From the rename on the message counts, whoever ends this program. */
static int publish(int fd) {
  if (fsync(fd) != 0) return os_failure(EX_IOERR, "cannot write the message");
  char finished[sizeof unfinished];
  memcpy(finished, unfinished, sizeof finished);
  memcpy(finished, "new", 3);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  if (renameat(directory, unfinished, directory, finished) != 0) return os_failure(EX_IOERR, "cannot finish the message");
  unfinished[0] = 0;
  /* Who may only write there cannot open the directory for fsync: then all of the file system is made durable. */
  if ((readable ? fsync(directory) : syncfs(fd)) == 0) return EX_OK;
  int error = errno;
  if (unlinkat(directory, finished, 0) != 0 && errno == ENOENT) return EX_OK; /* the daemon has it */
  errno = error;
  return os_failure(EX_IOERR, "cannot finish the message");
}

int main(int argc, char** argv) {
  if (tidy_descriptors() != 0) return EX_OSERR;
  const char* path = directory_of(argc, argv);
  tidy_process();
  if (!path) {
    fputs("usage: veredus-drop < RECORDS\nsendmail(1) calls it; see veredus-drop(8).\n", stderr);
    return EX_USAGE;
  }
  directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 && errno == EACCES) {
    readable = 0;
    directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  if (directory < 0) return os_failure(errno == ENOENT || errno == ENOTDIR ? EX_UNAVAILABLE : EX_CANTCREAT, path);
  int fd = create_file();
  if (fd < 0) return os_failure(EX_CANTCREAT, path);
  int code = copy_records(fd);
  return code == EX_OK ? publish(fd) : code;
}
