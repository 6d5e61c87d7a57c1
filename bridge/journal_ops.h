/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a journal driver provides: one `const struct journal_ops`, synchronous
 * functions on one connection to one database. The journal's thread makes all
 * calls; sluicectl, which has no loop, makes them itself on a connection of
 * its own that only reads. The dispatcher (journal.c) checks arguments, queues,
 * groups calls into transactions and brings results to the loop; a driver
 * carries one call out.
 *
 * Results that say what a caller asked in vain are ERR_CONFLICT, ERR_EXISTS,
 * ERR_INVALID, ERR_NOT_FOUND and ERR_QUOTA: the transaction goes on without that call.
 * Any other error ends the transaction; mend() follows.
 */
#ifndef BRIDGE_JOURNAL_OPS_H
#define BRIDGE_JOURNAL_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/journal.h"

#define JOURNAL_LIST_MAX 1000	/* uploads in one list */
#define JOURNAL_PARTS_MAX 10000 /* parts of one upload */
#define JOURNAL_EVENTS_MAX 100	/* events of one upload */
#define JOURNAL_PRUNE_MAX 500	/* rows that one prune deletes, a table */

/* What a read found. A driver adds to it; journal_rows_free() empties it. */
struct journal_rows {
	struct journal_upload *uploads;
	size_t nuploads;
	struct store_part *parts; /* of uploads[0], by number */
	size_t nparts;
	struct journal_attr *attrs;
	size_t nattrs;
	struct journal_event_row *events;
	size_t nevents;
	size_t event_bytes; /* of bodies */
	struct journal_sink *sinks;
	size_t nsinks;
	struct journal_media media; /* upload "": none */
	int64_t newest, next_at;    /* as in a reply */
	uint64_t touched;
	struct journal_usage usage;
	bool more; /* there are rows behind the last one */
};

/* Adds a zeroed element and returns it; valid until the next one is added. */
struct journal_upload *journal_rows_upload(struct journal_rows *r);
struct store_part *journal_rows_part(struct journal_rows *r);
struct journal_attr *journal_rows_attr(struct journal_rows *r);
struct journal_event_row *journal_rows_event(struct journal_rows *r);
struct journal_sink *journal_rows_sink(struct journal_rows *r);
size_t journal_rows_bytes(const struct journal_rows *r);
void journal_rows_free(struct journal_rows *r);

struct journal_place {
	const char *path;
	const char *lock_path; /* NULL when read_only */
	bool read_only;	       /* never creates, changes or checkpoints */
};

/* What check() finds. Texts are valid during the call. */
enum journal_fault_kind {
	JOURNAL_FAULT_DAMAGE, /* of the file; upload is NULL */
	JOURNAL_FAULT_EVENT,  /* a published row without its event */
	JOURNAL_FAULT_PARTS,
	JOURNAL_FAULT_STATE
};
struct journal_fault {
	enum journal_fault_kind kind;
	const char *upload;
	const char *text;
};
typedef void journal_fault_fn(void *arg, const struct journal_fault *f);

struct journal_ops {
	const char *kind;

	/* As journal_open(). A read-only open of nothing is ERR_NOT_FOUND. */
	enum err (*open)(void **db, const struct journal_place *place);
	void (*close)(void *db);

	/* Between begin and commit, or begin and mend, lies a transaction. */
	enum err (*begin)(void *db, bool write);
	enum err (*commit)(void *db); /* ERR_OK: durable */
	/* Undoes what was begun; nothing of it is ever seen. Reconnects. */
	void (*mend)(void *db);

	/* tx was checked. All of it, or nothing and an error. usage: what a
	 * charge's answer is put into. */
	enum err (*apply)(void *db, const struct journal_tx *tx,
			  struct journal_usage *usage);
	/* Deletes a bounded number of rows; *more: call again. */
	enum err (*prune)(void *db, const struct journal_ages *ages,
			  bool *more);
	enum err (*declare)(void *db, const char *const *names,
			    const bool *from_start, size_t n);
	enum err (*settle)(void *db, const struct journal_settle *s);
	enum err (*put_media)(void *db, const struct journal_media *m);

	/* ERR_OK with no upload in rows when there is none. */
	enum err (*find)(void *db, const char *store, const char *key,
			 bool ended, struct journal_rows *rows);
	enum err (*get)(void *db, const char *id, struct journal_rows *rows);
	enum err (*list)(void *db, const struct journal_query *q,
			 struct journal_rows *rows);
	enum err (*attrs)(void *db, const struct journal_range *range,
			  struct journal_rows *rows);
	/* An upload's own, and those that a query is about. */
	enum err (*events)(void *db, const char *upload,
			   struct journal_rows *rows);
	enum err (*page)(void *db, const struct journal_event_query *q,
			 struct journal_rows *rows);
	enum err (*sinks)(void *db, enum journal_sinks_what what,
			  struct journal_rows *rows);
	/* By upload or, without one, the newest of store and key. */
	enum err (*media)(void *db, const char *upload, const char *store,
			  const char *key, struct journal_rows *rows);
	/* Zeroes when there is no row. */
	enum err (*usage)(void *db, const char *store, const char *home,
			  struct journal_usage *usage);
	enum err (*usage_due)(void *db, int64_t now,
			      struct journal_usage *usage);

	/* Outside of a transaction. NULL: there is nothing to do. */
	enum err (*checkpoint)(void *db);

	/* For sluicectl, outside of a transaction; a reader may ask too. */

	/* Whether the journal agrees with itself; fn for each that does not. */
	enum err (*check)(void *db, journal_fault_fn *fn, void *arg);
	/* A new file, mode 0600, durable: the journal as it is now. */
	enum err (*backup)(void *db, const char *path);
	/*
	 * What an operator says, in a transaction that was begun: dead events
	 * are tried again, *n of them (event: an id, NULL: all; sink NULL: of
	 * all sinks); a sink that was disabled is used again. ERR_NOT_FOUND:
	 * there is none.
	 */
	enum err (*revive)(void *db, const char *event, const char *sink,
			   uint64_t *n);
	enum err (*enable)(void *db, const char *sink);
	/* *out: an event behind the row's end says that its object changed. */
	enum err (*moved)(void *db, const struct journal_upload *row,
			  bool *out);
	/*
	 * The lowest state of the rows, live or ended, that have this multipart
	 * upload, or that may have begun it; -1: there is none.
	 */
	enum err (*owner)(void *db, const char *store, const char *key,
			  const char *backend_id, int *state);
	/*
	 * Before anything is opened: whether commits that were told of are
	 * lost with the end of a log. ERR_CORRUPT when they are; logged.
	 */
	enum err (*log_check)(const char *path, const char *lock_path);
	/* Whether a file can take the journal's place; as journal_open(). */
	enum err (*verify)(const char *path);
};

extern const struct journal_ops journal_sqlite;

#endif
