/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `scp -f`: files go out, each as a C line and its bytes, folders with -r as
 * what is between a D and an E line, with -p a T line in front. The other side
 * acknowledges each line, and each file, by a zero byte. What cannot be sent is
 * told in a line that needs no acknowledgement. When a file cannot be read to
 * its end, the channel ends: its bytes are counted on, and made up ones would
 * be taken for it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sftpd/conn.h"
#include "sftpd/handle.h"
#include "sftpd/scp_private.h"

#define READ_SIZE (256u << 10)

static void next_item(struct scp *s);
static void open_item(struct scp *s);
static void send_line(struct scp *s);
static void read_more(struct scp *s);

/* A line has gone out: what follows waits for the answer. */
static void
await(struct scp *s, void (*then)(struct scp *s))
{
	s->then = then;
	s->state = SCP_LINE;
}

/* Nothing is awaited: what follows comes when the channel runs. */
static void
go_on(struct scp *s, void (*then)(struct scp *s))
{
	s->then = then;
	s->state = SCP_MOVES;
}

static void
items_free(struct scp_item *items, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(items[i].path);
	free(items);
}

static void
level_leave(struct scp *s)
{
	struct scp_level *l = s->level;

	s->level = l->up;
	items_free(l->items, l->n);
	free(l->path);
	free(l);
}

void
source_free(struct scp *s)
{
	while (s->level != NULL)
		level_leave(s);
	items_free(s->found, s->nfound);
	free(s->item.path);
}

static void
drop_item(struct scp *s)
{
	free(s->item.path);
	s->item.path = NULL;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL || slash[1] == '\0' ? path : slash + 1;
}

/* A file's bytes. */

static void
item_closed(struct scp *s, enum err err, const char *why)
{
	(void)err;
	(void)why;
	drop_item(s);
	go_on(s, next_item);
}

/* The other side says how it went: its complaint is its own. */
static void
item_answered(struct scp *s)
{
	scp_close(s, VFS_COMPLETE, item_closed);
}

static void
end_early(struct scp *s, const char *why)
{
	scp_error(s, s->item.path, why);
	s->state = SCP_OVER;
}

static void
more_read(void *arg, enum err err, const char *why, const void *data, size_t n)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;

	if (!scp_end(r))
		return;
	if (err != ERR_OK || n == 0) {
		end_early(s, err != ERR_OK ? why : "the file ended early");
		return;
	}
	buf_add(&s->ch->out, data, n);
	s->sent += n;
	go_on(s, read_more);
}

static void
start_read(struct req *r)
{
	const struct scp *s = r->ch->scp;
	const uint64_t left = s->item.st.size - s->sent;

	vfs_file_read(r->h->file, s->sent,
		      left < READ_SIZE ? (size_t)left : READ_SIZE, more_read,
		      r);
}

/* clang-format off */
static const struct op op_read = {
	SFTP_READ, "scp", 0, 0, NULL, start_read
};
/* clang-format on */

static void
read_more(struct scp *s)
{
	if (buf_len(&s->ch->out) >= CHAN_OUT_HIGH)
		return; /* the channel runs again when that is less */
	if (s->sent < s->item.st.size) {
		scp_ask(s, &op_read, s->h, s->item.path);
		return;
	}
	scp_good(s);
	await(s, item_answered);
}

static void
name_answered(struct scp *s)
{
	s->sent = 0;
	go_on(s, read_more);
}

static void
send_name(struct scp *s)
{
	buf_printf(&s->ch->out, "C%04o %" PRIu64 " %s\n",
		   s->item.st.mode & 07777, s->item.st.size,
		   base_name(s->item.path));
	await(s, name_answered);
}

/* Folders. */

static void
folder_left(struct scp *s)
{
	level_leave(s);
	go_on(s, next_item);
}

static void
send_folder_end(struct scp *s)
{
	buf_add_text(&s->ch->out, "E\n");
	await(s, folder_left);
}

static void
keep_entries(struct scp_level *l, const struct vfs_entry *entries, size_t n)
{
	size_t i;

	items_free(l->items, l->n);
	l->items = mem_array(n + 1, sizeof(*l->items));
	l->n = l->next = 0;
	for (i = 0; i < n; i++) {
		l->items[l->n].path = scp_join(l->path, entries[i].name);
		l->items[l->n].st = entries[i].st;
		if (l->items[l->n].path != NULL)
			l->n++;
	}
}

static void
page_come(void *arg, enum err err, const char *why,
	  const struct vfs_entry *entries, size_t n)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;
	struct handle *h = r->h;

	if (!scp_end(r))
		return;
	if (err != ERR_OK)
		scp_err(s, s->level->path, err, why);
	if (err != ERR_OK || n == 0) {
		s->level->h = NULL;
		handle_free(h);
		n = 0;
	}
	keep_entries(s->level, entries, n);
	go_on(s, next_item);
}

static void
start_page(struct req *r)
{
	vfs_dir_next(r->h->dir, page_come, r);
}

/* clang-format off */
static const struct op op_page = {
	SFTP_READDIR, "scp", 0, 0, NULL, start_page
};
/* clang-format on */

static void
folder_opened(void *arg, enum err err, const char *why, struct vfs_dir *dir)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;
	struct handle *h = r->h;

	if (err == ERR_OK)
		h->dir = dir;
	if (!scp_opened(r, err))
		return;
	if (err == ERR_OK)
		s->level->h = h;
	else
		scp_err(s, s->level->path, err, why);
	go_on(s, next_item);
}

static void
start_folder(struct req *r)
{
	if (!scp_handle(r, "too many open folders"))
		return;
	vfs_dir_open(r->ch->c->session, r->path, folder_opened, r);
}

