/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/master.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/courier.h"
#include "daemon/filecheck.h"
#include "daemon/master_private.h"
#include "daemon/notify.h"
#include "daemon/worker.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PART "master"
#define LOCK_WAIT_MS 5000 /* for the workers of a master that was killed */
#define LOCK_STEP_MS 100
/* signalfd, control, children, store check */
#define FDS_MAX (1 + CONTROL_CLIENTS + 1 + CHILDREN_MAX + 1)

static const char *const state_names[] = { "starting", "running", "reloading",
					   "draining", "stopping" };

void
master_enter(struct master *m, enum master_state state)
{
	if (m->state == state)
		return;
	log_debug(PART, NULL, "state", KV_S("from", state_names[m->state]),
		  KV_S("to", state_names[state]));
	m->state = state;
	notify_status(state_names[state]);
}

static enum err
lock_open(struct master *m, const char *path, int *fd)
{
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return err_from_errno(errno);
	if (m->privileges.change &&
	    fchown(*fd, m->privileges.uid, m->privileges.gid) != 0)
		return err_from_errno(errno);
	return ERR_OK;
}

/*
 * One daemon a folder. Children inherit the lock, so that a master that is
 * started again waits for those of a killed one.
 */
static enum err
folder_lock(struct master *m, const char *dir, const char *event, int *fd)
{
	char *path = mem_printf("%s/daemon.lock", dir);
	uint64_t end = clock_ms() + LOCK_WAIT_MS;
	struct timespec step = { 0, LOCK_STEP_MS * 1000000L };
	int rc = -1;

	if (lock_open(m, path, fd) == ERR_OK) {
		while ((rc = flock(*fd, LOCK_EX | LOCK_NB)) != 0 &&
		       errno == EWOULDBLOCK && clock_ms() < end)
			nanosleep(&step, NULL);
	}
	if (rc != 0)
		log_error(PART, NULL, event, KV_S("path", path),
			  KV_S("why", errno == EWOULDBLOCK
					      ? "another sluiced uses this "
						"folder; give each its own "
						"spool_dir and state_dir"
					      : log_errno(errno)));
	free(path);
	return rc == 0 ? ERR_OK : ERR_IN_USE;
}

static bool
same_folder(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/*
 * Uploads of two daemons with one spool would be safe, but quotas, pins and
 * sockets are not shared. With one journal and two spools, each would take the
 * other's uploads for lost ones.
 */
static enum err
folders_lock(struct master *m, const struct bridge_config *b)
{
	enum err err;

	err = folder_lock(m, b->spool_dir, "spool_lock", &m->spool_lock);
	if (err || same_folder(b->spool_dir, b->state_dir))
		return err;
	return folder_lock(m, b->state_dir, "state_lock", &m->state_lock);
}

static enum err
folders_make(struct master *m, const struct bridge_config *b)
{
	const char *paths[] = { b->state_dir, b->spool_dir, b->run_dir };
	enum err err = ERR_OK;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]) && !err; i++)
		err = privileges_folder(&m->privileges, paths[i]);
	return err;
}

static void
on_complaint(void *arg, const char *text)
{
	(void)arg;
	log_error(PART, NULL, "config", KV_S("complaint", text));
}

static enum err
folders_suit(const struct settings *s)
{
	return filecheck_folders(s, on_complaint, NULL) == 0 ? ERR_OK
							     : ERR_UNSUPPORTED;
}

/* Secrets are in memory, so no core files unless asked for. */
static void
limits_set(const struct settings *s)
{
	struct rlimit core = { 0, 0 };
	struct rlimit files;

	if (!s->core_dumps)
		setrlimit(RLIMIT_CORE, &core);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static enum err
signals_open(struct master *m)
{
	static const int set[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	sigset_t mask;
	size_t i;

	sigemptyset(&mask);
	for (i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		sigaddset(&mask, set[i]);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) == 0)
		m->signal_fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m->signal_fd >= 0)
		return ERR_OK;
	log_error(PART, NULL, "signalfd", KV_ERRNO(errno));
	return ERR_IO;
}

