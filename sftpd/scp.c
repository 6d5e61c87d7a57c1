/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/scp.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/names.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sftpd/conn.h"
#include "sftpd/handle.h"
#include "sftpd/scp_private.h"

void
scp_good(struct scp *s)
{
	buf_add_u8(&s->ch->out, 0);
}

static void
put_line(struct scp *s, char kind, const char *path, const char *why)
{
	struct buf *out = &s->ch->out;
	const char *p;

	s->errors++;
	buf_printf(out, "%cscp: %s%s", kind, path, path[0] != '\0' ? ": " : "");
	for (p = why; *p != '\0'; p++)
		buf_add_u8(out, *p == '\n' ? ' ' : (uint8_t)*p);
	buf_add_u8(out, '\n');
}

void
scp_error(struct scp *s, const char *path, const char *why)
{
	log_info("sftpd", session_id(s->ch->c->session), "refused",
		 KV_S("op", "scp"), KV_S("path", path), KV_S("why", why));
	put_line(s, 1, path, why);
}

void
scp_err(struct scp *s, const char *path, enum err err, const char *why)
{
	if (err == ERR_NOT_FOUND)
		why = "No such file or directory";
	else if (why[0] == '\0')
		why = err_text(err);
	scp_error(s, path, why);
}

void
scp_fatal(struct scp *s, const char *why)
{
	log_warn("sftpd", session_id(s->ch->c->session), "protocol_error",
		 KV_S("op", "scp"), KV_S("why", why));
	put_line(s, 2, "", why);
	s->state = SCP_OVER;
}

struct req *
scp_ask(struct scp *s, const struct op *op, struct handle *h, const char *path)
{
	struct req *r = req_own(s->ch, op, h);

	r->path = mem_strdup(path);
	s->busy = true;
	return r;
}

bool
scp_end(struct req *r)
{
	struct scp *s = r->ch->scp;
	const bool goes_on = !r->ch->ended;

	s->busy = false;
	req_end(r);
	return goes_on;
}

bool
scp_handle(struct req *r, const char *too_many)
{
	r->h = handle_new(r->ch, r->path);
	if (r->h != NULL)
		return true;
	scp_fatal(r->ch->scp, too_many);
	scp_end(r);
	return false;
}

bool
scp_opened(struct req *r, enum err err)
{
	struct handle *h = r->h;

	r->h = NULL;
	if (err != ERR_OK)
		handle_free(h);
	else if (r->ch->ended)
		req_abandon(h);
	return scp_end(r);
}

static void
close_done(void *arg, enum err err, const char *why)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;
	struct handle *h = r->h;
	scp_closed_fn *closed = s->closed;

	h->file = NULL;
	if (scp_end(r))
		closed(s, err, why);
	handle_free(h);
}

static void
start_close(struct req *r)
{
	vfs_file_close(r->h->file, r->flags ? VFS_COMPLETE : VFS_BROKEN,
		       close_done, r);
}

/* clang-format off */
static const struct op op_close = {
	SFTP_CLOSE, "scp", 0, OP_CHANGES, NULL, start_close
};
/* clang-format on */

void
scp_close(struct scp *s, enum vfs_end how, scp_closed_fn *closed)
{
	struct handle *h = s->h;
	struct req *r = scp_ask(s, &op_close, h, h->path);

	s->h = NULL;
	s->closed = closed;
	r->flags = how == VFS_COMPLETE;
	handle_detach(h);
}

char *
scp_join(const char *folder, const char *name)
{
	char path[JOURNAL_PATH_MAX + 1];

	if (names_path(folder, name, strlen(name), path) != ERR_OK)
		return NULL;
	return mem_strdup(path);
}

struct scp *
scp_new(struct chan *ch, const char *command)
{
	struct scp *s = mem_alloc(sizeof(*s));

	if (!scp_command_parse(&s->cmd, command)) {
		scp_command_free(&s->cmd);
		free(s);
		return NULL;
	}
	s->ch = ch;
	buf_init(&s->line, SCP_LINE_MAX);
	if (!s->cmd.sink)
		source_start(s);
	log_debug("sftpd", session_id(ch->c->session), "scp",
		  KV_S("command", command));
	return s;
}

void
scp_free(struct scp *s)
{
	if (s == NULL)
		return;
	source_free(s);
	scp_command_free(&s->cmd);
	buf_free(&s->line);
	free(s->target);
	free(s->base);
	free(s->closing);
	free(s);
}

bool
scp_waits(const struct scp *s)
{
	if (s->busy || s->state == SCP_MOVES)
		return true;
	return s->cmd.sink && s->target == NULL;
}

bool
scp_over(const struct scp *s)
{
	return s->state == SCP_OVER && !s->busy;
}

int
scp_status(const struct scp *s)
{
	return s->errors > 0;
}

/* Acknowledgements of a source's lines: a zero byte, or a complaint. */
static size_t
source_input(struct scp *s, const uint8_t *data, size_t len)
{
	size_t n = 0;
	uint8_t c;

	while (n < len && s->state == SCP_LINE && !s->busy) {
		c = data[n++];
		if (buf_len(&s->line) == 0 && c == 0) {
			source_line(s);
			continue;
		}
		buf_add_u8(&s->line, c);
		if (s->line.failed)
			scp_fatal(s, "a line is too long");
		else if (c == '\n')
			source_line(s);
	}
	return s->state == SCP_OVER ? len : n;
}

size_t
scp_input(struct scp *s, const uint8_t *data, size_t len)
{
	return s->cmd.sink ? sink_input(s, data, len)
			   : source_input(s, data, len);
}

void
scp_run(struct scp *s)
{
	if (s->ch->ended || s->busy || s->state == SCP_OVER)
		return;
	if (!s->cmd.sink)
		source_run(s);
	else if (s->target == NULL)
		sink_start(s);
}
