// Notes in RECORD_LOG what a process changes on the disk below RECORD_ROOT, in the order of the calls.
//
// A record is a line of fields between tabs; that of `write` is followed by the bytes. A file is known by the number of
// its inode. `sendfile` and `copy_file_range` fail, so that what they would copy is written.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;  // a call and its record are one

static int is_below(const char *path) {
    const char *root = getenv("RECORD_ROOT");
    size_t length = root ? strlen(root) : 0;
    return length && strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

// The absolute path of `name` seen from the folder `at`, without following a link in its last part.
static int resolve(int at, const char *name, char *path) {
    char text[PATH_MAX];
    if (name[0] == '/') {
        snprintf(text, sizeof text, "%s", name);
    } else {
        char folder[PATH_MAX], link[64];
        if (at == AT_FDCWD) {
            if (!getcwd(folder, sizeof folder)) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t n = readlink(link, folder, sizeof folder - 1);
            if (n < 0) return 0;
            folder[n] = 0;
        }
        if (snprintf(text, sizeof text, "%s/%s", folder, name) >= (int)sizeof text) return 0;
    }
    // "//", "/./" and a last "/" change nothing.
    char *out = path;
    for (const char *in = text; *in; ) {
        if (in[0] == '/' && (in[1] == '/' || in[1] == 0)) in++;
        else if (in[0] == '/' && in[1] == '.' && (in[2] == '/' || in[2] == 0)) in += 2;
        else *out++ = *in++;
    }
    *out = 0;
    return is_below(path);
}

static int of_descriptor(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return is_below(path);
}

static unsigned long inode(int descriptor) {
    struct stat found;
    return fstat(descriptor, &found) ? 0 : (unsigned long)found.st_ino;
}

static void note(const void *data, size_t length, const char *format, ...) {
    const char *log = getenv("RECORD_LOG");
    char line[3 * PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    int descriptor = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (descriptor < 0) return;
    struct iovec parts[2] = {{line, (size_t)n}, {(void *)data, length}};
    if (REAL(writev)(descriptor, parts, 2) < 0) abort();
    close(descriptor);
}

#define LOCKED(type, call) \
    pthread_mutex_lock(&mutex); \
    type result = call; \
    int error = errno;
#define UNLOCK \
    pthread_mutex_unlock(&mutex); \
    errno = error; \
    return result;

static int opened(int at, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!resolve(at, name, path)) return REAL(openat)(at, name, flags, mode);
    struct stat before;
    int was_there = fstatat(at, name, &before, 0) == 0;
    LOCKED(int, REAL(openat)(at, name, flags, mode))
    if (result >= 0 && !was_there && flags & O_CREAT) note(0, 0, "create\t%s\t%lu\n", path, inode(result));
    else if (result >= 0 && flags & O_TRUNC) note(0, 0, "truncate\t%lu\t0\n", inode(result));
    UNLOCK
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
    }

int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags | O_LARGEFILE, mode); }
int openat(int at, const char *name, int flags, ...) {
    MODE(flags)
    char path[PATH_MAX];
    if (!resolve(at, name, path)) return ((int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat"))(at, name, flags, mode);
    return opened(at, name, flags, mode);
}
int openat64(int at, const char *name, int flags, ...) { MODE(flags) return openat(at, name, flags | O_LARGEFILE, mode); }
int creat(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode); }

// The bytes went to the place `at`, or where `at` is -1, before the present place of the descriptor.
static void written(int descriptor, const void *data, ssize_t length, off_t at) {
    char path[PATH_MAX];
    if (length <= 0 || !of_descriptor(descriptor, path)) return;
    if (at < 0) at = lseek(descriptor, 0, SEEK_CUR) - length;
    note(data, (size_t)length, "write\t%lu\t%ld\t%zd\n", inode(descriptor), (long)at, length);
}

ssize_t write(int descriptor, const void *data, size_t length) {
    LOCKED(ssize_t, REAL(write)(descriptor, data, length))
    written(descriptor, data, result, -1);
    UNLOCK
}
ssize_t pwrite(int descriptor, const void *data, size_t length, off_t at) {
    LOCKED(ssize_t, REAL(pwrite)(descriptor, data, length, at))
    written(descriptor, data, result, at);
    UNLOCK
}
ssize_t pwrite64(int descriptor, const void *data, size_t length, off_t at) { return pwrite(descriptor, data, length, at); }
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    size_t total = 0;
    for (int i = 0; i < count; i++) total += parts[i].iov_len;
    char *joined = malloc(total + 1);
    if (!joined) { errno = ENOMEM; return -1; }
    size_t at = 0;
    for (int i = 0; i < count; at += parts[i++].iov_len) memcpy(joined + at, parts[i].iov_base, parts[i].iov_len);
    ssize_t result = write(descriptor, joined, total);
    free(joined);
    return result;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
    (void)out; (void)in; (void)offset; (void)count;
    errno = ENOSYS;
    return -1;
}
ssize_t sendfile64(int out, int in, off_t *offset, size_t count) { return sendfile(out, in, offset, count); }
ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t count, unsigned flags) {
    (void)in; (void)from; (void)out; (void)to; (void)count; (void)flags;
    errno = ENOSYS;
    return -1;
}