static enum err
pid_file_write(const struct settings *s)
{
	FILE *f;

	if (!s->pid_file)
		return ERR_OK;
	f = fopen(s->pid_file, "we");
	if (f) {
		fprintf(f, "%ld\n", (long)getpid());
		if (fclose(f) == 0)
			return ERR_OK;
	}
	log_error(PART, NULL, "pid_file", KV_S("path", s->pid_file),
		  KV_ERRNO(errno));
	return ERR_IO;
}

static void
master_stop(struct master *m, enum master_state how)
{
	const struct settings *s = m->now.settings;
	bool again = m->stop_asked && how == MASTER_STOPPING;
	uint64_t limit = 0;
	int code = m->code;

	m->stop_asked |= how == MASTER_STOPPING;
	log_info(PART, NULL, again ? "stop_now" : state_names[how]);
	notify_stopping();
	master_enter(m, how);
	bringup_fail(m, ERR_CANCELED, "the daemon is stopping");
	m->code = code;
	master_enter(m, how);
	if (s && how == MASTER_STOPPING)
		limit = s->drain_timeout_ms;
	children_order(m->children, CHILD_WORKER, UINT_MAX,
		       again || (how == MASTER_STOPPING && !limit)
			       ? CHILD_PARK
			       : CHILD_DRAIN,
		       limit);
	serving_unlisten(&m->now);
}

static void
on_request(void *arg, const char *line, struct ctlsocket_client *client)
{
	struct master *m = arg;
	char *text;

	log_debug(PART, NULL, "control", KV_S("line", line));
	if (strcmp(line, "status") == 0) {
		text = master_status(m);
		ctlsocket_answer(client, text ? ERR_OK : ERR_IO, text);
		free(text);
	} else if (strcmp(line, "reload") == 0) {
		master_reload(m, client);
	} else if (strcmp(line, "drain") == 0) {
		ctlsocket_answer(client, ERR_OK, NULL);
		if (m->state < MASTER_DRAINING)
			master_stop(m, MASTER_DRAINING);
	} else if (strcmp(line, "stop") == 0) {
		ctlsocket_answer(client, ERR_OK, NULL);
		master_stop(m, MASTER_STOPPING);
	} else {
		ctlsocket_answer(client, ERR_INVALID,
				 "expected status, reload, drain or stop");
	}
}

/* Called in the child: keeps what its kind needs, and nothing else. */
static int
child_run(void *arg, const struct child *c, int fd)
{
	struct master *m = arg;
	struct serving *with =
		m->up.next.generation == c->generation ? &m->up.next : &m->now;
	struct worker_env env = {
		.settings = c->settings,
		.ledger = m->ledger,
		.slot = c->slot,
		.fd = fd,
		.listeners = with->listeners,
		.nlisteners = with->nlisteners,
		.stores = with->stores,
		.nstores = with->nstores,
	};
	struct serving none = { .settings = NULL };

	close(m->signal_fd);
	ctlsocket_abandon(m->control);
	children_abandon(m->children, c);
	if (c->kind == CHILD_COURIER) {
		serving_close(&m->up.next, &m->now);
		serving_close(&m->now, &none);
		return courier_run(c->settings, fd);
	}
	if (with == &m->up.next)
		serving_close(&m->now, &m->up.next);
	else
		serving_close(&m->up.next, &m->now);
	return worker_run(&env);
}

/*
 * A child of a generation that comes up ends the bring-up only if another try
 * would end like this one.
 */
static bool
on_death(void *arg, const struct child *c)
{
	struct master *m = arg;

	if (m->up.step != BRINGUP_NONE &&
	    c->generation == m->up.next.generation && child_hopeless(c)) {
		bringup_fail(m, ERR_IO,
			     c->kind == CHILD_WORKER
				     ? "a worker did not come up (see the log)"
				     : "the journal cannot be opened (see the "
				       "log)");
		return false;
	}
	return m->state < MASTER_DRAINING ||
	       (m->state == MASTER_DRAINING && c->kind == CHILD_COURIER);
}

static void
on_signal(struct master *m)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(m->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGCHLD:
			while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
				children_reap(m->children, pid, status);
			break;
		case SIGHUP:
			master_reload(m, NULL);
			break;
		default:
			master_stop(m, MASTER_STOPPING);
		}
	}
}

