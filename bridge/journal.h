/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: what must be remembered of every upload, and the events that
 * tell of it. One struct journal per process that needs one, opened after the
 * fork; it owns a thread. Each journal_commit() is one transaction and is
 * durable when its completion says ERR_OK. Completions come from the loop in
 * the order in which the calls were made, exactly once, never from inside the
 * call, and never after journal_forget().
 *
 * Errors: ERR_CONFLICT (no row with that id and epoch: someone else drives it
 * now), ERR_EXISTS (a live row for (store, key) is there already), ERR_NOT_FOUND,
 * ERR_NO_SPACE, ERR_IO, ERR_CORRUPT, ERR_AGAIN (the queue is full, or another
 * program holds the database), ERR_INVALID (a transaction that makes no sense),
 * ERR_QUOTA (a charge that does not fit).
 * After ERR_NO_SPACE, ERR_IO and ERR_AGAIN nothing of the transaction happened;
 * the same call may be made again.
 */
#ifndef BRIDGE_JOURNAL_H
#define BRIDGE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/journal_events.h"
#include "bridge/store.h"
#include "lib/err.h"
#include "lib/id.h"
#include "lib/loop.h"

#define JOURNAL_USER_MAX 63
#define JOURNAL_PATH_MAX 1024 /* a path in the user's view, bytes */
#define JOURNAL_EVENT_MAX 16384

struct journal;

struct journal_config {
	const char *path;      /* SQLite file; its folder must exist */
	const char *lock_path; /* flock file shared by all processes */
	struct loop *loop;
};

/*
 * Creates or upgrades the schema when needed. ERR_UNSUPPORTED: made by a newer
 * version; ERR_CORRUPT: not a journal; ERR_IO. The log says what to do.
 */
enum err journal_open(struct journal **out, const struct journal_config *cfg);
void journal_close(struct journal *j); /* commits what is queued first */

/*
 * Reads a journal's file from end to end: ERR_CORRUPT when it is damaged, else
 * as journal_open(). Blocks for as long as that takes; for the pool.
 */
enum err journal_sound(const char *path);
/*
 * Before the node's first journal_open(): whether commits that somebody was
 * told of are lost, with a log that is damaged or cut. ERR_CORRUPT then; the
 * journal can be opened all the same, as it was before them.
 */
enum err journal_log_check(const char *path, const char *lock_path);

/* Live: OPEN .. COMPLETING. ABORTING is on its way to an end. */
enum upload_state {
	UPLOAD_OPEN,
	UPLOAD_PARKED,
	UPLOAD_CLOSING,
	UPLOAD_SEALED,
	UPLOAD_COMPLETING,
	UPLOAD_ABORTING,
	UPLOAD_PUBLISHED,
	UPLOAD_ABORTED,
	UPLOAD_LOST,
};
#define UPLOAD_STATES (UPLOAD_LOST + 1)
const char *upload_state_name(enum upload_state s); /* "open" ... */
bool upload_state_live(enum upload_state s);

enum upload_kind { UPLOAD_KIND_UPLOAD, UPLOAD_KIND_COPY };

/* Flags of a row. */
enum {
	UPLOAD_TEMP = 1,	    /* opened under a temporary name */
	UPLOAD_DECLARED = 2,	    /* `declared` holds */
	UPLOAD_CREATE_UNKNOWN = 4,  /* a Create may have left an orphan */
	UPLOAD_NO_TRUNC = 8,	    /* replaces an object without TRUNC */
	UPLOAD_SOURCE_PENDING = 16, /* a copy whose source is not deleted */
	UPLOAD_UNCLAIMED = 32,	    /* sealed, and that was reported */
	UPLOAD_APPENDING = 64,	    /* what it appends to is not all there */
	UPLOAD_REPLACES = 128, /* an object of `replaces` bytes was there */
	UPLOAD_COUNTED = 256,  /* that was looked at, for a quota */
	UPLOAD_OPERATOR = 512  /* an operator says that it is complete */
};

