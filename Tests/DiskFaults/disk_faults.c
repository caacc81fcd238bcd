// See include/disk_faults.h. One lock for everything: a call under test is never concurrent with another, so
// that what a power cut finds is one state of the directory.

#define _GNU_SOURCE
#include "disk_faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum kind { NONE, ERROR, LATE, LOST, HANG, CUT };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *directory, *armed_path, *report_path, *room_path, *only_call;
static enum kind kind;
static long at, calls, milliseconds;
static int error_number = EIO, forever, is_armed;
static uint64_t seed;

static int (*real_open)(const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_sync_file_range)(int, off_t, off_t, unsigned);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_mkdir)(const char *, mode_t);
static int (*real_fallocate)(int, off_t, off_t);
static int (*real_statvfs)(const char *, struct statvfs *);

static const char *word(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void start(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_sync_file_range = dlsym(RTLD_NEXT, "sync_file_range");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_mkdir = dlsym(RTLD_NEXT, "mkdir");
    real_fallocate = dlsym(RTLD_NEXT, "posix_fallocate64");
    real_statvfs = dlsym(RTLD_NEXT, "statvfs64");
    directory = word("DISK_FAULT_DIRECTORY");
    armed_path = word("DISK_FAULT_ARMED");
    report_path = word("DISK_FAULT_REPORT");
    room_path = word("DISK_FAULT_ROOM");
    only_call = word("DISK_FAULT_CALL");
    forever = word("DISK_FAULT_FOREVER") != NULL;
    is_armed = armed_path == NULL;
    const char *value;
    if ((value = word("DISK_FAULT_AT"))) at = atol(value);
    if ((value = word("DISK_FAULT_MILLISECONDS"))) milliseconds = atol(value);
    if ((value = word("DISK_FAULT_ERRNO"))) error_number = atoi(value);
    if ((value = word("DISK_FAULT_SEED"))) seed = strtoull(value, NULL, 10);
    if ((value = word("DISK_FAULT_KIND"))) {
        if (!strcmp(value, "error")) kind = ERROR;
        if (!strcmp(value, "late")) kind = LATE;
        if (!strcmp(value, "lost")) kind = LOST;
        if (!strcmp(value, "hang")) kind = HANG;
        if (!strcmp(value, "cut")) kind = CUT;
    }
}

static int is_inside(const char *path) {
    size_t length = directory ? strlen(directory) : 0;
    return length && !strncmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

// A path from the root; 0 where it is not watched.
static int whole(const char *path, char full[PATH_MAX]) {
    if (!directory) return 0;
    if (path[0] == '/') {
        snprintf(full, PATH_MAX, "%s", path);
    } else {
        if (!getcwd(full, PATH_MAX - 1)) return 0;
        size_t length = strlen(full);
        snprintf(full + length, PATH_MAX - length, "/%s", path);
    }
    return is_inside(full);
}

// Whether what was not synced must be remembered.
static int remembers(void) { return kind == CUT || kind == LOST; }

// The path of a descriptor; 0 where it is not watched.
static int path_of(int descriptor, char path[PATH_MAX]) {
    path[0] = 0;
    if (!directory) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_inside(path);
}

// MARK: A full disk

// Bytes of all files below.
static long long size_below(const char *path) {
    DIR *entries = opendir(path);
    if (!entries) return 0;
    long long size = 0;
    struct dirent *entry;
    while ((entry = readdir(entries))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char name[PATH_MAX];
        struct stat status;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        // What is gone by now has no size.
        if (lstat(name, &status) != 0) continue;
        size += S_ISDIR(status.st_mode) ? size_below(name) : (long long)status.st_size;
    }
    closedir(entries);
    return size;
}

// Bytes that may still be written.
static long long room_left(void) {
    char text[32] = "";
    int file = real_open(room_path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof text - 1) <= 0) abort();
    close(file);
    long long left = atoll(text) - size_below(directory);
    return left > 0 ? left : 0;
}

// Whether a file may be as long as that.
static int has_room(int file, off_t size) {
    struct stat status;
    if (!room_path || fstat(file, &status) != 0 || size <= status.st_size) return 1;
    return size - status.st_size <= room_left();
}

// MARK: What a power cut undoes

enum change { WRITE, TRUNCATE, CREATE, RENAME, UNLINK, MKDIR };

struct record {
    enum change change;
    // The file, whatever becomes of its name.
    int file;
    ino_t inode;
    // Its path, or where the name was; and for a rename, where it is now.
    char *path, *to;
    off_t offset, old_size;
    size_t old_count, count;
    unsigned char *old, *bytes;
    // A link to what the name stood for.
    char *saved;
    int is_gone;
    struct record *previous;
};

// Whether it is about what is in a file, and not about a name.
static int is_data(const struct record *record) {
    return record->change == WRITE || record->change == TRUNCATE;
}

static struct record *records;
static unsigned long saves;

static void *need(void *memory) {
    if (!memory) abort();
    return memory;
}

static struct record *add(enum change change, const char *path) {
    struct record *record = need(calloc(1, sizeof *record));
    record->change = change;
    record->path = need(strdup(path));
    record->previous = records;
    records = record;
    return record;
}

static char *save(const char *path) {
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s.saved-%lu", directory, ++saves);
    real_unlink(name);
    return link(path, name) == 0 ? need(strdup(name)) : NULL;
}

static ino_t inode_of(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

// A descriptor of the same file, for reading and writing. It stays open, so that no other file gets the
// inode.
static int handle_of(int descriptor) {
    static struct { ino_t inode; int file; } handles[512];
    static int count;
    ino_t inode = inode_of(descriptor);
    for (int place = 0; place < count; place++) {
        if (handles[place].inode == inode) return handles[place].file;
    }
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    int file = real_open(name, O_RDWR | O_CLOEXEC);
    if (file < 0 || count == 512) abort();
    handles[count].inode = inode;
    handles[count++].file = file;
    return file;
}

static void keep_bytes(struct record *record, int descriptor, off_t offset, size_t count) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) abort();
    record->file = handle_of(descriptor);
    record->inode = status.st_ino;
    record->offset = offset;
    record->old_size = status.st_size;
    if (offset >= status.st_size) return;
    off_t left = status.st_size - offset;
    record->old_count = (off_t)count < left ? count : (size_t)left;
    record->old = need(malloc(record->old_count + 1));
    if (pread64(record->file, record->old, record->old_count, offset) < 0) abort();
}

