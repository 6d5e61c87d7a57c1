/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A double of bridge/session.h and bridge/vfs.h for the tests of front ends: a
 * file system in memory, with knobs for what the real one does at awkward
 * moments. It lets a front end run without journal, spool or store.
 *
 * How to use it: link tests/fake/libfakefs.a before $(UNIT_LIBS), so that
 * these functions are taken instead of the bridge's:
 *
 *	tests_unit_test_x_LDADD = tests/fake/libfakefs.a $(UNIT_LIBS)
 *
 * fake_new() makes a file system, &f->bridge is what the front end is opened
 * with, the knobs are set and read at any time. Completions come from the
 * loop, after delay_ms, or with `hold` only at fake_release(). Files behave
 * like POSIX ones: there are no uploads, parts or restart offsets, and a file
 * that is broken off keeps its bytes.
 */
#ifndef TESTS_FAKE_FAKE_FS_H
#define TESTS_FAKE_FAKE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/bridge.h"
#include "bridge/session.h"
#include "bridge/vfs.h"
#include "lib/buf.h"

#define FAKE_FILE_MAX (1ull << 30) /* bytes kept of one file */

struct fake {
	struct bridge bridge; /* only `loop` is set */

	/* Who may log in. */
	struct user user;
	const char *password;
	const void *key; /* wire format; NULL: none */
	size_t key_len;

	/* Knobs. */
	unsigned delay_ms; /* of every completion */
	bool hold;	   /* completions wait for fake_release() */
	bool hold_acks;	   /* vfs_file_acks() says no */
	/* With so many bytes written vfs_file_paused() says so, and nothing
	 * is told; 0: never. */
	uint64_t full_at;
	bool discard;		 /* bytes are counted, not kept */
	enum err close_err;	 /* what closing a written file gives */
	enum err write_err;	 /* what a write at or above .. gives */
	uint64_t write_err_from; /* .. this offset */
	size_t read_max;	 /* bytes of one read; 0: as asked */
	size_t page_max;	 /* entries of a page; 0: 1000 */
	uint64_t space_total, space_used;

	/* What was seen. */
	struct buf ops; /* "open /a\nclose /a\n" in the order of their start */
	unsigned sessions, files, dirs; /* alive */
	unsigned broken;  /* files broken off, by CLOSE or by session_free() */
	uint64_t written; /* bytes */

	struct fake_node *nodes;
	struct fake_call *calls;
	struct vfs_file *open;
};

struct fake *fake_new(struct loop *loop);
void fake_free(struct fake *f); /* after the front end */

void fake_release(struct fake *f);	     /* lets held completions come */
unsigned fake_waiting(const struct fake *f); /* completions not yet there */

/* Tells every open file's owner to pause or to go on. */
void fake_pause(struct fake *f, bool paused);

/* Acknowledgements may go, or must fail. */
void fake_ready(struct fake *f, enum err err);

void fake_put(struct fake *f, const char *path, const void *data, size_t n);
void fake_put_dir(struct fake *f, const char *path);

/* The file's bytes, or NULL; *n is its size. */
const void *fake_get(const struct fake *f, const char *path, size_t *n);
const char *fake_ops(struct fake *f); /* and forgets them */

#endif
