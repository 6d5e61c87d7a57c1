/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the outbox: sinks that answer as a script says, a clock
 * that only the test moves, and a journal with events in it.
 */
#ifndef TESTS_UNIT_OUTBOX_WORLD_H
#define TESTS_UNIT_OUTBOX_WORLD_H

#include "bridge/outbox.h"
#include "tests/unit/journal_world.h"

#define FAKE_SENDS 8192

/* A send that was seen, in order. */
struct seen {
	char id[ID_LEN + 1];
	char key[64];
	char *json;
	enum sink_outcome outcome;
	bool answered;
	sink_done_fn *fn;
	void *arg;
};

struct fake_sink {
	struct sink_base base; /* first */
	/* What becomes of a send; -1: no answer yet. */
	int (*script)(struct fake_sink *f, const struct seen *s);
	void *arg;
	uint64_t retry_after_ms;
	struct seen seen[FAKE_SENDS];
	size_t n, open; /* open: not answered */
	size_t most;	/* open at once */
	bool closed;
};

struct fake_sink *fake_sink_new(unsigned concurrency);
void fake_sink_free(struct fake_sink *f);  /* by the test, at its end */
void fake_sink_reset(struct fake_sink *f); /* forgets what it saw */
void fake_sink_answer(
	struct fake_sink *f); /* what the script has answers for */
size_t fake_sink_count(const struct fake_sink *f, enum sink_outcome outcome);

struct outbox_world {
	struct world *w;
	struct outbox_config cfg;
	struct fake_sink *sinks[4], *prober;
	struct store *store; /* for URLs, the test's; or NULL */
	struct outbox *outbox;
};

extern uint64_t world_now; /* ms; both clocks */

struct outbox_world *outbox_world_new(void);
void outbox_world_free(struct outbox_world *o);
/* Adds a sink to the configuration. */
struct fake_sink *outbox_world_sink(struct outbox_world *o, const char *name,
				    unsigned concurrency);
void outbox_world_open(struct outbox_world *o);
void outbox_world_close(struct outbox_world *o);
/* Lets time pass, ms_step a turn, until nothing is left to do or `turns`. */
void outbox_world_run(struct outbox_world *o, unsigned ms_step, unsigned turns);

/* Records an event of that key; out: its id, or NULL. */
void put_event(struct world *w, const char *kind, const char *key, char *out);

#endif
