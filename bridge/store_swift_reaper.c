/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletes the sets of segments that no manifest names any more. What may be
 * such a set was noted when its manifest was replaced or deleted, or its upload
 * aborted, to be looked at once readers have had their time. A note proves
 * nothing: each key that is known to have owned the set is asked whether it
 * still does. Because listings in Swift may be behind, a set that seems free is
 * looked at a second time before it goes. A lock in run_dir says which of a
 * node's processes does this; that several nodes do it at once does no harm.
 * A round goes on until no note is due any more.
 */
#include "bridge/store_swift.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LOOKS 4 /* notes at a time: fewer than the store's connections */
#define ROUND_MIN_MS 1000
#define ROUND_MAX_MS (5 * 60 * 1000)
#define SETTLE_MAX_MS (60 * 1000)

/* A note that is dealt with. */
struct look {
	struct swift_reaper *reaper;
	struct swift_job *job;
	bool busy;
	json_t *owners;
	size_t owner;
	char name[SWIFT_NOTE_LEN + 1];
	char set[SWIFT_SET_LEN + 1];
	bool seen; /* it is its second time */
	char key[STORE_KEY_MAX + 1];
};

struct swift_reaper {
	struct swift *swift;
	struct loop_timer *timer;
	char *lock_path; /* NULL: this process is alone */

	/* The round that is going on. */
	struct swift_job *job; /* lists notes; NULL: there is no round */
	bool over;	       /* it is done: the timer frees its jobs */
	int lock;
	json_t *notes;
	size_t note; /* the next one */
	bool all;    /* those that follow are not due */
	bool last;   /* no page follows this one */
	unsigned busy;
	struct look looks[LOOKS];
};

static void next_notes(struct swift_reaper *r);
static void next_owner(struct look *l);

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

/* Held until it is closed, or this process is gone. */
static bool
lock_round(struct swift_reaper *r)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (!r->lock_path)
		return true;
	r->lock = open(r->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->lock < 0)
		return true; /* then every process looks */
	if (fcntl(r->lock, F_OFD_SETLK, &fl) == 0)
		return true;
	close(r->lock);
	r->lock = -1;
	return false;
}

static void
clear_round(struct swift_reaper *r)
{
	for (size_t i = 0; i < LOOKS; i++) {
		struct look *l = &r->looks[i];

		swift_job_free(l->job);
		json_decref(l->owners);
		*l = (struct look){ .reaper = r };
	}
	swift_job_free(r->job);
	r->job = NULL;
	json_decref(r->notes);
	r->notes = NULL;
	r->busy = 0;
	r->over = r->all = r->last = false;
	if (r->lock >= 0)
		close(r->lock);
	r->lock = -1;
}

/* A job's own completion is on the stack: its end comes from the timer. */
static void
end_round(struct swift_reaper *r)
{
	r->over = true;
	loop_timer_set(r->timer, 0);
}

static bool
read_note(struct look *l, const char *name, int64_t *due)
{
	size_t prefix = strlen(l->reaper->swift->prefix) + strlen("garbage/");

	if (strlen(name) <= prefix)
		return false;
	name += prefix;
	return str_copy(l->name, sizeof(l->name), name) == 0 &&
	       swift_note_parse(name, due, l->set, &l->seen);
}

static void
look_over(struct look *l)
{
	l->busy = false;
	l->reaper->busy--;
	next_notes(l->reaper);
}

static struct look *
look_of(struct swift_job *j)
{
	return j->state;
}

static void
note_gone(struct swift_job *j, enum err err)
{
	(void)err; /* what stays is found in the next round */
	look_over(look_of(j));
}

static void
drop_note(struct look *l)
{
	swift_request_segment(l->job, "DELETE", "garbage", l->name);
	swift_send(l->job, note_gone);
}

static void
set_deleted(struct swift_job *j, enum err err)
{
	struct look *l = look_of(j);

	if (err) {
		look_over(l);
		return;
	}
	log_debug("store", NULL, "segments_freed",
		  KV_S("store", l->reaper->swift->store->name),
		  KV_S("set", l->set));
	drop_note(l);
}

static void
note_moved(struct swift_job *j, enum err err)
{
	struct look *l = look_of(j);

	if (err)
		look_over(l);
	else
		drop_note(l);
}

/* An upload that is going on is not garbage: who aborts it notes it anew. */
static void
upload_seen(struct swift_job *j, enum err err)
{
	struct look *l = look_of(j);
	uint64_t settle = l->reaper->swift->grace_ms;

	if (err != ERR_NOT_FOUND) {
		if (err)
			look_over(l);
		else
			drop_note(l);
		return;
	}
	if (l->seen) {
		swift_delete_set(l->job, l->set, set_deleted);
		return;
	}
	if (settle > SETTLE_MAX_MS)
		settle = SETTLE_MAX_MS;
	swift_note_garbage(l->job, l->set, settle, true, note_moved);
}

