/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PART "master"
#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 5000
#define SETTLED_MS 10000    /* a child that lived this long starts afresh */
#define START_MS 60000	    /* for a child to become ready */
#define ABORT_GRACE_MS 5000 /* from SIGABRT or CHILD_PARK to SIGKILL */
#define TICK_MS 1000
#define ORPHAN_S 20 /* a child outlives its master by at most this */

struct children {
	struct ledger *ledger;
	children_run_fn *run;
	children_death_fn *death;
	void *arg;
	struct child list[CHILDREN_MAX];
};

struct children *
children_new(struct ledger *ledger, children_run_fn *run,
	     children_death_fn *death, void *arg)
{
	struct children *cs = mem_alloc(sizeof(*cs));

	cs->ledger = ledger;
	cs->run = run;
	cs->death = death;
	cs->arg = arg;
	return cs;
}

static const char *
kind_name(const struct child *c)
{
	return c->kind == CHILD_WORKER ? "worker" : "courier";
}

static void
child_forget(struct child *c)
{
	if (c->fd >= 0)
		close(c->fd);
	settings_unref(c->settings);
	memset(c, 0, sizeof(*c));
}

void
children_free(struct children *cs)
{
	size_t i;

	if (!cs)
		return;
	for (i = 0; i < CHILDREN_MAX; i++) {
		if (cs->list[i].used)
			child_forget(&cs->list[i]);
	}
	free(cs);
}

void
children_abandon(struct children *cs, const struct child *but)
{
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &cs->list[i];

		if (c->used && c != but && c->fd >= 0) {
			close(c->fd);
			c->fd = -1;
		}
	}
}

/* A slot that no process in the table has; they enter it only later. */
static int
slot_find(const struct children *cs)
{
	bool taken[LEDGER_WORKERS] = { false };
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		if (cs->list[i].used && cs->list[i].slot >= 0)
			taken[cs->list[i].slot] = true;
	}
	for (i = 0; i < LEDGER_WORKERS; i++) {
		if (!taken[i])
			return (int)i;
	}
	return -1;
}

/* For a child whose loop is stuck when its master dies. */
static void
on_master_death(int sig)
{
	(void)sig;
	alarm(ORPHAN_S);
}

/*
 * A signal to the whole process group or from a terminal is the master's to
 * interpret: children take its orders through their socket.
 */
void
children_signals_reset(void)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE,
				       SIGXFSZ };
	sigset_t none;
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGUSR1, on_master_death);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
child_main(struct children *cs, struct child *c, int fd, pid_t master)
{
	children_signals_reset();
	prctl(PR_SET_NAME,
	      c->kind == CHILD_WORKER ? "sluiced-work" : "sluiced-cour");
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (getppid() != master)
		exit(1);
	close(c->fd);
	c->fd = -1;
	exit(cs->run(cs->arg, c, fd));
}

static enum err
child_fork(struct children *cs, struct child *c)
{
	pid_t master = getpid();
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       fds) != 0) {
		log_error(PART, NULL, "socketpair", KV_ERRNO(errno));
		return ERR_IO;
	}
	c->fd = fds[0];
	c->started = c->beat = clock_ms();
	c->ready = false;
	c->restart_at = c->kill_at = c->harder_at = 0;
	c->pid = fork();
	if (c->pid == 0)
		child_main(cs, c, fds[1], master);
	close(fds[1]);
	if (c->pid > 0) {
		log_debug(PART, NULL, "start", KV_S("kind", kind_name(c)),
			  KV_I("child", c->pid), KV_I("slot", c->slot));
		return ERR_OK;
	}
	log_error(PART, NULL, "fork", KV_ERRNO(errno));
	close(c->fd);
	c->fd = -1;
	c->pid = 0;
	return ERR_IO;
}

enum err
children_start(struct children *cs, enum child_kind kind, struct settings *s,
	       unsigned generation)
{
	int slot = kind == CHILD_WORKER ? slot_find(cs) : -1;
	struct child *c = NULL;
	enum err err;
	size_t i;

	for (i = 0; i < CHILDREN_MAX && !c; i++) {
		if (!cs->list[i].used)
			c = &cs->list[i];
	}
	if (!c || (kind == CHILD_WORKER && slot < 0))
		return ERR_TOO_LARGE;
	memset(c, 0, sizeof(*c));
	c->used = true;
	c->kind = kind;
	c->generation = generation;
	c->settings = settings_ref(s);
	c->slot = slot;
	err = child_fork(cs, c);
	if (err)
		child_forget(c);
	return err;
}