static int is_in(const char *path, const char *parent) {
    size_t length = strlen(parent);
    return !strncmp(path, parent, length) && path[length] == '/' && !strchr(path + length + 1, '/');
}

// The file, or the names of the directory, are on the disk now.
static void settle(ino_t inode, const char *path) {
    for (struct record *record = records; record; record = record->previous) {
        if (is_data(record) ? record->inode == inode
                            : is_in(record->to ? record->to : record->path, path)) {
            record->is_gone = 1;
        }
    }
}

static uint64_t draw(void) {
    // splitmix64.
    uint64_t word = (seed += 0x9e3779b97f4a7c15u);
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
}

static void undo(struct record *record) {
    char aside[PATH_MAX + 32];
    switch (record->change) {
    case WRITE:
    case TRUNCATE:
        if (record->old_count) {
            real_pwrite(record->file, record->old, record->old_count, record->offset);
        }
        real_ftruncate(record->file, record->old_size);
        break;
    case CREATE: real_unlink(record->path); break;
    case MKDIR:
        // With all that is in it.
        snprintf(aside, sizeof aside, "%s.lost-%lu", directory, ++saves);
        real_rename(record->path, aside);
        break;
    case RENAME:
        real_rename(record->to, record->path);
        if (record->saved) real_rename(record->saved, record->to);
        break;
    case UNLINK:
        if (record->saved) real_rename(record->saved, record->path);
        break;
    }
}

