#include "sqlite_shim.h"

#include <sqlite3.h>
#include <stddef.h>

int sqlite_shim_keep_wal(void *connection) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
}