static void
log_death(const struct children *cs, const struct child *c, int status)
{
	struct ledger_worker w = { .pid = 0 };

	if (c->slot >= 0)
		ledger_worker(cs->ledger, c->slot, &w);
	log_error(PART, NULL, "died", KV_S("kind", kind_name(c)),
		  KV_I("child", c->pid), KV_I("slot", c->slot),
		  KV_I("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
		  KV_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
		  KV_S("serving", w.session), KV_S("user", w.user));
}

/* At once, then later each time while it dies soon after its start. */
static unsigned
restart_delay(unsigned deaths)
{
	unsigned ms = RESTART_MIN_MS;

	while (deaths-- > 0 && ms < RESTART_MAX_MS)
		ms *= 2;
	return ms < RESTART_MAX_MS ? ms : RESTART_MAX_MS;
}

static struct child *
by_pid(struct children *cs, pid_t pid)
{
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		if (cs->list[i].used && cs->list[i].pid == pid)
			return &cs->list[i];
	}
	return NULL;
}

bool
child_hopeless(const struct child *c)
{
	return !c->came_up && (!c->killed || c->deaths + 1 >= CHILD_DEATHS_MAX);
}

bool
children_reap(struct children *cs, pid_t pid, int status)
{
	struct child *c = by_pid(cs, pid);
	uint64_t now = clock_ms();

	if (!c)
		return false;
	if (!c->order || (status != 0 && !c->kill_at))
		log_death(cs, c, status);
	if (c->slot >= 0)
		ledger_wipe(cs->ledger, c->slot);
	c->killed = WIFSIGNALED(status);
	if (c->order || !cs->death(cs->arg, c)) {
		child_forget(c);
		return true;
	}
	close(c->fd);
	c->fd = -1;
	c->pid = 0;
	if (now - c->started > SETTLED_MS)
		c->deaths = 0;
	c->restart_at = now + restart_delay(c->deaths++);
	return true;
}

static const char *const order_names[] = { "stay", "retire", "drain", "park" };

/* A full socket means that the child is stuck; the time limits are for that. */
static void
child_tell(struct child *c, enum child_order order)
{
	char byte = (char)order;

	log_debug(PART, NULL, "order", KV_S("kind", kind_name(c)),
		  KV_I("child", c->pid), KV_S("order", order_names[order]));
	c->order = order;
	if (c->fd >= 0)
		send(c->fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (order == CHILD_PARK)
		c->kill_at = clock_ms() + ABORT_GRACE_MS;
}

static void
child_order(struct child *c, enum child_order order, uint64_t limit_ms)
{
	if (c->pid == 0) {
		child_forget(c);
		return;
	}
	if (c->order < order)
		child_tell(c, order);
	if (c->order < CHILD_PARK)
		c->harder_at = limit_ms ? clock_ms() + limit_ms : 0;
}

void
children_order(struct children *cs, enum child_kind kind,
	       unsigned before_generation, enum child_order order,
	       uint64_t limit_ms)
{
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &cs->list[i];

		if (c->used && c->kind == kind &&
		    c->generation < before_generation)
			child_order(c, order, limit_ms);
	}
}

/* Its time is over: a retiring child drains, a draining one parks. */
static void
child_harder(struct child *c)
{
	log_warn(PART, NULL, "hasten", KV_S("kind", kind_name(c)),
		 KV_I("child", c->pid));
	child_tell(c, c->order == CHILD_RETIRE ? CHILD_DRAIN : CHILD_PARK);
	c->harder_at = 0;
	if (c->order == CHILD_DRAIN)
		c->harder_at = clock_ms() + c->settings->drain_timeout_ms;
}

void
children_drop(struct children *cs, unsigned generation)
{
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &cs->list[i];

		if (!c->used || c->generation != generation)
			continue;
		if (c->pid == 0) {
			child_forget(c);
			continue;
		}
		c->order = CHILD_PARK;
		c->kill_at = clock_ms() + ABORT_GRACE_MS;
		kill(c->pid, SIGKILL);
	}
}

