// A disk that goes wrong, for a process that a test starts. The library is preloaded (LD_PRELOAD) and stands
// between the process and the C library; it counts the calls that change a directory and lets one of them
// fail, hang, or be the last before the power is cut. Set by the environment:
//
//     DISK_FAULT_DIRECTORY  what is watched: an absolute path. Without it nothing is.
//     DISK_FAULT_ARMED      a file; calls count from the moment it exists. Without it, from the start.
//     DISK_FAULT_CALL       calls of that name only count.
//     DISK_FAULT_AT         the number of the call that it happens at, from 1.
//     DISK_FAULT_KIND       error    the call does nothing and fails
//                           late     the call is done, and then fails: what reached the disk is unknown
//                           lost     as error; and where the call is a sync, what it should have made durable is
//                                    gone, as on a disk that could not write it
//                           hang     the call is done after DISK_FAULT_MILLISECONDS
//                           cut      the power is cut before the call: what was not synced is lost, whole or in
//                                    parts that DISK_FAULT_SEED decides, and the process ends (exit code 99)
//     DISK_FAULT_ERRNO      what `error`, `late` and `lost` set errno to; EIO where it is not set.
//     DISK_FAULT_FOREVER    not empty: every call from then on, too.
//     DISK_FAULT_ROOM       a file with a number: how many bytes the files of the directory may have together. The
//                           disk is full when they have as many. Read anew at each call.
//     DISK_FAULT_REPORT     a file to which a line is added for each call that was struck: number, call, path.
//
// What counts: open that makes a file or empties one, write, pwrite, ftruncate, fallocate, fsync, fdatasync,
// sync_file_range, rename, unlink, mkdir. What a power cut may undo: writes until the file is synced; names until
// their directory is.
