// A slow disk for one process: LD_PRELOAD this, and each write and sync of a file whose path contains SLOW_DISK_UNDER
// takes SLOW_DISK_MS longer. A byte for each goes to the file SLOW_DISK_LOG, so that a test sees that it was slow.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static void wait_if_slow(int fd) {
    const char *under = getenv("SLOW_DISK_UNDER"), *ms = getenv("SLOW_DISK_MS"), *log = getenv("SLOW_DISK_LOG");
    if (!under || !ms || !log) return;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    // Not RocksDB's own log of what it does: that is no data.
    if (!strstr(path, under) || strstr(path, "/LOG")) return;
    long millis = atol(ms);
    struct timespec pause = {millis / 1000, millis % 1000 * 1000000};
    nanosleep(&pause, NULL);
    int told = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (told >= 0) {
        (void)!syscall(SYS_write, told, ".", 1);
        syscall(SYS_close, told);
    }
}

ssize_t write(int fd, const void *bytes, size_t count) {
    wait_if_slow(fd);
    return syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    wait_if_slow(fd);
    return syscall(SYS_pwrite64, fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    wait_if_slow(fd);
    return syscall(SYS_pwrite64, fd, bytes, count, offset);
}

int fsync(int fd) {
    wait_if_slow(fd);
    return syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    wait_if_slow(fd);
    return syscall(SYS_fdatasync, fd);
}
