/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/xferlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define WAITING_MAX (1u << 20) /* bytes of lines not written yet */

struct xferlog {
	struct work work; /* first */
	struct work_pool *pool;
	char *path;
	struct buf lines;   /* the loop's */
	struct buf writing; /* the pool's, while a job is under way */
	bool busy;
	unsigned dropped;
	/* The job's own. */
	int fd;
	int reported; /* errno that was logged last */
};

/* One word in the place of a name: what would end it becomes '_'. */
static void
add_word(char *out, size_t size, const char *s)
{
	size_t n = strlen(out);

	for (; *s && n + 1 < size; s++)
		out[n++] = (unsigned char)*s <= ' ' || *s == 0x7f ? '_' : *s;
	out[n] = '\0';
}

void
xferlog_line(char *out, size_t size, const struct transfer_end *t, int64_t now)
{
	time_t when = (time_t)now;
	char date[32] = "";
	struct tm tm;

	localtime_r(&when, &tm);
	strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm);
	out[0] = '\0';
	str_printf(out, size, "%s %" PRIu64 " %s %" PRIu64 " ", date,
		   t->ms < 1000 ? 1 : t->ms / 1000, t->addr, t->bytes);
	add_word(out, size, t->path);
	str_printf(out + strlen(out), size - strlen(out), " b _ %c r ",
		   t->upload ? 'i' : 'o');
	add_word(out, size, t->user);
	str_printf(out + strlen(out), size - strlen(out), " %s 0 * %c\n",
		   t->protocol, t->outcome == TRANSFER_COMPLETE ? 'c' : 'i');
}

/* The file at the path, which may have been rotated since the last time. */
static bool
reopen(struct xferlog *x)
{
	struct stat at, mine;

	if (x->fd >= 0 && stat(x->path, &at) == 0 && fstat(x->fd, &mine) == 0 &&
	    at.st_dev == mine.st_dev && at.st_ino == mine.st_ino)
		return true;
	if (x->fd >= 0)
		close(x->fd);
	x->fd = open(x->path,
		     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
			     O_NONBLOCK,
		     0640);
	return x->fd >= 0;
}

static void
report(struct xferlog *x, int errnum)
{
	if (errnum != x->reported && errnum != 0)
		log_error("xferlog", NULL, "not_written", KV_S("file", x->path),
			  KV_ERRNO(errnum));
	if (errnum == 0 && x->reported != 0)
		log_info("xferlog", NULL, "works_again", KV_S("file", x->path));
	x->reported = errnum;
}

/* Whole lines in one write each time, so that those of workers do not mix. */
static void
write_lines(struct work *work)
{
	struct xferlog *x = (struct xferlog *)work;
	ssize_t n;

	if (!reopen(x)) {
		report(x, errno);
		return;
	}
	do
		n = write(x->fd, buf_data(&x->writing), buf_len(&x->writing));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		report(x, errno);
	else
		report(x, (size_t)n < buf_len(&x->writing) ? ENOSPC : 0);
}

static void written(struct work *work);

static void
begin(struct xferlog *x)
{
	struct buf empty = x->writing;

	x->writing = x->lines;
	x->lines = empty;
	x->busy = true;
	x->work.run = write_lines;
	x->work.done = written;
	work_submit(x->pool, &x->work);
}

static void
written(struct work *work)
{
	struct xferlog *x = (struct xferlog *)work;

	buf_clear(&x->writing);
	x->busy = false;
	if (x->dropped)
		log_warn("xferlog", NULL, "lines_dropped",
			 KV_U("lines", x->dropped));
	x->dropped = 0;
	if (buf_len(&x->lines) > 0)
		begin(x);
}

void
xferlog_add(struct xferlog *x, const struct transfer_end *t)
{
	char line[XFERLOG_LINE_MAX];

	xferlog_line(line, sizeof(line), t, clock_wall_ms() / 1000);
	if (buf_len(&x->lines) + strlen(line) > WAITING_MAX) {
		x->dropped++;
		return;
	}
	buf_add_text(&x->lines, line);
	if (!x->busy)
		begin(x);
}

struct xferlog *
xferlog_new(struct work_pool *pool, const char *path)
{
	struct xferlog *x = mem_alloc(sizeof(*x));

	x->pool = pool;
	x->path = mem_strdup(path);
	x->fd = -1;
	buf_init(&x->lines, WAITING_MAX);
	buf_init(&x->writing, WAITING_MAX);
	return x;
}

void
xferlog_free(struct xferlog *x)
{
	if (!x)
		return;
	if (!x->busy && buf_len(&x->lines) > 0) {
		struct buf empty = x->writing;

		x->writing = x->lines;
		x->lines = empty;
		write_lines(&x->work);
	}
	if (x->fd >= 0)
		close(x->fd);
	buf_free(&x->lines);
	buf_free(&x->writing);
	free(x->path);
	free(x);
}