struct journal_upload {
	char id[ID_LEN + 1];
	uint64_t epoch;	 /* raised by each new driver */
	uint32_t rewind; /* raised by each rewind */
	enum upload_kind kind;
	enum upload_state state;
	unsigned flags;
	char owner[64]; /* node */
	char user[JOURNAL_USER_MAX + 1];
	char protocol[8]; /* "sftp", "ftp", "ftps" */
	char store[STORE_NAME_MAX + 1];
	char key[STORE_KEY_MAX + 1];
	char path[JOURNAL_PATH_MAX + 1];	   /* as opened */
	char final_path[JOURNAL_PATH_MAX + 1];	   /* as it will be named */
	char backend_id[STORE_BACKEND_ID_MAX + 1]; /* "" before Create */
	uint64_t declared; /* bytes; see UPLOAD_DECLARED */
	uint64_t end;	   /* bytes; from CLOSING on */
	uint64_t charged;  /* bytes held of the home's quota, while live */
	uint64_t replaces; /* see UPLOAD_REPLACES */
	char hidden_etag[STORE_ETAG_MAX + 1]; /* old object hidden, or "" */
	char etag[STORE_ETAG_MAX + 1];	      /* published object's */
	char source[STORE_KEY_MAX + 1];	      /* kind copy: key copied from */
	char source_etag[STORE_ETAG_MAX + 1];
	int64_t mtime;	     /* set by the client, Unix s; 0: none */
	int64_t created_at;  /* all times: Unix ms; 0: never */
	int64_t creating_at; /* J(creating) */
	int64_t verified_at; /* last cross-check with the store */
	int64_t parked_at;   /* or sealed */
	int64_t ended_at;
};

/* Which fields of journal_upload a change sets; id and epoch select. */
enum {
	JSET_STATE = 1 << 0,
	JSET_EPOCH = 1 << 1, /* set to `new_epoch` */
	JSET_REWIND = 1 << 2,
	JSET_FLAGS = 1 << 3,
	JSET_OWNER = 1 << 4,   /* and protocol */
	JSET_BACKEND = 1 << 5, /* backend_id */
	JSET_DECLARED = 1 << 6,
	JSET_END = 1 << 7,
	JSET_HIDDEN = 1 << 8,
	JSET_ETAG = 1 << 9,
	JSET_MTIME = 1 << 10,
	JSET_CREATING = 1 << 11,
	JSET_VERIFIED = 1 << 12,
	JSET_PARKED = 1 << 13,
	JSET_ENDED = 1 << 14,
	JSET_PATHS = 1 << 15, /* path and final_path */
	JSET_CHARGED = 1 << 16
};

/* A new event: unique by (upload, kind) but for "parked". body is JSON text. */
struct journal_event {
	char id[ID_LEN + 1]; /* the event's own stable id */
	const char *kind;    /* "published", "aborted", "lost", "deleted" ... */
	const char *body;
};

/* What clients set on an object: kept while its ETag stays the same. */
struct journal_attr {
	char store[STORE_NAME_MAX + 1];
	char key[STORE_KEY_MAX + 1];
	char etag[STORE_ETAG_MAX + 1];
	int64_t mtime; /* Unix s */
	uint32_t mode; /* permission bits; 0: not set */
};

/*
 * Usage: what lies under a home (a key prefix that has a quota), whoever put
 * it there. It is counted once by a listing and from then on changed by the
 * transactions that publish, delete and rename.
 */
struct journal_usage {
	char store[STORE_NAME_MAX + 1];
	char home[STORE_KEY_MAX + 1];
	bool known; /* there is a row */
	bool counted;
	uint64_t bytes, files;		 /* published */
	uint64_t live_bytes, live_files; /* what live uploads add to that */
	uint64_t changes;		 /* of the row, for journal_count */
	unsigned doubts;    /* changes whose outcome is not known */
	int64_t counted_at; /* Unix ms */
	/* A charge's answer. */
	uint64_t charged; /* bytes that the row holds now */
	uint64_t room;	  /* bytes that are left; UINT64_MAX: no limit */
};

/*
 * Bytes of the quota for the update's or insert's row: at least `need` in all,
 * else ERR_QUOTA, and up to `want`. Where the row replaces nothing it also
 * takes one file. What was not counted yet is not limited.
 */
