/* Preloaded into a service: makes syncs fail, and the wall clock lie, as two files of the test say.
 *
 * FAULTY_SYNC names a file with a part of a path: syncs of files with that part in theirs fail with EIO as long as it
 * is there; with "once " before the part, the first of them does. FAULTY_CLOCK names a file with seconds that are added to the wall clock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int said(const char *variable, char *text, size_t size) {
    const char *name = getenv(variable);
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t length = read(file, text, size - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    return length > 0;
}

static int fails(int file) {
    char text[256], link[64], path[4096];
    int before = errno;
    int wanted = said("FAULTY_SYNC", text, sizeof text);
    errno = before;
    if (!wanted) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    int once = strncmp(text, "once ", 5) == 0;
    int found = strstr(path, once ? text + 5 : text) != NULL;
    return found && (!once || unlink(getenv("FAULTY_SYNC")) == 0);
}

#define SYNC(name)                                                     \
    int name(int file) {                                               \
        static int (*real)(int);                                       \
        if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name);       \
        if (!fails(file)) return real(file);                           \
        errno = EIO;                                                   \
        return -1;                                                     \
    }

SYNC(fsync)
SYNC(fdatasync)

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    char seconds[64];
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int outcome = real(clock, now);
    int before = errno;
    if (outcome == 0 && clock == CLOCK_REALTIME && said("FAULTY_CLOCK", seconds, sizeof seconds))
        now->tv_sec += atol(seconds);
    errno = before;
    return outcome;
}
