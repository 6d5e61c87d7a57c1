/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the probe; nobody else includes this. */
#ifndef BRIDGE_PROBE_PRIVATE_H
#define BRIDGE_PROBE_PRIVATE_H

#include "bridge/probe.h"
#include "lib/buf.h"
#include "lib/probe_wire.h"

#define PROBE_PART "probe"
#define PROBE_REQUESTS_MAX 2048 /* of one child */
#define PROBE_THUMB_SIDE 640	/* pixels */
#define PROBE_THUMB_SUFFIX ".jpg"

struct probe_child;

struct prober {
	struct loop *loop;
	const struct probe_config *cfg;
	struct probe *waiting, *live; /* lists */
	struct probe_child *children; /* also those that are dying */
	unsigned running;	      /* of these */
	bool kicked, freed;
	bool complained; /* that no child can be started */
	struct loop_call kick;
};

enum probe_state {
	PROBE_WAITING, /* for its turn */
	PROBE_LOOKING, /* the child runs */
	PROBE_STORING, /* the thumbnail is on its way to the store */
	PROBE_DONE
};

struct probe {
	struct probe *prev, *next;
	struct prober *prober;
	enum probe_state state;
	struct store *store;
	char key[STORE_KEY_MAX + 1];
	char etag[STORE_ETAG_MAX + 1];
	uint64_t size;
	probe_done_fn *fn;
	void *arg;

	struct probe_child *child;
	struct store_op *op;	  /* the GET that runs, or the PUT */
	struct loop_timer *timer; /* the whole probe's time */
	struct probe_read asked;  /* what the GET is for */
	uint64_t began_ms, bytes;
	unsigned requests;
	bool denied;	      /* the budget is used up */
	char *result;	      /* the child's, NUL-ended; NULL: none */
	unsigned char *thumb; /* the child's; NULL: none */
	size_t thumb_len;
	char thumb_key[STORE_KEY_MAX + 1];
};

/* probe.c: the end, with or without a result of the child's. */
void probe_fail(struct probe *b, enum probe_status status, const char *reason);
void probe_complete(struct probe *b, struct probe_result *r);
void probe_enter(struct probe *b, enum probe_state state);
void prober_kick(struct prober *p);

/* probe_look.c: the child's life as its parent sees it. */
void probe_look(struct probe *b);

/* probe_result.c: what the child said is checked, the thumbnail stored. */
void probe_settle(struct probe *b);

/*
 * probe_child.c: one process. Callbacks come from the loop; after `ended` or
 * probe_child_kill() none do, and the child is gone for its user, although its
 * process may be a while in dying.
 */
typedef void probe_frame_fn(void *arg, const struct probe_frame *f);

/* reason: "" when it left as it should, else what it died of. */
typedef void probe_ended_fn(void *arg, const char *reason);

/* NULL: it cannot be started; errno says why. */
struct probe_child *probe_child_start(struct prober *p, probe_frame_fn *frame,
				      probe_ended_fn *ended, void *arg);
struct buf *probe_child_out(struct probe_child *c); /* then: */
void probe_child_flush(struct probe_child *c);
void probe_child_kill(struct probe_child *c); /* NULL is fine */
void probe_children_free(struct prober *p);   /* waits for their deaths */

#endif
