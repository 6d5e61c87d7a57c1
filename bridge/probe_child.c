/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "bridge/probe_private.h"
#include "lib/mem.h"

#define READ_SIZE 65536
#define REAP_FIRST_MS 1 /* between looks whether it is dead, doubled */
#define REAP_LAST_MS 64

struct probe_child {
	struct probe_child *prev, *next;
	struct prober *prober;
	pid_t pid;
	int fd; /* -1: the line is closed */
	struct event *readable, *writable;
	struct loop_timer *reaper;
	unsigned reap_ms;
	struct buf in, out;
	probe_frame_fn *frame;
	probe_ended_fn *ended;
	void *arg; /* of both */
	bool mute; /* nobody listens any more */
};

static void
child_free(struct probe_child *c)
{
	struct prober *p = c->prober;

	DL_DELETE(p->children, c);
	p->running--;
	prober_kick(p);
	loop_timer_free(c->reaper);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

static void
reason_write(int status, char *reason)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig == SIGXCPU)
		snprintf(reason, PROBE_REASON_MAX,
			 "it took more CPU time than allowed");
	else if (sig == SIGSYS)
		snprintf(reason, PROBE_REASON_MAX,
			 "the probe did what it may not");
	else if (sig)
		snprintf(reason, PROBE_REASON_MAX, "the probe crashed (%s)",
			 strsignal(sig));
	else
		snprintf(reason, PROBE_REASON_MAX,
			 "the probe ended with exit code %d",
			 WEXITSTATUS(status));
}

/* Its descriptors are closed: what it died of is settled, not yet reported. */
static void
reap(void *arg)
{
	struct probe_child *c = arg;
	char reason[PROBE_REASON_MAX + 1] = "";
	probe_ended_fn *ended = c->ended;
	bool mute = c->mute;
	int status = -1;
	pid_t pid = waitpid(c->pid, &status, WNOHANG);

	arg = c->arg;
	if (pid == 0 || (pid < 0 && errno == EINTR)) {
		loop_timer_set(c->reaper, c->reap_ms);
		if (c->reap_ms < REAP_LAST_MS)
			c->reap_ms *= 2;
		return;
	}
	if (pid < 0)
		str_copy(reason, sizeof(reason), "the probe's end was missed");
	else if (status != 0)
		reason_write(status, reason);
	child_free(c);
	if (!mute)
		ended(arg, reason);
}

static void
hang_up(struct probe_child *c)
{
	if (c->fd < 0)
		return;
	event_free(c->readable);
	event_free(c->writable);
	close(c->fd);
	c->fd = -1;
	kill(c->pid, SIGKILL);
	c->reap_ms = REAP_FIRST_MS;
	loop_timer_set(c->reaper, c->reap_ms);
}

void
probe_child_kill(struct probe_child *c)
{
	if (!c)
		return;
	c->mute = true;
	hang_up(c);
}

static void
garbage(struct probe_child *c)
{
	probe_ended_fn *ended = c->ended;
	void *arg = c->arg;

	probe_child_kill(c);
	ended(arg, "the probe sent no message of ours");
}

/* One frame for each turn at most: its listener may give the child up. */
static void
frames(struct probe_child *c)
{
	struct probe_frame f;
	enum err err;

	while (!c->mute && (err = probe_wire_peek(&c->in, &f)) != ERR_AGAIN) {
		if (err) {
			garbage(c);
			return;
		}
		c->frame(c->arg, &f);
		buf_consume(&c->in, PROBE_WIRE_HEADER + f.len);
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct probe_child *c = arg;
	void *room = buf_reserve(&c->in, READ_SIZE);
	ssize_t n;

	(void)what;
	if (!room) {
		garbage(c);
		return;
	}
	n = read(fd, room, READ_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(c);
		return;
	}
	buf_commit(&c->in, (size_t)n);
	frames(c);
}

void
probe_child_flush(struct probe_child *c)
{
	ssize_t n = 1;

	if (c->fd < 0)
		return;
	while (n > 0 && buf_len(&c->out) > 0) {
		n = send(c->fd, buf_data(&c->out), buf_len(&c->out),
			 MSG_NOSIGNAL);
		if (n > 0)
			buf_consume(&c->out, (size_t)n);
	}
	/* Its end, if it is that, shows when we read. */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		event_add(c->writable, NULL);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	probe_child_flush(arg);
}

struct buf *
probe_child_out(struct probe_child *c)
{
	return &c->out;
}

/* No environment, no signals of ours, and nothing but its socket. */
static int
spawn(const char *program, int fd, pid_t *pid)
{
	char name[] = "sluice-probe", *const argv[] = { name, NULL };
	char *const envp[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, fd, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null",
					 O_WRONLY, 0);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	err = posix_spawn(pid, program, &files, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

static struct probe_child *
child_new(struct prober *p, pid_t pid, int fd)
{
	struct probe_child *c = mem_alloc(sizeof(*c));
	struct event_base *base = loop_base(p->loop);

	c->prober = p;
	c->pid = pid;
	c->fd = fd;
	buf_init(&c->in, PROBE_WIRE_MAX + READ_SIZE);
	buf_init(&c->out, 2 * PROBE_WIRE_MAX);
	c->reaper = loop_timer_new(p->loop, reap, c);
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
	event_add(c->readable, NULL);
	DL_APPEND(p->children, c);
	p->running++;
	return c;
}

struct probe_child *
probe_child_start(struct prober *p, probe_frame_fn *frame,
		  probe_ended_fn *ended, void *arg)
{
	struct probe_child *c;
	int fds[2], err;
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return NULL;
	err = spawn(p->cfg->program, fds[1], &pid);
	close(fds[1]);
	if (err) {
		close(fds[0]);
		errno = err;
		return NULL;
	}
	evutil_make_socket_nonblocking(fds[0]);
	c = child_new(p, pid, fds[0]);
	c->frame = frame;
	c->ended = ended;
	c->arg = arg;
	return c;
}

/* All were killed; none can keep us waiting for long. */
void
probe_children_free(struct prober *p)
{
	struct probe_child *c, *next;

	DL_FOREACH_SAFE (p->children, c, next) {
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
		child_free(c);
	}
}
