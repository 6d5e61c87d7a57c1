/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletes the sets of segments that no manifest names any more. What may be
 * such a set was noted when its manifest was replaced or deleted, to be looked
 * at once readers have had their time. A note proves nothing: each key that
 * is known to have owned the set is asked whether it still does. Because
 * listings in Swift may be behind, a set that seems free is looked at a second
 * time before it goes. Every process does this now and then; that several do
 * it at once does no harm.
 */
#include "bridge/store_swift.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define NOTES_PAGE 100
#define ROUND_MIN_MS 1000
#define ROUND_MAX_MS (5 * 60 * 1000)
#define SETTLE_MAX_MS (60 * 1000)

struct swift_reaper {
	struct swift *swift;
	struct loop_timer *timer;
	struct swift_job *job; /* the round that is going on, or NULL */
	bool over;	       /* it is done: the timer frees it */

	/* The round's. */
	json_t *notes, *owners;
	size_t note, owner;
	char name[SWIFT_NOTE_LEN + 1]; /* of the note looked at */
	char set[SWIFT_SET_LEN + 1];
	bool seen; /* it is its second time */
	char key[STORE_KEY_MAX + 1];
};

static void next_note(struct swift_reaper *r);
static void next_owner(struct swift_reaper *r);

static unsigned
pause_ms(const struct swift_reaper *r)
{
	uint64_t ms = r->swift->grace_ms / 4;

	if (ms < ROUND_MIN_MS)
		ms = ROUND_MIN_MS;
	if (ms > ROUND_MAX_MS)
		ms = ROUND_MAX_MS;
	return (unsigned)ms +
	       clock_backoff(0, (unsigned)ms / 4 + 1, (unsigned)ms / 4 + 1);
}

static struct swift_reaper *
reaper_of(struct swift_job *j)
{
	return j->state;
}

static void
clear_round(struct swift_reaper *r)
{
	json_decref(r->notes);
	json_decref(r->owners);
	r->notes = r->owners = NULL;
}

/* The job's own completion is on the stack: its end comes from the timer. */
static void
end_round(struct swift_reaper *r)
{
	r->over = true;
	loop_timer_set(r->timer, 0);
}

static void
round_over(struct swift_reaper *r)
{
	swift_job_free(r->job);
	r->job = NULL;
	r->over = false;
	clear_round(r);
	loop_timer_set(r->timer, pause_ms(r));
}

static bool
read_note(struct swift_reaper *r, const char *name, int64_t *due)
{
	size_t prefix = strlen(r->swift->prefix) + strlen("garbage/");

	if (strlen(name) <= prefix)
		return false;
	name += prefix;
	return str_copy(r->name, sizeof(r->name), name) == 0 &&
	       swift_note_parse(name, due, r->set, &r->seen);
}

static void
note_gone(struct swift_job *j, enum err err)
{
	(void)err; /* what stays is found in the next round */
	next_note(reaper_of(j));
}

static void
drop_note(struct swift_reaper *r)
{
	swift_request_segment(r->job, "DELETE", "garbage", r->name);
	swift_send(r->job, note_gone);
}

static void
set_deleted(struct swift_job *j, enum err err)
{
	struct swift_reaper *r = reaper_of(j);

	if (err) {
		next_note(r);
		return;
	}
	log_debug("store", NULL, "segments_freed",
		  KV_S("store", r->swift->store->name), KV_S("set", r->set));
	drop_note(r);
}

static void
note_moved(struct swift_job *j, enum err err)
{
	struct swift_reaper *r = reaper_of(j);

	if (err)
		next_note(r);
	else
		drop_note(r);
}

/* Nobody owns the set, as far as can be seen. */
static void
nobody(struct swift_reaper *r)
{
	uint64_t settle = r->swift->grace_ms;

	if (r->seen) {
		swift_delete_set(r->job, r->set, set_deleted);
		return;
	}
	if (settle > SETTLE_MAX_MS)
		settle = SETTLE_MAX_MS;
	swift_note_garbage(r->job, r->set, settle, true, note_moved);
}

static void
key_seen(struct swift_job *j, enum err err)
{
	struct swift_reaper *r = reaper_of(j);
	const char *set = err ? NULL : swift_read_set(j);

	if (err && err != ERR_NOT_FOUND)
		next_note(r);
	else if (set && strcmp(set, r->set) == 0)
		drop_note(r); /* it is in use */
	else
		next_owner(r);
}

static void
owner_read(struct swift_job *j, enum err err)
{
	struct swift_reaper *r = reaper_of(j);
	size_t n = err ? 0 : j->reply->len;

	if (err == ERR_NOT_FOUND) {
		next_owner(r);
		return;
	}
	if (err || n == 0 || n > STORE_KEY_MAX) {
		next_note(r);
		return;
	}
	memcpy(r->key, j->reply->body, n);
	r->key[n] = '\0';
	swift_request_key(j, "HEAD", r->key);
	swift_send(j, key_seen);
}

static void
next_owner(struct swift_reaper *r)
{
	const char *name = swift_page_name(r->owners, r->owner++);

	if (!name) {
		nobody(r);
		return;
	}
	swift_request(r->job, "GET", r->swift->segments, name);
	swift_send(r->job, owner_read);
}

static void
owners_listed(struct swift_job *j, enum err err)
{
	struct swift_reaper *r = reaper_of(j);

	json_decref(r->owners);
	r->owners = err ? NULL : swift_page(j);
	r->owner = 0;
	if (r->owners)
		next_owner(r);
	else
		next_note(r);
}

static void
look_at(struct swift_reaper *r)
{
	char *prefix = mem_printf("%sowners/%s/", r->swift->prefix, r->set);

	swift_request_page(r->job, r->swift->segments, prefix, NULL,
			   STORE_LIST_MAX);
	free(prefix);
	swift_send(r->job, owners_listed);
}

/* They are listed by time: what follows one that is not due is not either. */
static void
next_note(struct swift_reaper *r)
{
	const char *name;
	int64_t due;

	do {
		name = swift_page_name(r->notes, r->note++);
	} while (name && !read_note(r, name, &due));
	if (name && due <= clock_wall_ms())
		look_at(r);
	else
		end_round(r);
}

static void
notes_listed(struct swift_job *j, enum err err)
{
	struct swift_reaper *r = reaper_of(j);

	r->notes = err ? NULL : swift_page(j);
	r->note = 0;
	next_note(r);
}

static void
begin_round(void *arg)
{
	struct swift_reaper *r = arg;
	char *prefix;

	if (r->over) {
		round_over(r);
		return;
	}
	/* Where nothing was asked of the store yet, it is not logged in for. */
	if (!swift_auth_token(r->swift->auth)) {
		loop_timer_set(r->timer, pause_ms(r));
		return;
	}
	prefix = mem_printf("%sgarbage/", r->swift->prefix);
	r->job = swift_job_new(r->swift, NULL);
	r->job->state = r;
	swift_request_page(r->job, r->swift->segments, prefix, NULL,
			   NOTES_PAGE);
	free(prefix);
	swift_send(r->job, notes_listed);
}

struct swift_reaper *
swift_reaper_new(struct swift *s)
{
	struct swift_reaper *r = mem_alloc(sizeof(*r));

	r->swift = s;
	r->timer = loop_timer_new(s->store->env.loop, begin_round, r);
	loop_timer_set(r->timer, pause_ms(r));
	return r;
}

void
swift_reaper_free(struct swift_reaper *r)
{
	if (!r)
		return;
	swift_job_free(r->job);
	loop_timer_free(r->timer);
	clear_round(r);
	free(r);
}
