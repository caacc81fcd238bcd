// What Swift cannot call of SQLite by itself: functions with variable arguments.

#pragma once

/// The connection's close leaves the write-ahead log as it is, instead of moving it into the database. Returns
/// SQLite's result code. `connection` is a `sqlite3 *`.
int sqlite_shim_keep_wal(void *connection);