// A write that reached the disk by chance: some of its sectors.
static void redo(struct record *record, int is_whole) {
    if (record->change == TRUNCATE) {
        real_ftruncate(record->file, record->offset);
        return;
    }
    for (size_t start = 0; start < record->count;) {
        size_t end = start + 512 - (size_t)((record->offset + (off_t)start) % 512);
        if (end > record->count) end = record->count;
        if (is_whole || draw() % 2) {
            off_t place = record->offset + (off_t)start;
            real_pwrite(record->file, record->bytes + start, end - start, place);
        }
        start = end;
    }
}

// A sync of the file has failed, and what it should have made durable never will be.
static void lose(ino_t inode) {
    for (struct record *record = records; record; record = record->previous) {
        if (!is_data(record) || record->inode != inode || record->is_gone) continue;
        undo(record);
        record->is_gone = 1;
    }
}

// Names come back in the order of the changes, from the last; a name that is on the disk keeps those that
// were changed before it. Of the writes, the seed decides: none reach the disk, or all, or some.
static void cut_power(void) {
    size_t count = 0;
    for (struct record *record = records; record; record = record->previous) count += !record->is_gone;
    struct record **order = need(calloc(count + 1, sizeof *order));
    size_t place = count;
    for (struct record *record = records; record; record = record->previous) {
        if (!record->is_gone) order[--place] = record;
    }
    uint64_t mood = draw() % 4;
    for (size_t index = count; index-- > 0;) {
        if (is_data(order[index])) undo(order[index]);
    }
    for (size_t index = 0; index < count && mood != 0; index++) {
        struct record *record = order[index];
        if (!is_data(record)) continue;
        if (mood == 1) redo(record, 1);
        if (mood == 2 && draw() % 2) redo(record, 1);
        if (mood == 3 && draw() % 2) redo(record, 0);
    }
    // Some of the latest names are lost.
    uint64_t lost = draw() % (count + 1);
    for (size_t index = count; index-- > 0 && lost-- > 0;) {
        if (!is_data(order[index])) undo(order[index]);
    }
    _exit(99);
}

// MARK: Striking

static void report(const char *call, const char *path) {
    if (!report_path) return;
    int file = real_open(report_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) abort();
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", calls, call, path);
    if (real_write(file, line, (size_t)length) != length) abort();
    close(file);
}

// Counts a call, under the lock; whether it is struck. A power cut does not return.
static int strikes(const char *call, const char *path) {
    if (!is_armed) is_armed = access(armed_path, F_OK) == 0;
    if (!is_armed || (only_call && strcmp(call, only_call))) return 0;
    calls++;
    if (calls != at && !(forever && calls > at && at > 0)) return 0;
    report(call, path);
    if (kind == CUT) cut_power();
    if (kind == HANG) usleep((useconds_t)milliseconds * 1000);
    return kind == ERROR || kind == LATE || kind == LOST;
}

#define WATCHED(CALL, PATH, DO)                      \
    do {                                             \
        pthread_mutex_lock(&lock);                   \
        int is_struck = strikes(CALL, PATH);         \
        if (!is_struck || kind == LATE) {            \
            DO;                                      \
        }                                            \
        int number = is_struck ? error_number : errno; \
        if (is_struck) result = -1;                  \
        pthread_mutex_unlock(&lock);                 \
        errno = number;                              \
    } while (0)

// MARK: The calls

static int watched_open(const char *path, int flags, mode_t mode) {
    pthread_once(&once, start);
    char full[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || !whole(path, full)) return real_open(path, flags, mode);
    int is_new = access(full, F_OK) != 0;
    if (is_new ? !(flags & O_CREAT) : !(flags & O_TRUNC)) return real_open(path, flags, mode);
    int result = -1;
    WATCHED("open", full, {
        if (!is_new && remembers()) {
            int file = real_open(full, O_RDWR | O_CLOEXEC);
            struct stat status;
            if (file < 0 || fstat(file, &status) != 0) abort();
            keep_bytes(add(TRUNCATE, full), file, 0, (size_t)status.st_size);
            close(file);
        }
        result = real_open(path, flags, mode);
        if (result >= 0 && is_new && remembers()) add(CREATE, full);
    });
    return result;
}

