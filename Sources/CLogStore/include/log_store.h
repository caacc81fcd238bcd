// What the log store cannot ask of SQLite and the system in Swift.

#pragma once

#include <stdint.h>

/// The connection's close leaves the write-ahead log as it is, instead of moving it into the database. Returns
/// SQLite's result code. `connection` is a `sqlite3 *`.
int log_store_keep_wal(void *connection);

/// From now on each commit leaves in `*pages` how many pages the write-ahead log has since it was begun anew.
/// `pages` must live as long as the connection, a `sqlite3 *`.
void log_store_count_wal_pages(void *connection, int *pages);

/// Brings these bytes of a file to the disk and waits for it, without the metadata and without a flush of the
/// disk's own memory: it makes nothing durable, but leaves less to do for the sync that does. Returns 0, or -1
/// with `errno`; 0 too where the system has no such call, or a sandbox forbids it.
int log_store_write_back(int file, int64_t offset, int64_t count);
