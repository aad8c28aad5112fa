// A shim over SQLite's own file system: counts, fails and records the calls that change files. Reads and locks pass through.
#include "StoreFaultVFS.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct store_fault_vfs {
    sqlite3_vfs base;
    sqlite3_vfs *real;
    pthread_mutex_t mutex;
    int64_t calls;
    enum store_fault fault;
    int64_t first, last;
    int recording;
    struct store_operation *operations;
    int64_t count, capacity;
};

struct shim_file {
    sqlite3_file base;
    struct store_fault_vfs *vfs;
    int32_t file;
    // The real file follows.
};

static sqlite3_file *real_file(sqlite3_file *file) { return (sqlite3_file *)((struct shim_file *)file + 1); }

// Counts a call, and says what it meets.
static enum store_fault count_call(struct store_fault_vfs *vfs) {
    pthread_mutex_lock(&vfs->mutex);
    int64_t number = vfs->calls++;
    enum store_fault fault = number >= vfs->first && number <= vfs->last ? vfs->fault : STORE_FAULT_NONE;
    pthread_mutex_unlock(&vfs->mutex);
    return fault;
}

static void keep(struct store_fault_vfs *vfs, struct store_operation operation) {
    pthread_mutex_lock(&vfs->mutex);
    if (vfs->recording) {
        if (vfs->count == vfs->capacity) {
            vfs->capacity = vfs->capacity ? vfs->capacity * 2 : 1024;
            vfs->operations = realloc(vfs->operations, (size_t)vfs->capacity * sizeof *vfs->operations);
        }
        if (operation.bytes) {
            uint8_t *copy = malloc((size_t)operation.count);
            memcpy(copy, operation.bytes, (size_t)operation.count);
            operation.bytes = copy;
        }
        vfs->operations[vfs->count++] = operation;
    }
    pthread_mutex_unlock(&vfs->mutex);
}

static int shim_close(sqlite3_file *file) { return real_file(file)->pMethods->xClose(real_file(file)); }

static int shim_read(sqlite3_file *file, void *buffer, int count, sqlite3_int64 offset) {
    return real_file(file)->pMethods->xRead(real_file(file), buffer, count, offset);
}

static int shim_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    struct shim_file *shim = (struct shim_file *)file;
    sqlite3_file *real = real_file(file);
    switch (count_call(shim->vfs)) {
    case STORE_FAULT_EIO: return SQLITE_IOERR_WRITE;
    case STORE_FAULT_ENOSPC: return SQLITE_FULL;
    case STORE_FAULT_SHORT_WRITE:
        keep(shim->vfs, (struct store_operation){STORE_WRITE, shim->file, offset, count / 2, bytes});
        real->pMethods->xWrite(real, bytes, count / 2, offset);
        return SQLITE_FULL;
    case STORE_FAULT_NONE: break;
    }
    keep(shim->vfs, (struct store_operation){STORE_WRITE, shim->file, offset, count, bytes});
    return real->pMethods->xWrite(real, bytes, count, offset);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size) {
    struct shim_file *shim = (struct shim_file *)file;
    if (count_call(shim->vfs) == STORE_FAULT_EIO) return SQLITE_IOERR_TRUNCATE;
    keep(shim->vfs, (struct store_operation){STORE_TRUNCATE, shim->file, size, 0, NULL});
    return real_file(file)->pMethods->xTruncate(real_file(file), size);
}