/* clang-format off */
static const struct op op_folder = {
	SFTP_OPENDIR, "scp", 0, 0, NULL, start_folder
};
/* clang-format on */

static void
folder_answered(struct scp *s)
{
	struct scp_level *l = mem_alloc(sizeof(*l));

	l->up = s->level;
	l->path = s->item.path;
	s->item.path = NULL;
	s->level = l;
	scp_ask(s, &op_folder, NULL, l->path);
}

static unsigned
depth(const struct scp *s)
{
	const struct scp_level *l;
	unsigned n = 0;

	for (l = s->level; l != NULL; l = l->up)
		n++;
	return n;
}

static void
send_folder(struct scp *s)
{
	buf_printf(&s->ch->out, "D%04o 0 %s\n", s->item.st.mode & 07777,
		   base_name(s->item.path));
	await(s, folder_answered);
}

/* What is to be sent next. */

static void
times_answered(struct scp *s)
{
	if (s->item.st.is_dir)
		send_folder(s);
	else
		send_name(s);
}

static void
send_line(struct scp *s)
{
	const int64_t t = s->item.st.mtime;

	if (!s->cmd.times) {
		times_answered(s);
		return;
	}
	buf_printf(&s->ch->out, "T%" PRId64 " 0 %" PRId64 " 0\n", t < 0 ? 0 : t,
		   t < 0 ? 0 : t);
	await(s, times_answered);
}

static void
item_opened(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;
	struct handle *h = r->h;

	if (err == ERR_OK)
		h->file = f;
	if (!scp_opened(r, err))
		return;
	if (err != ERR_OK) {
		scp_err(s, s->item.path, err, why);
		drop_item(s);
		go_on(s, next_item);
		return;
	}
	s->h = h;
	/* What is open is one object: its size counts, not that of before. */
	s->item.st.size = vfs_file_size(f);
	send_line(s);
}

static void
start_item(struct req *r)
{
	struct vfs_open o = { .path = r->path, .flags = VFS_READ };

	if (!scp_handle(r, "too many open files"))
		return;
	r->h->flags = o.flags;
	vfs_open(r->ch->c->session, &o, item_opened, r);
}

/* clang-format off */
static const struct op op_item = {
	SFTP_OPEN, "scp", 0, 0, NULL, start_item
};
/* clang-format on */

static void
open_item(struct scp *s)
{
	if (!s->item.st.is_dir) {
		scp_ask(s, &op_item, NULL, s->item.path);
		return;
	}
	if (!s->cmd.recursive)
		scp_error(s, s->item.path, "not a regular file");
	else if (depth(s) == SCP_DEPTH_MAX)
		scp_error(s, s->item.path, "too many folders in folders");
	else {
		send_line(s);
		return;
	}
	drop_item(s);
	go_on(s, next_item);
}

static void
item_seen(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;

	if (!scp_end(r))
		return;
	if (err == ERR_OK) {
		s->item.st = *st;
		go_on(s, open_item);
		return;
	}
	scp_err(s, s->item.path, err, why);
	drop_item(s);
	go_on(s, next_item);
}

static void
start_stat(struct req *r)
{
	vfs_stat(r->ch->c->session, r->path, item_seen, r);
}

/* clang-format off */
static const struct op op_stat = {
	SFTP_STAT, "scp", 0, 0, NULL, start_stat
};
/* clang-format on */

static void
take_found(struct scp *s, struct scp_item *from)
{
	s->item = *from;
	from->path = NULL;
	go_on(s, open_item);
}

void
source_look(struct scp *s, const char *path)
{
	s->item.path = scp_join("/", path);
	if (s->item.path == NULL)
		scp_error(s, path, "this name is not allowed here");
	else
		scp_ask(s, &op_stat, NULL, s->item.path);
}

/* The folders that are open come first, then what a wildcard has found. */
static void
next_item(struct scp *s)
{
	struct scp_level *l = s->level;

	if (l != NULL && l->next < l->n)
		take_found(s, &l->items[l->next++]);
	else if (l != NULL && l->h != NULL)
		scp_ask(s, &op_page, l->h, l->path);
	else if (l != NULL)
		send_folder_end(s);
	else if (s->next_found < s->nfound)
		take_found(s, &s->found[s->next_found++]);
	else if (s->word < s->cmd.npaths)
		source_word(s, &s->cmd.paths[s->word++]);
	else
		s->state = SCP_OVER;
}

void
source_line(struct scp *s)
{
	const uint8_t *line = buf_data(&s->line);
	void (*then)(struct scp * s) = s->then;
	const uint8_t kind = buf_len(&s->line) > 0 ? line[0] : 0;

	buf_clear(&s->line);
	s->state = SCP_MOVES;
	if (kind == 0) {
		then(s);
	} else if (kind == 1 && then == item_answered) {
		s->errors++;
		then(s);
	} else if (kind == 1) {
		source_skip(s);
	} else {
		s->errors++;
		s->state = SCP_OVER;
	}
}

/* The other side does not want it: a folder is left out as a whole. */
void
source_skip(struct scp *s)
{
	s->errors++;
	if (s->h != NULL) {
		scp_close(s, VFS_COMPLETE, item_closed);
		return;
	}
	drop_item(s);
	go_on(s, next_item);
}

/* The other side says first that it is ready. */
void
source_start(struct scp *s)
{
	await(s, next_item);
}

void
source_run(struct scp *s)
{
	while (!s->busy && s->state == SCP_MOVES) {
		if (s->then == read_more &&
		    buf_len(&s->ch->out) >= CHAN_OUT_HIGH)
			return;
		s->then(s);
	}
}