int ftruncate(int descriptor, off_t length) {
    char path[PATH_MAX];
    LOCKED(int, REAL(ftruncate)(descriptor, length))
    if (result == 0 && of_descriptor(descriptor, path)) note(0, 0, "truncate\t%lu\t%ld\n", inode(descriptor), (long)length);
    UNLOCK
}
int ftruncate64(int descriptor, off_t length) { return ftruncate(descriptor, length); }

static void synced(int descriptor) {
    char path[PATH_MAX];
    struct stat found;
    if (!of_descriptor(descriptor, path) || fstat(descriptor, &found)) return;
    if (S_ISDIR(found.st_mode)) note(0, 0, "syncfolder\t%s\n", path);
    else note(0, 0, "sync\t%lu\n", (unsigned long)found.st_ino);
}
int fsync(int descriptor) {
    LOCKED(int, REAL(fsync)(descriptor))
    if (result == 0) synced(descriptor);
    UNLOCK
}
int fdatasync(int descriptor) {
    LOCKED(int, REAL(fdatasync)(descriptor))
    if (result == 0) synced(descriptor);
    UNLOCK
}

int renameat2(int at, const char *old, int to, const char *new, unsigned flags) {
    char from[PATH_MAX], into[PATH_MAX];
    int known = resolve(at, old, from) + resolve(to, new, into);
    LOCKED(int, REAL(renameat2)(at, old, to, new, flags))
    if (result == 0 && known) note(0, 0, "%s\t%s\t%s\n", flags & RENAME_EXCHANGE ? "exchange" : "rename", from, into);
    UNLOCK
}
int renameat(int at, const char *old, int to, const char *new) { return renameat2(at, old, to, new, 0); }
int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

int linkat(int at, const char *old, int to, const char *new, int flags) {
    char from[PATH_MAX], into[PATH_MAX];
    int known = resolve(at, old, from) + resolve(to, new, into);
    LOCKED(int, REAL(linkat)(at, old, to, new, flags))
    if (result == 0 && known) note(0, 0, "link\t%s\t%s\n", from, into);
    UNLOCK
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

#define ON_PATH(record, at, name, call) \
    char path[PATH_MAX]; \
    int known = resolve(at, name, path); \
    LOCKED(int, call) \
    if (result == 0 && known) note(0, 0, record "\t%s\n", path); \
    UNLOCK

int unlinkat(int at, const char *name, int flags) { ON_PATH("remove", at, name, REAL(unlinkat)(at, name, flags)) }
int unlink(const char *name) { ON_PATH("remove", AT_FDCWD, name, REAL(unlink)(name)) }
int rmdir(const char *name) { ON_PATH("remove", AT_FDCWD, name, REAL(rmdir)(name)) }
int mkdirat(int at, const char *name, mode_t mode) { ON_PATH("mkdir", at, name, REAL(mkdirat)(at, name, mode)) }
int mkdir(const char *name, mode_t mode) { ON_PATH("mkdir", AT_FDCWD, name, REAL(mkdir)(name, mode)) }
