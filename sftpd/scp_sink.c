/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `scp -t`: files come in. T, C, D and E lines, each answered by a zero byte or
 * by a line that says why not; the bytes of a file behind its C line, and a zero
 * byte behind them if the other side could read it all. The size in the C line
 * is a declared one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sftpd/conn.h"
#include "sftpd/handle.h"
#include "sftpd/scp_private.h"

static void
target_seen(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;

	if (!scp_end(r))
		return;
	s->into = s->base_into = err == ERR_OK && st->is_dir;
	if (err != ERR_OK && err != ERR_NOT_FOUND) {
		scp_err(s, s->target, err, why);
		s->state = SCP_OVER;
	} else if (s->cmd.directory && !s->into) {
		scp_error(s, s->target, "Not a directory");
		s->state = SCP_OVER;
	} else {
		scp_good(s);
	}
}

static void
start_target(struct req *r)
{
	vfs_stat(r->ch->c->session, r->path, target_seen, r);
}

/* clang-format off */
static const struct op op_target = {
	SFTP_STAT, "scp", 0, 0, NULL, start_target
};
/* clang-format on */

void
sink_start(struct scp *s)
{
	s->ch->uploads = true;
	s->target = scp_join("/", s->cmd.paths[0].text);
	if (s->target == NULL) {
		s->target = mem_strdup("");
		scp_error(s, s->cmd.paths[0].text,
			  "this name is not allowed here");
		s->state = SCP_OVER;
		return;
	}
	s->base = mem_strdup(s->target);
	scp_ask(s, &op_target, NULL, s->target);
}

/* Where a name goes; NULL, and the other side was told why. */
static char *
place(struct scp *s, const char *name)
{
	char *path;

	if (name[0] == '\0' || strchr(name, '/') != NULL ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		scp_error(s, name, "unexpected filename");
		return NULL;
	}
	path = s->into ? scp_join(s->target, name) : mem_strdup(s->target);
	if (path == NULL)
		scp_error(s, name, "this name is not allowed here");
	return path;
}

/* "0644 1234 name": the mode is not kept. NULL: that is not what it says. */
static const char *
parse_entry(const char *line, uint64_t *size)
{
	char *end;

	if (strspn(line, "01234567") != 4 || line[4] != ' ' || line[5] < '0' ||
	    line[5] > '9')
		return NULL;
	errno = 0;
	*size = strtoull(line + 5, &end, 10);
	if (errno != 0 || *end != ' ' || *size > INT64_MAX)
		return NULL;
	return end + 1;
}

static void
opened(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;
	struct handle *h = r->h;
	char *path = r->path;

	r->path = NULL;
	if (err == ERR_OK)
		h->file = f;
	if (!scp_opened(r, err)) {
		free(path);
		return;
	}
	if (err != ERR_OK) {
		scp_err(s, path, err, why);
	} else {
		s->h = h;
		s->failed = ERR_OK;
		s->state = s->left > 0 ? SCP_DATA : SCP_TAIL;
		scp_good(s);
	}
	s->timed = false;
	free(path);
}

static void
start_open(struct req *r)
{
	const struct scp *s = r->ch->scp;
	struct vfs_open o = { .path = r->path,
			      .flags = VFS_WRITE | VFS_CREAT | VFS_TRUNC,
			      .events = &handle_events };

	if (r->ch->ended) {
		scp_end(r);
		return;
	}
	o.attrs.set = VFS_SET_SIZE | (s->timed ? VFS_SET_MTIME : 0);
	o.attrs.size = s->left;
	o.attrs.mtime = s->mtime;
	r->h = handle_new(r->ch, r->path);
	if (r->h == NULL) {
		opened(r, ERR_TOO_LARGE, "too many open files", NULL);
		return;
	}
	r->h->flags = o.flags;
	o.events_arg = r->h;
	vfs_open(r->ch->c->session, &o, opened, r);
}

/* clang-format off */
static const struct op op_open = {
	SFTP_OPEN, "scp", 0, OP_CHANGES, NULL, start_open
};
/* clang-format on */

static void
on_file(struct scp *s, const char *line)
{
	uint64_t size = 0;
	const char *name = parse_entry(line, &size);
	char *path;

	if (name == NULL) {
		scp_fatal(s, "protocol error: expected C<mode> <size> <name>");
		return;
	}
	path = place(s, name);
	if (path == NULL)
		return;
	s->left = size;
	scp_ask(s, &op_open, NULL, path);
	free(path);
}

static void
enter(struct scp *s, char *path)
{
	free(s->target);
	s->target = path;
	s->into = true;
	s->depth++;
	s->timed = false;
	scp_good(s);
}

static void
made(void *arg, enum err err, const char *why)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;
	char *path = r->path;

	r->path = NULL;
	if (!scp_end(r)) {
		free(path);
	} else if (err == ERR_OK || err == ERR_EXISTS) {
		enter(s, path);
	} else {
		scp_err(s, path, err, why);
		free(path);
	}
}

static void
start_mkdir(struct req *r)
{
	vfs_mkdir(r->ch->c->session, r->path, made, r);
}

