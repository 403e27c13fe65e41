/*
 * store_fault_vfs.h - a SQLite VFS whose reads, writes and syncs fail when they are told to.
 *
 * Everything else goes to the default VFS. One for the process; for one thread.
 */
#ifndef FAREBOX_STORE_FAULT_VFS_H
#define FAREBOX_STORE_FAULT_VFS_H

#include <stdbool.h>

#define STORE_FAULT_VFS "farebox-fault"

/* Registers the VFS; repeating does nothing. */
void store_fault_register(void);

/* The nth operation from now on fails (1: the next), and all after it until store_fault_clear(). */
void store_fault_arm(unsigned nth);

/* Ends the faults. True: one happened. */
bool store_fault_clear(void);

#endif