/* Nobody owns the set, as far as can be seen. */
static void
nobody(struct look *l)
{
	swift_request_segment(l->job, "HEAD", "uploads", l->set);
	swift_send(l->job, upload_seen);
}

static void
key_seen(struct swift_job *j, enum err err)
{
	struct look *l = look_of(j);
	const char *set = err ? NULL : swift_read_set(j);

	if (err && err != ERR_NOT_FOUND)
		look_over(l);
	else if (set && strcmp(set, l->set) == 0)
		drop_note(l); /* it is in use */
	else
		next_owner(l);
}

static void
owner_read(struct swift_job *j, enum err err)
{
	struct look *l = look_of(j);
	size_t n = err ? 0 : j->reply->len;

	if (err == ERR_NOT_FOUND) {
		next_owner(l);
		return;
	}
	if (err || n == 0 || n > STORE_KEY_MAX) {
		look_over(l);
		return;
	}
	memcpy(l->key, j->reply->body, n);
	l->key[n] = '\0';
	swift_request_key(j, "HEAD", l->key);
	swift_send(j, key_seen);
}

static void
next_owner(struct look *l)
{
	const char *name = swift_page_name(l->owners, l->owner++);

	if (!name) {
		nobody(l);
		return;
	}
	swift_request(l->job, "GET", l->reaper->swift->segments, name);
	swift_send(l->job, owner_read);
}

static void
owners_listed(struct swift_job *j, enum err err)
{
	struct look *l = look_of(j);

	json_decref(l->owners);
	l->owners = err ? NULL : swift_page(j);
	l->owner = 0;
	if (l->owners)
		next_owner(l);
	else
		look_over(l);
}

static void
look_at(struct look *l)
{
	char *prefix =
		mem_printf("%sowners/%s/", l->reaper->swift->prefix, l->set);

	swift_request_page(l->job, l->reaper->swift->segments, prefix, NULL,
			   STORE_LIST_MAX);
	free(prefix);
	swift_send(l->job, owners_listed);
}

static struct look *
idle_look(struct swift_reaper *r)
{
	for (size_t i = 0; i < LOOKS; i++)
		if (!r->looks[i].busy)
			return &r->looks[i];
	return NULL;
}

static void
begin_look(struct swift_reaper *r, struct look *l)
{
	if (!l->job) {
		l->job = swift_job_new(r->swift, NULL);
		l->job->state = l;
	}
	l->busy = true;
	r->busy++;
	look_at(l);
}

/* They are listed by time: what follows one that is not due is not either. */
static bool
take_note(struct swift_reaper *r, struct look *l)
{
	const char *name;
	int64_t due = 0;

	do {
		name = swift_page_name(r->notes, r->note++);
	} while (name && !read_note(l, name, &due));
	if (!name)
		return false;
	if (due > clock_wall_ms())
		r->all = true;
	return !r->all;
}

static void
notes_listed(struct swift_job *j, enum err err)
{
	struct swift_reaper *r = j->state;

	json_decref(r->notes);
	r->notes = err ? NULL : swift_page(j);
	r->note = 0;
	if (json_array_size(r->notes) < STORE_LIST_MAX)
		r->last = true;
	next_notes(r);
}

static void
list_notes(struct swift_reaper *r)
{
	size_t n = json_array_size(r->notes);
	const char *marker = n ? swift_page_name(r->notes, n - 1) : NULL;
	char *prefix = mem_printf("%sgarbage/", r->swift->prefix);

	swift_request_page(r->job, r->swift->segments, prefix, marker,
			   STORE_LIST_MAX);
	free(prefix);
	swift_send(r->job, notes_listed);
}

/* The page is done when the last look at one of its notes is. */
static void
next_notes(struct swift_reaper *r)
{
	struct look *l;

	while (!r->all && (l = idle_look(r))) {
		if (!take_note(r, l))
			break;
		begin_look(r, l);
	}
	if (r->busy)
		return;
	if (r->all || r->last)
		end_round(r);
	else
		list_notes(r);
}

static void
on_timer(void *arg)
{
	struct swift_reaper *r = arg;

	if (r->over)
		clear_round(r);
	else if (lock_round(r)) {
		r->job = swift_job_new(r->swift, NULL);
		r->job->state = r;
		list_notes(r);
		return;
	}
	loop_timer_set(r->timer, pause_ms(r));
}

struct swift_reaper *
swift_reaper_new(struct swift *s, const char *lock_path)
{
	struct swift_reaper *r = mem_alloc(sizeof(*r));

	r->swift = s;
	r->lock = -1;
	r->lock_path = mem_strdup(lock_path);
	clear_round(r);
	r->timer = loop_timer_new(s->store->env.loop, on_timer, r);
	loop_timer_set(r->timer, pause_ms(r));
	return r;
}

void
swift_reaper_free(struct swift_reaper *r)
{
	if (!r)
		return;
	clear_round(r);
	loop_timer_free(r->timer);
	free(r->lock_path);
	free(r);
}