static int shim_sync(sqlite3_file *file, int flags) {
    struct shim_file *shim = (struct shim_file *)file;
    if (count_call(shim->vfs) == STORE_FAULT_EIO) return SQLITE_IOERR_FSYNC;
    keep(shim->vfs, (struct store_operation){STORE_SYNC, shim->file, 0, 0, NULL});
    // The tests make the disk of a moment from the recording: a real sync would only take time.
    (void)flags;
    return SQLITE_OK;
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real_file(file)->pMethods->xFileSize(real_file(file), size);
}
static int shim_lock(sqlite3_file *file, int lock) { return real_file(file)->pMethods->xLock(real_file(file), lock); }
static int shim_unlock(sqlite3_file *file, int lock) { return real_file(file)->pMethods->xUnlock(real_file(file), lock); }
static int shim_check_lock(sqlite3_file *file, int *result) {
    return real_file(file)->pMethods->xCheckReservedLock(real_file(file), result);
}
static int shim_control(sqlite3_file *file, int operation, void *argument) {
    return real_file(file)->pMethods->xFileControl(real_file(file), operation, argument);
}
static int shim_sector(sqlite3_file *file) { return real_file(file)->pMethods->xSectorSize(real_file(file)); }
static int shim_characteristics(sqlite3_file *file) {
    return real_file(file)->pMethods->xDeviceCharacteristics(real_file(file));
}
static int shim_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory) {
    return real_file(file)->pMethods->xShmMap(real_file(file), page, size, extend, memory);
}
static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real_file(file)->pMethods->xShmLock(real_file(file), offset, count, flags);
}
static void shim_barrier(sqlite3_file *file) { real_file(file)->pMethods->xShmBarrier(real_file(file)); }
static int shim_unmap(sqlite3_file *file, int remove) { return real_file(file)->pMethods->xShmUnmap(real_file(file), remove); }

// Version 2: with shared memory, without mapped reads.
static const sqlite3_io_methods shim_methods = {
    2,          shim_close,  shim_read,     shim_write,       shim_truncate, shim_sync,    shim_size,
    shim_lock,  shim_unlock, shim_check_lock, shim_control,   shim_sector,   shim_characteristics,
    shim_map,   shim_shm_lock, shim_barrier, shim_unmap,      NULL,          NULL,
};

static int32_t kind_of(const char *name) {
    size_t length = name ? strlen(name) : 0;
    if (length > 4 && strcmp(name + length - 4, "-wal") == 0) return 1;
    if (length > 8 && strcmp(name + length - 8, "-journal") == 0) return 2;
    return 0;
}

static int shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
    struct shim_file *shim = (struct shim_file *)file;
    struct store_fault_vfs *own = (struct store_fault_vfs *)vfs;
    shim->base.pMethods = NULL;
    shim->vfs = own;
    shim->file = kind_of(name);
    int code = own->real->xOpen(own->real, name, real_file(file), flags, out);
    if (real_file(file)->pMethods) shim->base.pMethods = &shim_methods;
    return code;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    struct store_fault_vfs *own = (struct store_fault_vfs *)vfs;
    if (count_call(own) == STORE_FAULT_EIO) return SQLITE_IOERR_DELETE;
    keep(own, (struct store_operation){STORE_DELETE, kind_of(name), 0, 0, NULL});
    return own->real->xDelete(own->real, name, sync);
}

struct store_fault_vfs *store_fault_vfs_make(const char *name) {
    struct store_fault_vfs *vfs = calloc(1, sizeof *vfs);
    if (!vfs) return NULL;
    vfs->real = sqlite3_vfs_find(NULL);
    vfs->base = *vfs->real;
    vfs->base.pNext = NULL;
    vfs->base.zName = strdup(name);
    vfs->base.szOsFile = (int)sizeof(struct shim_file) + vfs->real->szOsFile;
    vfs->base.xOpen = shim_open;
    vfs->base.xDelete = shim_delete;
    vfs->first = INT64_MAX;
    pthread_mutex_init(&vfs->mutex, NULL);
    if (sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) return NULL;
    return vfs;
}

void store_fault_vfs_fail(struct store_fault_vfs *vfs, enum store_fault fault, int64_t first, int64_t last) {
    pthread_mutex_lock(&vfs->mutex);
    vfs->fault = fault;
    vfs->first = first;
    vfs->last = last;
    pthread_mutex_unlock(&vfs->mutex);
}

int64_t store_fault_vfs_calls(struct store_fault_vfs *vfs) {
    pthread_mutex_lock(&vfs->mutex);
    int64_t calls = vfs->calls;
    pthread_mutex_unlock(&vfs->mutex);
    return calls;
}

void store_fault_vfs_record(struct store_fault_vfs *vfs) {
    pthread_mutex_lock(&vfs->mutex);
    vfs->recording = 1;
    pthread_mutex_unlock(&vfs->mutex);
}

struct store_operation store_fault_vfs_operation(struct store_fault_vfs *vfs, int64_t number) {
    pthread_mutex_lock(&vfs->mutex);
    struct store_operation operation = {0};
    if (number < vfs->count) operation = vfs->operations[number];
    pthread_mutex_unlock(&vfs->mutex);
    return operation;
}
