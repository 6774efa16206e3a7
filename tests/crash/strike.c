/* Counts the calls that change files below one folder, and strikes at one of them.
 *
 * Loaded with LD_PRELOAD, it does nothing until crash_arm() is called. From then on each such call
 * of this process, and of those forked off it, is a line in the trace:
 *
 *     PROCESS NUMBER CALL BYTES PATH
 *
 * PROCESS is 0 for the process that was armed, 0.1 for the first that it forked off, 0.1.2 for the
 * second which that one did; NUMBER counts the calls of a process from 1. The line is written
 * before the call is made, so the last line of a process that was killed is the call that it
 * never made.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NAME = 64, LINE = 2 * PATH_MAX };

/* What happens at the call: the process is killed before it, or in the middle of a write; the call
 * fails once; or the disk is full from then on, for all processes. */
enum { NOTHING, KILL, HALF, FAIL, FULL };

static char folder[PATH_MAX], process[NAME], target[NAME];
static size_t folder_length;
static int trace = -1, kind, error_number;
static long strike_at;
static atomic_long n_calls;
static int n_forks;
static atomic_int *is_full; /* shared by all processes */

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void before_fork(void) { n_forks++; }

static void in_child(void)
{
    size_t used = strlen(process);
    snprintf(process + used, NAME - used, ".%d", n_forks);
    n_forks = 0;
    n_calls = 0;
}