#define OPEN(NAME)                              \
    int NAME(const char *path, int flags, ...) { \
        va_list arguments;                      \
        va_start(arguments, flags);             \
        mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0; \
        va_end(arguments);                      \
        return watched_open(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)

static ssize_t watched_pwrite(int file, const void *bytes, size_t count, off_t offset, int moves) {
    pthread_once(&once, start);
    char path[PATH_MAX];
    if (!path_of(file, path)) {
        return moves ? real_write(file, bytes, count) : real_pwrite(file, bytes, count, offset);
    }
    ssize_t result = -1;
    WATCHED(moves ? "write" : "pwrite", path, {
        off_t place = offset;
        if (moves) {
            struct stat status;
            int is_appending = fcntl(file, F_GETFL) & O_APPEND;
            place = lseek(file, 0, SEEK_CUR);
            if (is_appending && fstat(file, &status) == 0) place = status.st_size;
        }
        struct record *record = NULL;
        if (remembers()) {
            record = add(WRITE, path);
            keep_bytes(record, file, place, count);
            record->bytes = need(malloc(count + 1));
            memcpy(record->bytes, bytes, count);
        }
        if (!has_room(file, place + (off_t)count)) {
            errno = ENOSPC;
        } else if (moves) {
            result = real_write(file, bytes, count);
        } else {
            result = real_pwrite(file, bytes, count, offset);
        }
        if (record) record->count = result > 0 ? (size_t)result : 0;
    });
    return result;
}

ssize_t write(int file, const void *bytes, size_t count) {
    return watched_pwrite(file, bytes, count, 0, 1);
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return watched_pwrite(file, bytes, count, offset, 0);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return watched_pwrite(file, bytes, count, offset, 0);
}

static int watched_truncate(int file, off_t size) {
    pthread_once(&once, start);
    char path[PATH_MAX];
    if (!path_of(file, path)) return real_ftruncate(file, size);
    int result = -1;
    WATCHED("ftruncate", path, {
        struct stat status;
        if (remembers() && fstat(file, &status) == 0) {
            struct record *record = add(TRUNCATE, path);
            size_t lost = size < status.st_size ? (size_t)(status.st_size - size) : 0;
            keep_bytes(record, file, size, lost);
        }
        result = real_ftruncate(file, size);
    });
    return result;
}

int ftruncate(int file, off_t size) { return watched_truncate(file, size); }
int ftruncate64(int file, off64_t size) { return watched_truncate(file, size); }

// Answers the error number. What a power cut leaves of such a file is anybody's guess: it is not undone.
static int watched_fallocate(int file, off_t offset, off_t count) {
    pthread_once(&once, start);
    char path[PATH_MAX];
    if (!path_of(file, path)) return real_fallocate(file, offset, count);
    int result = -1;
    WATCHED("fallocate", path, {
        errno = has_room(file, offset + count) ? real_fallocate(file, offset, count) : ENOSPC;
        result = errno ? -1 : 0;
    });
    return result ? errno : 0;
}

int posix_fallocate(int file, off_t offset, off_t count) {
    return watched_fallocate(file, offset, count);
}
int posix_fallocate64(int file, off64_t offset, off64_t count) {
    return watched_fallocate(file, offset, count);
}

static int watched_statvfs(const char *path, struct statvfs *status) {
    pthread_once(&once, start);
    int result = real_statvfs(path, status);
    char full[PATH_MAX];
    if (result == 0 && room_path && whole(path, full)) {
        status->f_bavail = (fsblkcnt_t)room_left() / status->f_frsize;
    }
    return result;
}

int statvfs(const char *path, struct statvfs *status) { return watched_statvfs(path, status); }
int statvfs64(const char *path, struct statvfs64 *status) {
    return watched_statvfs(path, (struct statvfs *)status);
}

// A disk that could not write what it was given has lost it.
static void lose_where_failed(int result, int file) {
    if (result == 0 || kind != LOST) return;
    pthread_mutex_lock(&lock);
    lose(inode_of(file));
    pthread_mutex_unlock(&lock);
}

static int watched_sync(int file, const char *call, int (*sync)(int)) {
    char path[PATH_MAX];
    // The directory's own name is in its parent.
    if (!path_of(file, path) && !(directory && is_in(directory, path))) return sync(file);
    int result = -1;
    WATCHED(call, path, {
        result = sync(file);
        if (result == 0 && remembers()) settle(inode_of(file), path);
    });
    lose_where_failed(result, file);
    return result;
}

int fsync(int file) {
    pthread_once(&once, start);
    return watched_sync(file, "fsync", real_fsync);
}
int fdatasync(int file) {
    pthread_once(&once, start);
    return watched_sync(file, "fdatasync", real_fdatasync);
}

// It makes nothing durable.
int sync_file_range(int file, off_t offset, off_t count, unsigned flags) {
    pthread_once(&once, start);
    char path[PATH_MAX];
    if (!path_of(file, path)) return real_sync_file_range(file, offset, count, flags);
    int result = -1;
    WATCHED("sync_file_range", path, { result = real_sync_file_range(file, offset, count, flags); });
    lose_where_failed(result, file);
    return result;
}

int rename(const char *old, const char *new) {
    pthread_once(&once, start);
    char from[PATH_MAX], to[PATH_MAX];
    if (!whole(old, from) || !whole(new, to)) return real_rename(old, new);
    int result = -1;
    WATCHED("rename", from, {
        char *saved = remembers() ? save(to) : NULL;
        result = real_rename(from, to);
        if (result == 0 && remembers()) {
            struct record *record = add(RENAME, from);
            record->to = need(strdup(to));
            record->saved = saved;
        }
    });
    return result;
}

int unlink(const char *path) {
    pthread_once(&once, start);
    char full[PATH_MAX];
    if (!whole(path, full)) return real_unlink(path);
    int result = -1;
    WATCHED("unlink", full, {
        char *saved = remembers() ? save(full) : NULL;
        result = real_unlink(full);
        if (result == 0 && remembers()) add(UNLINK, full)->saved = saved;
    });
    return result;
}

int mkdir(const char *path, mode_t mode) {
    pthread_once(&once, start);
    char full[PATH_MAX];
    if (!whole(path, full) || access(full, F_OK) == 0) return real_mkdir(path, mode);
    int result = -1;
    WATCHED("mkdir", full, {
        result = real_mkdir(full, mode);
        if (result == 0 && remembers()) add(MKDIR, full);
    });
    return result;
}

// MARK: Calls that nobody makes so far; whoever does must teach this file how to undo them.

#define FORBIDDEN(TYPE, NAME, PARAMETERS, ARGUMENTS, FILE)                                     \
    TYPE NAME PARAMETERS {                                                                     \
        char path[PATH_MAX];                                                                   \
        pthread_once(&once, start);                                                            \
        if (path_of(FILE, path)) {                                                             \
            fprintf(stderr, "DiskFaults does not know how to undo " #NAME " of %s\n", path);  \
            abort();                                                                           \
        }                                                                                      \
        TYPE(*real) PARAMETERS = dlsym(RTLD_NEXT, #NAME);                                      \
        return real ARGUMENTS;                                                                 \
    }

struct iovec;
FORBIDDEN(ssize_t, writev, (int file, const struct iovec *parts, int count), (file, parts, count), file)
FORBIDDEN(ssize_t, pwritev64, (int file, const struct iovec *parts, int count, off64_t offset),
          (file, parts, count, offset), file)
FORBIDDEN(int, fallocate64, (int file, int mode, off64_t offset, off64_t count),
          (file, mode, offset, count), file)
