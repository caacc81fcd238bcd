// See include/log_store.h.

#define _GNU_SOURCE
#include "log_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stddef.h>

int log_store_keep_wal(void *connection) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
}

static int note_pages(void *noted, sqlite3 *connection, const char *database, int pages) {
    (void)connection;
    (void)database;
    *(int *)noted = pages;
    return SQLITE_OK;
}

void log_store_count_wal_pages(void *connection, int *pages) {
    sqlite3_wal_hook(connection, note_pages, pages);
}

int log_store_write_back(int file, int64_t offset, int64_t count) {
    const unsigned flags =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    int result = sync_file_range(file, offset, count, flags);
    // A sandbox may not know the call, and refuse it.
    return result != 0 && (errno == ENOSYS || errno == EPERM) ? 0 : result;
}
