/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The side of the journal that tells the world: events, how far each sink is
 * with them, and what probes found. Included by bridge/journal.h; calls have
 * its rules.
 *
 * A sink's row has a cursor: every event up to it is settled for that sink, but
 * for those with a delivery row. A row waits (also behind an older one of the
 * same order key) or is dead; one that was delivered is gone.
 */
#ifndef BRIDGE_JOURNAL_EVENTS_H
#define BRIDGE_JOURNAL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/store.h"
#include "lib/id.h"

#define JOURNAL_KIND_MAX 63 /* bytes in the name of a kind of event */
#define JOURNAL_SINK_MAX 32
#define JOURNAL_REASON_MAX 200
#define JOURNAL_ORDER_MAX (STORE_NAME_MAX + 1 + STORE_KEY_MAX)
#define JOURNAL_PAGE_MAX 1000	     /* events in one answer */
#define JOURNAL_PAGE_BYTES (1 << 20) /* of their bodies, and one more */
#define JOURNAL_SETTLE_MAX 1000	     /* deliveries changed at once */
#define JOURNAL_MEDIA_MAX (256 << 10)
#define JOURNAL_BEHIND INT64_MAX /* next_at: an older one of the key waits */

enum delivery_state {
	DELIVERY_NONE = -1, /* no row */
	DELIVERY_WAITING = 0,
	DELIVERY_DEAD = 2
};

struct journal_delivery {
	int64_t event; /* seq */
	char sink[JOURNAL_SINK_MAX + 1];
	char key[JOURNAL_ORDER_MAX + 1]; /* "store/key": order is kept by it */
	enum delivery_state state;
	unsigned attempts;
	int64_t first_at; /* Unix ms: when it failed first */
	int64_t next_at;  /* or, dead: when it died */
	char reason[JOURNAL_REASON_MAX + 1];
};

struct journal_event_row {
	char id[ID_LEN + 1];
	char upload[ID_LEN + 1];
	char kind[JOURNAL_KIND_MAX + 1];
	int64_t seq;
	int64_t at; /* Unix ms */
	char *body; /* JSON text; NULL where not asked for */
	struct journal_delivery *delivery; /* or NULL */
};

/* Which events. */
struct journal_event_query {
	enum {
		/* By seq, with the row that `sink` has, if that is given. */
		EVENTS_AFTER,
		/* Rows of `sink` that wait and are due at `now`, by time. */
		EVENTS_DUE,
		/* Rows of `sink` that wait, by seq; without bodies. */
		EVENTS_WAITING,
		/* Dead rows, of any sink if none is given, by seq. */
		EVENTS_DEAD
	} which;
	const char *sink;
	int64_t after; /* seq */
	int64_t now;   /* Unix ms */
	size_t max;    /* 0: JOURNAL_PAGE_MAX */
};

enum journal_sink_state {
	JOURNAL_SINK_ON,
	JOURNAL_SINK_DOWN,    /* nobody answers: tried again by itself */
	JOURNAL_SINK_DISABLED /* until an operator says so */
};

struct journal_sink {
	char name[JOURNAL_SINK_MAX + 1];
	int64_t cursor; /* seq */
	bool active;	/* configured; others are forgotten after a while */
	enum journal_sink_state state;
	char reason[JOURNAL_REASON_MAX + 1];
	char config[65];  /* which configuration was disabled */
	int64_t since;	  /* Unix ms: of the state */
	uint64_t touched; /* raised by operators: rows are to be read again */
	/* Counted only where asked for. */
	uint64_t lag; /* events behind the cursor */
	uint64_t waiting, dead;
};

/* One transaction of a sink's progress. */
struct journal_settle {
	const char *sink;
	int64_t cursor; /* never goes back; 0: stays */
	/*
	 * Rows to write; DELIVERY_NONE deletes. Where the oldest of a key goes
	 * or dies, the next one that waits behind it becomes due at `now`.
	 */
	const struct journal_delivery *changes;
	size_t n;
	int64_t now; /* Unix ms */
	bool set_state;
	enum journal_sink_state state;
	const char *reason, *config; /* with set_state */
};

/* What a probe found of the object that an upload made. */
struct journal_media {
	char upload[ID_LEN + 1];
	char store[STORE_NAME_MAX + 1];
	char key[STORE_KEY_MAX + 1];
	char etag[STORE_ETAG_MAX + 1];
	int64_t at; /* Unix ms; set by the journal */
	char *body; /* JSON text */
};

#endif
