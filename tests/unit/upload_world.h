/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's bridge in one process, on a real journal, spool and local store
 * in a fresh folder, driven through vfs.h; parts have PART bytes. Store calls
 * can be made to fail before or after they take effect (link with
 * -Wl,--wrap=store_call_done).
 */
#ifndef TESTS_UPLOAD_WORLD_H
#define TESTS_UPLOAD_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/spool.h"
#include "bridge/store_ops.h"
#include "bridge/upload.h"
#include "bridge/vfs.h"
#include "lib/clock.h"
#include "tests/unit/patience.h"

#define PART (64u * 1024)
#define WORLD_SESSIONS 8

struct fault {
	enum store_call_kind kind;
	unsigned skip;	/* calls that go through first */
	unsigned times; /* calls that fail then */
	enum err err;
	bool after; /* the call takes effect, its answer is lost */
};

struct world {
	char dir[64];
	struct bridge *b;
	struct bridge_config cfg;
	struct conf *conf;
	struct ledger *ledger;
	unsigned calls[STORE_CALLS];
	struct fault fault;
	struct session *sessions[WORLD_SESSIONS];
};
extern struct world w;

int world_setup(void **state);
int world_teardown(void **state);
void world_open(void);	/* a worker begins on the folder */
void world_close(void); /* it drains and ends */
void world_fault(struct fault f);

/* Turns the loop until *done; fails the test if that never comes. */
void world_wait(const bool *done);
void world_run(unsigned ms);
/* The same until a condition holds. */
#define world_until(condition)                                     \
	do {                                                       \
		uint64_t end_ = clock_ms() + PATIENCE_MS;          \
		while (!(condition)) {                             \
			if (clock_ms() > end_)                     \
				fail_msg("never: %s", #condition); \
			world_run(5);                              \
		}                                                  \
	} while (0)
/* Changes the journal behind its back. */
void world_sql(const char *text);
/* Until so many parts are recorded as stored, of all uploads. */
void world_until_parts(unsigned n);

/* A file being written by a session of its own. */
struct writer {
	struct session *s;
	struct vfs_file *f;
	bool done, paused, ready;
	enum err err, ready_err;
	char why[200];
	struct vfs_stat st;
};
struct session *world_login(const char *user);
void world_logout(struct session *s);
enum err writer_open(struct writer *x, struct session *s, const char *path,
		     unsigned flags, uint64_t declared);
/* Bytes [off, off + n) of the pattern `seed`; waits for acknowledgement. */
enum err writer_write(struct writer *x, uint64_t off, size_t n, int seed);
enum err writer_close(struct writer *x, enum vfs_end how);

/* One call each, waited for; the text is in world_why. */
extern char world_why[200];
enum err do_stat(struct session *s, const char *path, struct vfs_stat *st);
enum err do_remove(struct session *s, const char *path);
enum err do_rename(struct session *s, const char *from, const char *to,
		   bool replace);
enum err do_mtime(struct session *s, const char *path, int64_t mtime);
/* A whole upload. */
enum err do_put(struct session *s, const char *path, size_t n, int seed);

/* The object holds exactly [0, n) of the pattern. */
void check_object(const char *key, size_t n, int seed);
void check_no_object(const char *key);
/* Nothing is left: multipart uploads, segments, live rows. */
void check_clean(void);
unsigned count_events(const char *kind);
unsigned count_rows(const char *where);
unsigned char pattern(uint64_t off, int seed);

#endif