struct journal_charge {
	const char *home;
	uint64_t bytes_max, files_max; /* 0: no limit */
	uint64_t need, want;
};

/*
 * What a transaction adds to, or takes from, every home that holds the key.
 * A call to the store whose outcome the journal may never hear of is put
 * between JOURNAL_DOUBT and JOURNAL_SETTLE: a home with a doubt left over is
 * counted anew. JOURNAL_DOUBT_ALL: also homes below the key, and nothing will
 * settle it.
 */
enum journal_doubt {
	JOURNAL_SETTLE = -1,
	JOURNAL_SURE = 0,
	JOURNAL_DOUBT = 1,
	JOURNAL_DOUBT_ALL = 2
};
struct journal_change {
	char store[STORE_NAME_MAX + 1];
	char key[STORE_KEY_MAX + 1];
	int64_t bytes, files;
	enum journal_doubt doubt;
};
#define JOURNAL_DOUBT_MS 60000 /* a doubt as old as this is left over */

/* What is done to the row of a home. */
struct journal_count {
	enum {
		COUNT_BEGIN, /* make the row, where there is none */
		COUNT_SET,   /* ERR_CONFLICT: it changed meanwhile */
		COUNT_FORCE, /* the same regardless, and to be done again */
		COUNT_DEFER, /* only due_at */
		COUNT_DROP
	} what;
	char store[STORE_NAME_MAX + 1];
	char home[STORE_KEY_MAX + 1];
	uint64_t bytes, files;
	uint64_t changes; /* as read before the listing began */
	int64_t due_at;	  /* Unix ms: the next count */
};

/*
 * One transaction, made of the members that are set; all or nothing. The
 * update must change exactly one row (WHERE id AND epoch AND live or
 * aborting), else ERR_CONFLICT; one of JSET_FLAGS and JSET_HIDDEN alone may
 * change an ended row too. supersede wants a row that is open, parked or
 * sealed. A second event of (upload, kind) is ERR_EXISTS.
 */
struct journal_tx {
	const struct journal_upload *insert; /* a new row */
	const struct journal_upload *update; /* id, epoch; fields by `set` */
	unsigned set;			     /* JSET_*, for update */
	uint64_t new_epoch;
	const struct store_part *add_parts; /* to the update's or insert's */
	size_t nadd;
	uint32_t drop_from; /* deletes parts with no >= this; 0: none */
	bool drop_all_parts;
	const char *supersede;	  /* id of a row that becomes ABORTING, */
	uint64_t supersede_epoch; /* if it has this epoch (then + 1) */
	const struct journal_event *event;
	const char *event_upload; /* for an event without insert or update */
	const struct journal_attr *attr;      /* upsert */
	const struct journal_attr *attr_drop; /* by store and key */
	const struct journal_charge *charge;
	const struct journal_change *changes;
	size_t nchanges; /* at most JOURNAL_CHANGES_MAX */
	const struct journal_count *count;
};
#define JOURNAL_CHANGES_MAX 2

struct journal_reply {
	enum err err;
	const struct journal_upload *upload; /* find, get: NULL if none */
	const struct store_part *parts;	     /* of upload, by number */
	size_t nparts;
	const struct journal_upload *uploads; /* list */
	const struct journal_attr *attrs;     /* attrs: as uploads in `n` */
	size_t n;
	bool more;			   /* list: go on after the last one */
	const struct journal_usage *usage; /* usage; commit with a charge */
	const struct journal_event_row *events; /* events: as uploads in `n` */
	const struct journal_sink *sinks;	/* sinks: likewise */
	const struct journal_media *media;	/* media: NULL if none */
	int64_t newest;	  /* sinks: the highest seq of all events, or 0 */
	uint64_t touched; /* sinks: the sum of all sinks' */
	int64_t next_at;  /* events due: when the next will be; 0: none */
};

typedef void journal_done_fn(void *arg, const struct journal_reply *r);

/* Copies what it needs from tx before it returns. fn may be NULL. */
void journal_commit(struct journal *j, const struct journal_tx *tx,
		    journal_done_fn *fn, void *arg);

/* The live row of (store, key), with its parts; ERR_OK with NULL: none. */
void journal_find(struct journal *j, const char *store, const char *key,
		  journal_done_fn *fn, void *arg);
