/*
 * pg_file.h - the fake PG with a ledger on disk, for the farebox binary and the end-to-end tests.
 *
 * A log of inputs: before the ledger acts on a request, the request, what was decided to go wrong
 * with it, and its instant are appended and forced to disk; in a group of calls, which tell nobody
 * before its end, they are forced to disk then. Opening replays them through the same
 * deterministic ledger, late actions included, so a SIGKILL at any moment loses nothing that was
 * answered. Look-ups and replays under a key change nothing and are not logged, but for the late
 * actions that fall due before them. Rules, weights and counters are the process's, not the file's.
 *
 * Many processes of one machine share a file, and are one PG: each call, or group of
 * calls, takes the file's lock, replays what others have appended since the last one, acts,
 * appends, and lets the lock go. So all see one history, whatever their clocks say: an entry's
 * instant is never before the last one's. A process that is killed loses its lock with its life;
 * half an entry of it is cut by the next call. A process that is stopped within a call or group
 * (SIGSTOP) stops the PG for all.
 *
 * File: 16 bytes of header (magic, version), then entries, each with its length, the length's
 * complement, an XXH3 of the payload seeded with its offset, and the payload; little-endian. A last
 * entry that was not written whole is cut; damage before it is an error (also where a machine, not
 * a process, fails within a group: its pages may reach the disk in any order).
 *
 * Ownership: the handle owns its memory and its file.
 * Threads and blocking: one thread at a time for each handle; a call waits for the other handles'
 * calls, and for the disk where it changes something.
 * Units: `now_ms` is Unix time, because late actions outlive the process.
 */
#ifndef FAREBOX_PG_FILE_H
#define FAREBOX_PG_FILE_H

#include "pg_fake.h"

#include <stdio.h>

#define PG_FILE_MESSAGE_SIZE 512
#define PG_FILE_BYTES_MAX    (INT64_C(1) << 30)
#define PG_FILE_TEXT_MAX     1024 /* of one text of a request */

enum pg_file_status {
    PG_FILE_OK = 0,
    PG_FILE_NOT_OPENED, /* missing, no permission, not a regular file, no memory */
    PG_FILE_FOREIGN,    /* not a ledger */
    PG_FILE_NEWER,      /* a ledger of a later version */
    PG_FILE_DAMAGED,    /* an entry before the last one does not read as it was written */
    PG_FILE_TOO_BIG,    /* more orders, keys, late actions, accounts or bytes than the limits */
    PG_FILE_IO,         /* reading or writing failed */
};

struct pg_file_options {
    const char *path;
    struct pg_fake_limits limits;
    struct pg_fake_config config;
    const uint64_t *accounts; /* made known, in addition to those of the file */
    uint32_t account_count;
    bool read_only; /* what is there at open; nothing is written or cut: for auditors */
};

struct pg_file;

/*
 * Opens or creates (not read_only) the file and replays it. Not PG_FILE_OK: `*file` is untouched,
 * and `message` says what is wrong with which file in a sentence for people; else it is "".
 */
MUST_USE enum pg_file_status pg_file_open(const struct pg_file_options *options,
                                          struct pg_file **file,
                                          char message[PG_FILE_MESSAGE_SIZE]);

/* Frees the handle. Nothing is pending on disk. */
void pg_file_close(struct pg_file *file);

/* The PG, for rules, counters, faults_off and auditors. Do not call it: the file would not know. */
struct pg_fake *pg_file_fake(struct pg_file *file);

/*
 * As pg_fake_call(), durable before it acts (in a group, before the group ends). When the disk
 * fails the answer is PG_ANSWER_TIMEOUT (the request may be in the file or not), and this handle is
 * down from then on: PG_ANSWER_NOT_SENT, as where others' entries can't be read. A read-only PG is
 * down from the start. A text beyond PG_FILE_TEXT_MAX: INVALID_REQUEST.
 */
void pg_file_call(struct pg_file *file, struct texts *texts,
                  const struct pg_ledger_request *request, int64_t now_ms,
                  const struct chooser *chooser, struct pg_fake_reply *reply);

/*
 * A group of calls shares one lock and one write: between begin and end, pg_file_call() answers as
 * ever, but what it did is durable only after the end, so no answer may be told before. The other
 * handles wait meanwhile. Nothing of a group that was not ended in a process that dies is there
 * later, or all of it up to some entry.
 *
 * False: the disk failed; nobody knows what is in the file, so each answer of the group is
 * PG_ANSWER_TIMEOUT, and this handle is down. A handle that was down at the beginning answers
 * NOT_SENT, and there is nothing that could fail: true. No other function but pg_file_call() in a
 * group.
 */
void pg_file_begin(struct pg_file *file, int64_t now_ms);
MUST_USE bool pg_file_end(struct pg_file *file);

/* Replays what others have written and does what is due; read-only: only what is due, and only in
 * this handle. */
void pg_file_advance(struct pg_file *file, int64_t now_ms);

/* True once the disk has failed; errno of that failure (EBADMSG: damage), 0 otherwise. */
bool pg_file_is_down(const struct pg_file *file);
int pg_file_errno(const struct pg_file *file);

/* Entries replayed and written; bytes that this handle cut off the end. */
uint64_t pg_file_entries(const struct pg_file *file);
uint64_t pg_file_bytes_cut(const struct pg_file *file);

/*
 * One line an order, in the order of their first charge: order id, paymentKey (`-`: no payment),
 * captured, refunded, approvals, status; separated by tabs. PG_FILE_IO: `out` has an error.
 */
MUST_USE enum pg_file_status pg_file_dump(const struct pg_file *file, FILE *out);

#endif
