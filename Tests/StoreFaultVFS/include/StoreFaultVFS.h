// A file system for SQLite that fails on command, and that records what is written so that a test can make the disk of any moment.
#ifndef STORE_FAULT_VFS_H
#define STORE_FAULT_VFS_H

#include <stdint.h>

// What the n-th call meets.
enum store_fault {
    STORE_FAULT_NONE = 0,
    STORE_FAULT_EIO = 1,
    STORE_FAULT_ENOSPC = 2,
    // Half of the bytes are written, then the disk is full.
    STORE_FAULT_SHORT_WRITE = 3,
};

// What was done to the files.
enum store_operation_kind {
    STORE_WRITE = 1,
    STORE_TRUNCATE = 2,
    STORE_SYNC = 3,
    STORE_DELETE = 4,
};

struct store_operation {
    int32_t kind;
    // 0: the database, 1: its write-ahead log, 2: its rollback journal.
    int32_t file;
    // Of a write; of a truncation the new size is `offset`.
    int64_t offset;
    int64_t count;
    const uint8_t *bytes;
};

// Registers a file system under this name; several may exist. NULL: no memory. Tests are few: it is never given back.
struct store_fault_vfs *store_fault_vfs_make(const char *name);

// The calls that write, sync, truncate or delete are counted from 0 on; the calls from `first` to `last` meet the fault.
void store_fault_vfs_fail(struct store_fault_vfs *vfs, enum store_fault fault, int64_t first, int64_t last);

// Calls counted so far.
int64_t store_fault_vfs_calls(struct store_fault_vfs *vfs);

// Keeps what is done from now on.
void store_fault_vfs_record(struct store_fault_vfs *vfs);

// The n-th operation kept; kind 0 when there is none. The bytes live as long as the process.
struct store_operation store_fault_vfs_operation(struct store_fault_vfs *vfs, int64_t number);

#endif