/* The youngest ended row (published, aborted, lost), without its parts. */
void journal_find_ended(struct journal *j, const char *store, const char *key,
			journal_done_fn *fn, void *arg);
/* The row, with its parts; ERR_OK with NULL: none. */
void journal_get(struct journal *j, const char *id, journal_done_fn *fn,
		 void *arg);

/* Rows by state, ordered by id; for recovery, sweeper, listings, sluicectl. */
struct journal_query {
	unsigned states;	/* bit 1 << state */
	const char *store;	/* NULL: any */
	const char *key_prefix; /* NULL: any; keys below it */
	const char *user;	/* NULL: any */
	const char *after_id;	/* NULL: from the start */
	bool source_pending;	/* only rows with UPLOAD_SOURCE_PENDING */
	bool hidden;		/* only rows with a hidden_etag */
	bool create_unknown;	/* only rows with UPLOAD_CREATE_UNKNOWN */
	size_t max;		/* at most 1000 */
};
void journal_list(struct journal *j, const struct journal_query *q,
		  journal_done_fn *fn, void *arg);
/* The parts of several uploads are read one by one with journal_get(). */

/*
 * Attributes of keys from `from` to `to`, both included, that have no '/'
 * behind the prefix, by key; at most JOURNAL_ATTRS_MAX, then `more`.
 */
struct journal_range {
	const char *store, *prefix, *from, *to;
};
void journal_attrs(struct journal *j, const struct journal_range *r,
		   journal_done_fn *fn, void *arg);
#define JOURNAL_ATTRS_MAX 2000

/* Usage of a home and of the live uploads below it. */
void journal_usage(struct journal *j, const char *store, const char *home,
		   journal_done_fn *fn, void *arg);
/* A home that is due to be counted at that time (Unix ms), live_* not set. */
void journal_usage_due(struct journal *j, int64_t now, journal_done_fn *fn,
		       void *arg);

/* Events and sinks: bridge/journal_events.h. */
void journal_events(struct journal *j, const struct journal_event_query *q,
		    journal_done_fn *fn, void *arg);
/*
 * All sinks with `newest` and `touched`; without the rows it is cheap enough to
 * be asked ten times a second.
 */
enum journal_sinks_what { SINKS_NEWS, SINKS_ROWS, SINKS_COUNTS };
void journal_sinks(struct journal *j, enum journal_sinks_what what,
		   journal_done_fn *fn, void *arg);
/*
 * These sinks are configured and no others: makes rows for new ones, whose
 * cursor is at the newest event, or at the start where from_start[i].
 */
void journal_sinks_declare(struct journal *j, const char *const *names,
			   const bool *from_start, size_t n,
			   journal_done_fn *fn, void *arg);
#define JOURNAL_SINKS_MAX 32
void journal_settle(struct journal *j, const struct journal_settle *s,
		    journal_done_fn *fn, void *arg);

/* Replaces what there is of the upload; body at most JOURNAL_MEDIA_MAX. */
void journal_media_put(struct journal *j, const struct journal_media *m,
		       journal_done_fn *fn, void *arg);
void journal_media_get(struct journal *j, const char *upload,
		       journal_done_fn *fn, void *arg);

/* No completion with this arg comes any more. */
void journal_forget(struct journal *j, void *arg);

/*
 * Prunes some hundreds of rows of each table at once; `more`: call again.
 * Ended uploads older than before_ms (unless a hidden object, a source or an
 * orphan still waits for its deletion); events before events_ms that every
 * sink is past and that no row waits for; what died before dead_ms; sinks that
 * are not configured and were left before events_ms; the oldest attributes and
 * media beyond their maxima.
 */
struct journal_ages {
	int64_t before_ms, events_ms, dead_ms; /* Unix ms */
	size_t attrs_max, media_max;
};
void journal_prune(struct journal *j, const struct journal_ages *ages,
		   journal_done_fn *fn, void *arg);
/* Only the courier calls this: WAL checkpoint under the shared lock. */
void journal_checkpoint(struct journal *j, journal_done_fn *fn, void *arg);

#endif