/* clang-format off */
static const struct op op_mkdir = {
	SFTP_MKDIR, "scp", 0, OP_CHANGES, NULL, start_mkdir
};
/* clang-format on */

/* An error here makes the other side leave the whole folder out. */
static void
on_folder(struct scp *s, const char *line)
{
	uint64_t size = 0;
	const char *name = parse_entry(line, &size);
	char *path;

	if (name == NULL || !s->cmd.recursive) {
		scp_fatal(s, name == NULL ? "protocol error: expected "
					    "D<mode> 0 <name>"
					  : "received directory without -r");
		return;
	}
	if (s->depth == SCP_DEPTH_MAX) {
		scp_error(s, name, "too many folders in folders");
		return;
	}
	path = place(s, name);
	if (path == NULL)
		return;
	scp_ask(s, &op_mkdir, NULL, path);
	free(path);
}

static void
on_folder_end(struct scp *s)
{
	char *up;

	if (s->depth == 0) {
		scp_fatal(s, "protocol error: E without D");
		return;
	}
	s->depth--;
	up = s->depth > 0 ? scp_join(s->target, "..") : mem_strdup(s->base);
	s->into = s->depth > 0 || s->base_into;
	free(s->target);
	s->target = up;
	scp_good(s);
}

/* "1234567890 0 1234567890 0": only the first counts. */
static void
on_times(struct scp *s, const char *line)
{
	char *end;

	errno = 0;
	s->mtime = strtoll(line, &end, 10);
	if (errno != 0 || end == line || *end != ' ' || s->mtime < 0) {
		scp_fatal(s, "protocol error: expected T<mtime> 0 <atime> 0");
		return;
	}
	s->timed = true;
	scp_good(s);
}

static void
on_line(struct scp *s)
{
	const char *line = buf_cstr(&s->line);

	if (memchr(line, '\0', buf_len(&s->line)) != NULL) {
		scp_fatal(s, "protocol error: a zero byte in a line");
		return;
	}
	switch (line[0]) {
	case 'C':
		on_file(s, line + 1);
		break;
	case 'D':
		on_folder(s, line + 1);
		break;
	case 'E':
		on_folder_end(s);
		break;
	case 'T':
		on_times(s, line + 1);
		break;
	case 1: /* the other side cannot send something, and goes on */
		s->errors++;
		break;
	case 2:
		s->errors++;
		s->state = SCP_OVER;
		break;
	default:
		scp_fatal(s, "protocol error: expected control record");
	}
}

static size_t
take_line(struct scp *s, const uint8_t *data, size_t len)
{
	const uint8_t *end = memchr(data, '\n', len);
	const size_t n = end == NULL ? len : (size_t)(end - data);

	buf_add(&s->line, data, n);
	if (s->line.failed) {
		scp_fatal(s, "protocol error: a line is too long");
		return len;
	}
	if (end == NULL)
		return len;
	on_line(s);
	buf_clear(&s->line);
	return n + 1;
}

static size_t
take_data(struct scp *s, const uint8_t *data, size_t len)
{
	const size_t n = len < s->left ? len : (size_t)s->left;
	const char *why = "";

	if (s->failed == ERR_OK) {
		s->failed = vfs_file_write(s->h->file, s->h->written, data, n,
					   &why);
		str_copy(s->why, sizeof(s->why), why);
	}
	s->h->written += n;
	s->left -= n;
	if (s->left == 0)
		s->state = SCP_TAIL;
	return n;
}

static void
file_closed(struct scp *s, enum err err, const char *why)
{
	if (s->failed != ERR_OK) {
		err = s->failed;
		why = s->why;
	}
	if (err == ERR_OK)
		scp_good(s);
	else
		scp_err(s, s->closing, err, why);
	free(s->closing);
	s->closing = NULL;
}

/* The other side could not read it all: what came has no worth. */
static void
file_broken(struct scp *s, enum err err, const char *why)
{
	(void)err;
	(void)why;
	scp_error(s, s->closing, "the sender could not read it");
	free(s->closing);
	s->closing = NULL;
}

static void
take_tail(struct scp *s, uint8_t c)
{
	const bool good = c == 0 && s->failed == ERR_OK;

	free(s->closing);
	s->closing = mem_strdup(s->h->path);
	s->state = SCP_LINE;
	if (c != 0) {
		/* A line with the reason follows: it is read as any other. */
		buf_add_u8(&s->line, c);
		s->errors++;
	}
	scp_close(s, good ? VFS_COMPLETE : VFS_BROKEN,
		  c == 0 ? file_closed : file_broken);
}

size_t
sink_input(struct scp *s, const uint8_t *data, size_t len)
{
	size_t n = 0;

	while (n < len && !s->busy) {
		switch (s->state) {
		case SCP_LINE:
			n += take_line(s, data + n, len - n);
			break;
		case SCP_DATA:
			n += take_data(s, data + n, len - n);
			break;
		case SCP_TAIL:
			take_tail(s, data[n++]);
			break;
		default:
			return len;
		}
	}
	return n;
}