/* Begin to count. Without a target (an empty one) nothing is struck. */
void crash_arm(const char *where, const char *trace_path, const char *which, long at, int how,
               int error)
{
    snprintf(folder, sizeof folder, "%s", where);
    folder_length = strlen(folder);
    snprintf(process, sizeof process, "0");
    snprintf(target, sizeof target, "%s", which);
    strike_at = at, kind = how, error_number = error;
    int file = syscall(SYS_openat, AT_FDCWD, trace_path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    trace = fcntl(file, F_DUPFD_CLOEXEC, 900); /* out of the way of whoever counts on low ones */
    syscall(SYS_close, file);
    is_full = mmap(NULL, sizeof *is_full, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_atfork(before_fork, NULL, in_child);
}

static int is_inside(const char *path)
{
    return strncmp(path, folder, folder_length) == 0 &&
           (path[folder_length] == '/' || path[folder_length] == '\0');
}

static int path_of(int file, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return is_inside(path);
}

static int absolute(int at, const char *given, char *path)
{
    char base[PATH_MAX] = "";
    if (given[0] != '/') {
        if (at == AT_FDCWD) {
            if (syscall(SYS_getcwd, base, sizeof base) < 0)
                return 0;
        } else {
            path_of(at, base);
        }
    }
    int length = snprintf(path, PATH_MAX, "%s%s%s", base, given[0] == '/' ? "" : "/", given);
    return length < PATH_MAX && is_inside(path);
}

/* Note a call. Returns 0 if it is to be made, -1 if half of it, else the error that it fails with.
 */
static int struck(const char *call, const char *path, size_t n_bytes, int needs_room)
{
    char line[LINE];
    long number = ++n_calls;
    int is_target = number == strike_at && strcmp(process, target) == 0;
    int length = snprintf(line, sizeof line, "%s %ld %s %zu %s\n", process, number, call, n_bytes,
                          path + folder_length);
    syscall(SYS_write, trace, line, length < LINE ? length : LINE - 1);
    if (is_target && kind == KILL)
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    if (is_target && kind == HALF)
        return -1;
    if (is_target && kind == FULL)
        *is_full = 1;
    if ((is_target && kind == FAIL) || (is_target && kind == FULL))
        return error_number;
    return *is_full && needs_room ? error_number : 0;
}

static int refused(int error)
{
    if (error > 0)
        errno = error;
    return error > 0;
}

static void kill_after(int error)
{
    if (error < 0)
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* Opening: only what makes or empties a file changes anything. */

static int open_struck(int at, const char *given, int flags)
{
    char path[PATH_MAX];
    int is_new = 0;
    if (trace < 0 || !(flags & (O_CREAT | O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE))
        return 0;
    if (!absolute(at, given, path))
        return 0;
    is_new = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
    if (!is_new && !(flags & O_TRUNC) && (flags & O_TMPFILE) != O_TMPFILE)
        return 0;
    int error = struck(is_new ? "create" : "truncate", path, 0, is_new);
    kill_after(error); /* there is no half of it */
    return error;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        int mode = va_arg(rest, int); \
        va_end(rest); \
        return refused(open_struck(AT_FDCWD, path, flags)) ? -1 : real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) \
    { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        int mode = va_arg(rest, int); \
        va_end(rest); \
        return refused(open_struck(at, path, flags)) ? -1 : real(at, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

/* Writing. */

static int file_struck(const char *call, int file, size_t n_bytes, int needs_room)
{
    char path[PATH_MAX];
    return trace < 0 || !path_of(file, path) ? 0 : struck(call, path, n_bytes, needs_room);
}

ssize_t write(int file, const void *content, size_t n_bytes)
{
    REAL(write);
    int error = file_struck("write", file, n_bytes, 1);
    if (refused(error))
        return -1;
    ssize_t done = real(file, content, error < 0 ? n_bytes / 2 : n_bytes);
    kill_after(error);
    return done;
}

#define PWRITE(name, offset_type) \
    ssize_t name(int file, const void *content, size_t n_bytes, offset_type offset) \
    { \
        REAL(name); \
        int error = file_struck("pwrite", file, n_bytes, 1); \
        if (refused(error)) \
            return -1; \
        ssize_t done = real(file, content, error < 0 ? n_bytes / 2 : n_bytes, offset); \
        kill_after(error); \
        return done; \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int file, const struct iovec *parts, int n_parts)
{
    REAL(writev);
    int error = file_struck("writev", file, n_parts, 1);
    if (refused(error))
        return -1;
    ssize_t done = real(file, parts, error < 0 ? n_parts / 2 : n_parts);
    kill_after(error);
    return done;
}

#define SENDFILE(name, offset_type) \
    ssize_t name(int out, int in, offset_type *offset, size_t n_bytes) \
    { \
        REAL(name); \
        int error = file_struck("sendfile", out, n_bytes, 1); \
        if (refused(error)) \
            return -1; \
        ssize_t done = real(out, in, offset, n_bytes); \
        kill_after(error); \
        return done; \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

/* Calls on an open file: there is no half of them. */

#define ON_FILE(name, call, arguments, ...) \
    int name arguments \
    { \
        REAL(name); \
        int error = file_struck(call, file, 0, 0); \
        kill_after(error); \
        return refused(error) ? -1 : real(__VA_ARGS__); \
    }
ON_FILE(fsync, "fsync", (int file), file)
ON_FILE(fdatasync, "fdatasync", (int file), file)
ON_FILE(ftruncate, "ftruncate", (int file, off_t size), file, size)
ON_FILE(ftruncate64, "ftruncate", (int file, off64_t size), file, size)

/* Calls on names; those that would be refused anyway change nothing. */

enum { ANY, IF_NEW, IF_THERE };

static int name_struck(const char *call, int at, const char *given, int when)
{
    char path[PATH_MAX];
    if (trace < 0 || !absolute(at, given, path))
        return 0;
    int is_there = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
    if ((when == IF_NEW && is_there) || (when == IF_THERE && !is_there))
        return 0;
    int error = struck(call, path, 0, when == IF_NEW);
    kill_after(error);
    return error;
}

#define ON_NAME(name, call, at, given, when, arguments, ...) \
    int name arguments \
    { \
        REAL(name); \
        return refused(name_struck(call, at, given, when)) ? -1 : real(__VA_ARGS__); \
    }
ON_NAME(rename, "rename", AT_FDCWD, to, ANY, (const char *from, const char *to), from, to)
ON_NAME(renameat, "rename", to_at, to, ANY, (int from_at, const char *from, int to_at, const char *to),
        from_at, from, to_at, to)
ON_NAME(renameat2, "rename", to_at, to, ANY,
        (int from_at, const char *from, int to_at, const char *to, unsigned int flags), from_at,
        from, to_at, to, flags)
ON_NAME(unlink, "unlink", AT_FDCWD, path, IF_THERE, (const char *path), path)
ON_NAME(unlinkat, "unlink", at, path, IF_THERE, (int at, const char *path, int flags), at, path, flags)
ON_NAME(rmdir, "rmdir", AT_FDCWD, path, IF_THERE, (const char *path), path)
ON_NAME(mkdir, "mkdir", AT_FDCWD, path, IF_NEW, (const char *path, mode_t mode), path, mode)
ON_NAME(mkdirat, "mkdir", at, path, IF_NEW, (int at, const char *path, mode_t mode), at, path, mode)
ON_NAME(link, "link", AT_FDCWD, to, IF_NEW, (const char *from, const char *to), from, to)
ON_NAME(linkat, "link", to_at, to, IF_NEW,
        (int from_at, const char *from, int to_at, const char *to, int flags), from_at, from, to_at,
        to, flags)
ON_NAME(symlink, "symlink", AT_FDCWD, path, IF_NEW, (const char *to, const char *path), to, path)