/* Charges a stall to whose session was being served when it began. */
static void
child_abort(struct children *cs, struct child *c, uint64_t age)
{
	struct ledger_worker w = { .pid = 0 };

	if (c->slot >= 0)
		ledger_worker(cs->ledger, c->slot, &w);
	log_error(PART, NULL, "stalled", KV_S("kind", kind_name(c)),
		  KV_I("child", c->pid), KV_U("age_ms", age),
		  KV_S("serving", w.session), KV_S("user", w.user));
	kill(c->pid, SIGABRT);
	c->kill_at = clock_ms() + ABORT_GRACE_MS;
}

static uint64_t
beat_age(const struct children *cs, const struct child *c, uint64_t now)
{
	uint64_t age;

	if (!c->ready || c->slot < 0)
		return now - c->beat;
	age = ledger_beat_age_ms(cs->ledger, c->slot);
	/* A beat cannot be older than the process. */
	return age < now - c->started ? age : now - c->started;
}

static void
child_tick(struct children *cs, struct child *c, uint64_t now)
{
	uint64_t limit = c->ready ? c->settings->stall_timeout_ms : START_MS;
	uint64_t age;

	if (c->pid == 0) {
		if (c->restart_at && now >= c->restart_at &&
		    child_fork(cs, c) != ERR_OK)
			c->restart_at = now + RESTART_MAX_MS;
		return;
	}
	if (c->kill_at && now >= c->kill_at) {
		kill(c->pid, SIGKILL);
		c->kill_at = now + ABORT_GRACE_MS;
	} else if (c->harder_at && now >= c->harder_at) {
		child_harder(c);
	} else if (!c->kill_at) {
		age = beat_age(cs, c, now);
		if (age > limit)
			child_abort(cs, c, age);
	}
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

unsigned
children_tick(struct children *cs)
{
	uint64_t now = clock_ms();
	uint64_t next = now + TICK_MS;
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &cs->list[i];

		if (!c->used)
			continue;
		child_tick(cs, c, now);
		next = earlier(next, c->restart_at);
		next = earlier(next, c->harder_at);
		next = earlier(next, c->kill_at);
	}
	return next > now ? (unsigned)(next - now) : 0;
}

size_t
children_poll_fill(const struct children *cs, struct pollfd *fds)
{
	size_t i, n = 0;

	for (i = 0; i < CHILDREN_MAX; i++) {
		if (!cs->list[i].used || cs->list[i].fd < 0)
			continue;
		fds[n].fd = cs->list[i].fd;
		fds[n].events = POLLIN;
		fds[n++].revents = 0;
	}
	return n;
}

/* The end of the stream is the child's death, which SIGCHLD tells as well. */
static void
child_read(struct child *c)
{
	char bytes[16];
	ssize_t n = read(c->fd, bytes, sizeof(bytes));

	if (n == 0) {
		close(c->fd);
		c->fd = -1;
	} else if (n > 0) {
		c->beat = clock_ms();
		if (memchr(bytes, CHILD_READY, (size_t)n))
			c->ready = c->came_up = true;
	}
}

void
children_poll_done(struct children *cs, const struct pollfd *fds, size_t n)
{
	size_t i, k;

	for (k = 0; k < n; k++) {
		if (!fds[k].revents)
			continue;
		for (i = 0; i < CHILDREN_MAX; i++) {
			if (cs->list[i].used && cs->list[i].fd == fds[k].fd)
				child_read(&cs->list[i]);
		}
	}
}

size_t
children_count(const struct children *cs, enum child_kind kind)
{
	size_t i, n = 0;

	for (i = 0; i < CHILDREN_MAX; i++)
		n += cs->list[i].used && cs->list[i].kind == kind;
	return n;
}

size_t
children_ready(const struct children *cs, enum child_kind kind,
	       unsigned generation)
{
	size_t i, n = 0;

	for (i = 0; i < CHILDREN_MAX; i++) {
		const struct child *c = &cs->list[i];

		n += c->used && c->ready && c->kind == kind &&
		     c->generation == generation;
	}
	return n;
}

const struct child *
children_next(const struct children *cs, size_t *i)
{
	for (; *i < CHILDREN_MAX; (*i)++) {
		if (cs->list[*i].used)
			return &cs->list[(*i)++];
	}
	return NULL;
}
