/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spool bytes of uploads that nobody drives. Who parks an upload tells the
 * ledger; a process that is killed does not. So one worker looks at the folder
 * now and then and puts the sum right.
 */
#include <stdlib.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define LOOK_MS 10000

struct parked_look {
	struct work work;   /* first */
	struct uploads *us; /* NULL: gone */
	struct ledger *ledger;
	const char *dir; /* of the configuration, which outlives the pool */
	uint64_t bytes;
	enum err err;
};

/* In the pool: the ledger is shared memory and needs no lock. */
static void
add(void *arg, const char *upload, uint64_t bytes)
{
	struct parked_look *look = arg;

	if (!ledger_drives(look->ledger, upload))
		look->bytes += bytes;
}

static void
look_run(struct work *w)
{
	struct parked_look *look = (struct parked_look *)w;

	look->err = spool_walk(look->dir, add, look);
}

static void
look_done(struct work *w)
{
	struct parked_look *look = (struct parked_look *)w;

	if (look->us) {
		look->us->looking = NULL;
		look->us->next_look = clock_ms() + LOOK_MS;
		if (look->err)
			log_warn("upload", NULL, "spool_walk",
				 KV_ERR(look->err));
		else
			ledger_parked_set(look->ledger, look->bytes);
	}
	free(look);
}

void
parked_tick(struct uploads *us)
{
	struct parked_look *look;

	if (us->looking || clock_ms() < us->next_look)
		return;
	if (!ledger_is_first(us->b->ledger)) {
		us->next_look = clock_ms() + LOOK_MS;
		return;
	}
	look = mem_alloc(sizeof(*look));
	look->work.run = look_run;
	look->work.done = look_done;
	look->us = us;
	look->ledger = us->b->ledger;
	look->dir = us->b->config->spool_dir;
	us->looking = look;
	work_submit(us->b->pool, &look->work);
}

void
parked_forget(struct uploads *us)
{
	if (us->looking)
		us->looking->us = NULL;
}
