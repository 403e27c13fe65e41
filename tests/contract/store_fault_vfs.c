#include "store_fault_vfs.h"

#include <sqlite3.h>
#include <string.h>

/* The default VFS's file lies behind ours. */
struct fault_file {
    sqlite3_file base;
    sqlite3_file *real;
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    unsigned countdown; /* 0: no faults */
    bool happened;
} fault;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static bool strikes(void)
{
    if (fault.countdown == 0) {
        return false;
    }
    if (fault.countdown > 1) {
        fault.countdown--;
        return false;
    }
    fault.happened = true;
    return true;
}

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    return strikes() ? SQLITE_IOERR_READ
                     : real_of(file)->pMethods->xRead(real_of(file), bytes, len, at);
}

/* Half of what was to be written is, as after a full disk or a cut cable. */
static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    if (!strikes()) {
        return real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);
    }
    (void)real_of(file)->pMethods->xWrite(real_of(file), bytes, len / 2, at);
    return SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return strikes() ? SQLITE_IOERR_TRUNCATE
                     : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    return strikes() ? SQLITE_IOERR_FSYNC : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_lock(sqlite3_file *file, int *reserved)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int file_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, memory);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int file_shm_unmap(sqlite3_file *file, int delete_it)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete_it);
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = file_close,
                                           .xRead = file_read,
                                           .xWrite = file_write,
                                           .xTruncate = file_truncate,
                                           .xSync = file_sync,
                                           .xFileSize = file_size,
                                           .xLock = file_lock,
                                           .xUnlock = file_unlock,
                                           .xCheckReservedLock = file_check_lock,
                                           .xFileControl = file_control,
                                           .xSectorSize = file_sector_size,
                                           .xDeviceCharacteristics = file_characteristics,
                                           .xShmMap = file_shm_map,
                                           .xShmLock = file_shm_lock,
                                           .xShmBarrier = file_shm_barrier,
                                           .xShmUnmap = file_shm_unmap};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *flags_out)
{
    (void)vfs;
    struct fault_file *opened = (struct fault_file *)file;
    opened->real = (sqlite3_file *)(opened + 1);
    int code = fault.real->xOpen(fault.real, name, opened->real, flags, flags_out);
    opened->base.pMethods = opened->real->pMethods == NULL ? NULL : &methods;
    return code;
}

void store_fault_register(void)
{
    if (fault.real != NULL) {
        return;
    }
    fault.real = sqlite3_vfs_find(NULL);
    memcpy(&fault.vfs, fault.real, sizeof(fault.vfs));
    fault.vfs.pNext = NULL;
    fault.vfs.zName = STORE_FAULT_VFS;
    fault.vfs.szOsFile = (int)sizeof(struct fault_file) + fault.real->szOsFile;
    fault.vfs.xOpen = vfs_open;
    (void)sqlite3_vfs_register(&fault.vfs, 0);
}

void store_fault_arm(unsigned nth)
{
    fault.happened = false;
    fault.countdown = nth;
}

bool store_fault_clear(void)
{
    fault.countdown = 0;
    return fault.happened;
}
