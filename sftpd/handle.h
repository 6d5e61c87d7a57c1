/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handles of a channel: open files and folders, known to the client by
 * eight bytes (slot and serial number, so that an old one is not mistaken for
 * a new one). A handle leaves the table when its CLOSE is read and is freed
 * when that is answered.
 */
#ifndef SFTPD_HANDLE_H
#define SFTPD_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/vfs.h"
#include "lib/buf.h"

#define HANDLES_MAX 128u /* of one channel, those being closed included */
#define HANDLE_LEN 8u	 /* bytes on the wire */
#define ACKS_MAX 1024u	 /* WRITEs of one file that await their reply */

struct chan;

struct handle {
	struct chan *ch;
	unsigned slot;
	uint32_t serial;
	char *path;
	bool closing; /* not in the table any more */

	/* A file. */
	struct vfs_file *file;
	unsigned flags;	   /* VFS_* it was opened with */
	unsigned barriers; /* requests that later WRITEs must wait for */
	bool paused;
	uint64_t size;	  /* at OPEN, for APPEND */
	uint64_t written; /* by this handle */
	uint64_t base;	  /* where a client that leaves it to APPEND began */
	uint32_t *acks;	  /* ids of WRITEs whose reply is held back */
	unsigned nacks;

	/* READs under way: one range at a time. */
	uint64_t read_off;
	size_t read_len;
	struct buf got; /* what came of it, when it came in pieces */

	/* A folder. */
	struct vfs_dir *dir;
	struct buf page; /* encoded entries not yet sent */
	bool last;	 /* no page follows */
};

struct handles {
	struct handle *slots[HANDLES_MAX];
	unsigned used; /* alive: in the table or being closed */
	uint32_t serial;
};

/* A handle that is not yet known to the client; NULL: too many. */
struct handle *handle_new(struct chan *ch, const char *path);
void handle_wire(const struct handle *h, uint8_t out[HANDLE_LEN]);
struct handle *handle_find(const struct handles *t, const uint8_t *wire,
			   size_t len);
void handle_detach(struct handle *h); /* leaves the table */

/* Frees it and closes a folder; the file is the caller's to have closed. */
void handle_free(struct handle *h);

extern const struct vfs_file_events handle_events; /* arg: the handle */

/* A WRITE is over: replies now or holds the reply back. */
void handle_ack(struct handle *h, uint32_t id);

/* Answers what is held back. */
void handle_answer_acks(struct handle *h, enum err err, const char *why);

/* Where a WRITE at `off` goes (APPEND). */
uint64_t handle_write_offset(struct handle *h, uint64_t off);

#endif