/* The courier goes last: it checkpoints what the workers wrote. */
static bool
finished(struct master *m)
{
	if (m->state < MASTER_DRAINING ||
	    children_count(m->children, CHILD_WORKER) > 0)
		return false;
	if (children_count(m->children, CHILD_COURIER) == 0)
		return true;
	children_order(m->children, CHILD_COURIER, UINT_MAX, CHILD_DRAIN,
		       COURIER_END_MS);
	return children_count(m->children, CHILD_COURIER) == 0;
}

static void
watchdog(struct master *m)
{
	uint64_t now = clock_ms();

	if (!m->watchdog_ms || now < m->watchdog_at)
		return;
	m->watchdog_at = now + m->watchdog_ms;
	notify_watchdog();
}

static void
turn(struct master *m, unsigned wait_ms)
{
	struct pollfd fds[FDS_MAX];
	size_t control, children, n = 1;

	fds[0] = (struct pollfd){ .fd = m->signal_fd, .events = POLLIN };
	control = ctlsocket_poll_fill(m->control, fds + n);
	n += control;
	children = children_poll_fill(m->children, fds + n);
	n += children;
	if (m->up.step == BRINGUP_STORES) {
		fds[n++] = (struct pollfd){ .fd = m->up.check.fd,
					    .events = POLLIN };
	}
	if (poll(fds, n, (int)wait_ms) < 0 && errno != EINTR) {
		log_error(PART, NULL, "poll", KV_ERRNO(errno));
		return;
	}
	children_poll_done(m->children, fds + 1 + control, children);
	if (fds[0].revents)
		on_signal(m);
	bringup_tick(m);
	ctlsocket_poll_done(m->control, fds + 1, control);
}

static void
master_loop(struct master *m)
{
	unsigned wait_ms;

	while (!finished(m)) {
		wait_ms = children_tick(m->children);
		if (m->watchdog_ms && m->watchdog_ms < wait_ms)
			wait_ms = (unsigned)m->watchdog_ms;
		watchdog(m);
		turn(m, wait_ms);
	}
}

static enum err
master_open(struct master *m, struct settings *s)
{
	enum err err;

	err = privileges_resolve(&m->privileges, s->user, s->group);
	if (!err)
		err = folders_make(m, &s->bridge);
	if (!err)
		err = folders_suit(s);
	if (!err)
		err = folders_lock(m, &s->bridge);
	if (!err)
		err = master_secrets(s, SECRETS_FOUND);
	if (!err)
		err = serving_open(&m->up.next, m, s);
	if (err)
		return err;
	limits_set(s);
	err = privileges_drop(&m->privileges);
	umask(077);
	if (!err)
		err = master_secrets(s, SECRETS_MADE);
	if (!err)
		err = pid_file_write(s);
	if (!err)
		err = signals_open(m);
	if (!err)
		err = ctlsocket_open(&m->control, s->bridge.run_dir,
				     m->privileges.uid, on_request, m);
	return err;
}

static void
master_close(struct master *m, const struct settings *s)
{
	if (m->children && s->pid_file)
		unlink(s->pid_file);
	ctlsocket_close(m->control);
	children_free(m->children);
	serving_close(&m->up.next, NULL);
	serving_close(&m->now, NULL);
	ledger_free(m->ledger);
	if (m->signal_fd >= 0)
		close(m->signal_fd);
	if (m->spool_lock >= 0)
		close(m->spool_lock);
	if (m->state_lock >= 0)
		close(m->state_lock);
	privileges_free(&m->privileges);
}

int
master_run(struct settings *s)
{
	struct master m = {
		.signal_fd = -1,
		.spool_lock = -1,
		.state_lock = -1,
		.started = clock_ms(),
		.started_wall = clock_wall_ms(),
		.watchdog_ms = notify_watchdog_ms(),
	};

	if (master_open(&m, s) != ERR_OK) {
		m.code = 1;
	} else {
		m.ledger = ledger_new(&s->limits);
		m.children = children_new(m.ledger, child_run, on_death, &m);
		bringup_start(&m, NULL);
		master_loop(&m);
		log_info(PART, NULL, "end");
	}
	master_close(&m, s);
	return m.code;
}
