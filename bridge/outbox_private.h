/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the outbox only. A lane is one sink's way through the events: it reads
 * those behind its cursor in pages, keeps them in a window, and sends the oldest
 * of each key. What was dealt with is settled; the cursor follows the settled
 * ones at the window's front. What failed for itself becomes a row, and so does
 * all of its key behind it.
 *
 *   cursor (journal) ... unflushed ... first | window ... last = read_seq
 */
#ifndef BRIDGE_OUTBOX_PRIVATE_H
#define BRIDGE_OUTBOX_PRIVATE_H

#include <uthash.h>

#include "bridge/outbox.h"

#define WINDOW_EVENTS 4096	 /* of a lane: in the window or not flushed */
#define WINDOW_BYTES (16u << 20) /* of bodies, shared by all lanes */
#define PAGE_EVENTS 500		 /* read at once */
#define ROWS_MAX 100000		 /* waiting rows; then the cursor stays */
#define DUE_MAX 64		 /* rows taken into memory at once */
#define POLL_MS 100		 /* for news, flushes and what is due */
#define FLUSH_EVENTS 256	 /* settled: flushed before the time */
#define FAILURES_DOWN 10	 /* in a row: the sink counts as down */
#define RETRY_BASE_MS 5000	 /* back-off of an event */
#define RETRY_CAP_MS (3600u * 1000) /* and at most */
#define DOWN_BASE_MS 500	    /* back-off of a sink */
#define DOWN_CAP_MS (60u * 1000)
#define RETRY_AFTER_MAX_MS (24ull * 3600 * 1000) /* believed of a peer */
#define JOURNAL_AGAIN_MS 1000			 /* after the journal failed */

/* How many waiting rows each key has, by a hash of the key. */
struct keyset {
	uint64_t *hashes; /* 0: free */
	uint32_t *counts;
	size_t size, used; /* slots; a power of two */
	size_t rows;	   /* the sum of counts */
};
uint64_t keyset_hash(const char *key);			 /* never 0 */
void keyset_add(struct keyset *k, uint64_t hash, int n); /* n may be -1 */
bool keyset_has(const struct keyset *k, uint64_t hash);
void keyset_free(struct keyset *k);

struct lane;

/* The events of a key in the window, oldest first. */
struct chain {
	uint64_t hash;
	struct item *head, *tail;
	bool busy; /* one of the key is under way, perhaps a row */
	UT_hash_handle hh;
};

enum item_state {
	ITEM_QUEUED, /* behind another of its key */
	ITEM_MEDIA,  /* waits for its probe */
	ITEM_FETCH,  /* asked the journal for the media, or for a URL */
	ITEM_READY,  /* waits for its turn */
	ITEM_FLYING,
	ITEM_SETTLED
};

struct item {
	struct lane *lane;
	enum item_state state;
	struct item *next;	       /* in the window */
	struct item *key_next;	       /* in the chain */
	struct item *prev, *list_next; /* in ready, flying or media */
	struct chain *chain;
	int64_t seq;
	size_t bytes;
	struct outbox_event event;
	struct journal_event_row *row;	   /* while media may join the event */
	struct journal_delivery *delivery; /* of a row that is tried again */
	uint64_t wait_until;		   /* clock, ITEM_MEDIA */
	struct store_op *op;		   /* its URL is being made */
	int64_t url_until; /* wall: until then it need not be made anew */
};

struct item_list {
	struct item *first, *last;
};

enum lane_state {
	LANE_NEW, /* its row is not read yet */
	LANE_ON,
	LANE_DOWN, /* until down_until */
	LANE_DISABLED
};

struct lane {
	struct outbox *o;
	const struct outbox_sink_config *cfg;
	struct sink *sink;
	unsigned concurrency;
	enum lane_state state;
	bool told_down;	   /* the journal's row says that it is not on */
	bool trial;	   /* after a pause: one event at a time */
	unsigned downs;	   /* pauses in a row */
	unsigned failures; /* events in a row */
	uint64_t down_until, journal_until; /* clock */
	int64_t due_at; /* wall: when a row may be due; 0: none is */

	int64_t cursor;	  /* in the journal */
	int64_t done_seq; /* all up to it are settled here */
	int64_t read_seq; /* the last one in the window */
	size_t unflushed; /* events settled, and not in the journal */
	/* The flush under way. */
	size_t flush_events, flush_rows;
	int64_t flush_cursor;
	bool reading, flush_busy, due_busy;

	bool loading, load_wanted;
	int64_t load_after;
	struct keyset keys, loaded;

	struct item *first, *last; /* the window */
	size_t nitems, bytes;
	struct chain *chains;
	struct item_list ready, flying, media, fetching;
	unsigned nflying;
	unsigned ndue; /* rows in memory */
	/* Changes of rows that are not in the journal yet. */
	struct journal_delivery *pending;
	int *deltas; /* of waiting rows */
	size_t npending, pending_size;
};

struct outbox {
	struct outbox_env env;
	const struct outbox_config *cfg;
	struct loop_timer *timer;
	struct lane *lanes;
	size_t nlanes;
	struct lane *prober; /* or NULL; the last of the lanes */
	int64_t newest;
	uint64_t touched;
	bool asking, declared, rows_wanted, stopping;
	uint64_t ask_until; /* clock: the journal failed */
	struct outbox_sink_config prober_cfg;
};

/* outbox.c */
uint64_t outbox_clock(const struct outbox *o);
int64_t outbox_wall(const struct outbox *o);

/* outbox_lane.c: reads, loads, flushes; goes on wherever it can. */
void lane_step(struct lane *l);
void lane_good(struct lane *l);			   /* an event was delivered */
void lane_bad(struct lane *l, const char *reason); /* one failed */
void lane_down(struct lane *l, const char *reason);
void lane_disable(struct lane *l, const char *reason);
void lane_take_row(struct lane *l, const struct journal_sink *row);
void lane_close(struct lane *l);

/* outbox_flush.c: what is settled goes to the journal. */
void lane_settled(struct lane *l, struct item *it);
void lane_change(struct lane *l, const struct journal_delivery *d, int delta);
void lane_flush(struct lane *l);
void lane_flush_last(struct lane *l); /* at the end; nobody is told */
void lane_load(struct lane *l);	      /* the keys of waiting rows */

/* outbox_item.c: the life of an event in a lane. */
void lane_take_event(struct lane *l, const struct journal_event_row *row);
void lane_take_due(struct lane *l, const struct journal_event_row *row);
void lane_send(struct lane *l); /* whatever is ready and may go */
void item_free(struct item *it);
void item_ready(struct item *it); /* the next of its key */
void item_fly(struct item *it);	  /* its turn has come */

/* outbox_media.c */
bool media_wanted(const struct lane *l, const struct journal_event_row *row);
bool media_wait(struct item *it);		/* false: it need not */
void media_fetch(struct item *it);		/* then item_fly() */
void media_done(struct outbox *o, int64_t seq); /* of a probe */
void media_timeouts(struct lane *l);

/* outbox_url.c */
bool url_wanted(const struct item *it);
void url_make(struct item *it); /* then it flies, with or without */

/* Lists of items. */
void list_append(struct item_list *list, struct item *it);
void list_push(struct item_list *list, struct item *it); /* in front */
void list_remove(struct item_list *list, struct item *it);

#endif
