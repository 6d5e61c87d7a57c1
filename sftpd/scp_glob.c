/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a wildcard in a path of `scp -f` stands for: the names of one folder
 * that match its last part, as a shell would give them. One that matches
 * nothing is taken as a name, and not found.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sftpd/conn.h"
#include "sftpd/handle.h"
#include "sftpd/scp_private.h"

/* The last part of the pattern that is being looked for. */
static const char *
last_part(const struct scp_word *w)
{
	const char *slash = strrchr(w->pattern, '/');

	return slash == NULL ? w->pattern : slash + 1;
}

static const struct scp_word *
current(const struct scp *s)
{
	return &s->cmd.paths[s->word - 1];
}

static bool
keep_matching(struct scp *s, const char *folder,
	      const struct vfs_entry *entries, size_t n)
{
	const char *pattern = last_part(current(s));
	struct scp_item *item;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!scp_match(pattern, entries[i].name))
			continue;
		if (s->nfound == SCP_NAMES_MAX)
			return false;
		s->found = mem_resize(s->found,
				      (s->nfound + 1) * sizeof(*s->found));
		item = &s->found[s->nfound];
		item->path = scp_join(folder, entries[i].name);
		item->st = entries[i].st;
		if (item->path != NULL)
			s->nfound++;
	}
	return true;
}

static void
all_found(struct scp *s, struct handle *h)
{
	handle_free(h);
	if (s->nfound == 0)
		source_look(s, current(s)->text);
}

static void start_page(struct req *r);

/* clang-format off */
static const struct op op_page = {
	SFTP_READDIR, "scp", 0, 0, NULL, start_page
};
/* clang-format on */

static void
page_come(void *arg, enum err err, const char *why,
	  const struct vfs_entry *entries, size_t n)
{
	struct req *r = arg;
	struct scp *s = r->ch->scp;
	struct handle *h = r->h;

	if (!scp_end(r))
		return;
	if (err != ERR_OK) {
		scp_err(s, current(s)->text, err, why);
		handle_free(h);
	} else if (n == 0) {
		all_found(s, h);
	} else if (keep_matching(s, h->path, entries, n)) {
		scp_ask(s, &op_page, h, h->path);
	} else {
		scp_error(s, current(s)->text, "it stands for too many names");
		handle_free(h);
	}
}

static void
start_page(struct req *r)
{
	vfs_dir_next(r->h->dir, page_come, r);
}

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
		scp_ask(s, &op_page, h, h->path);
	else
		scp_err(s, current(s)->text, err, why);
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

/* The folder in front of the last part, which must be a plain name. */
static char *
folder_of(const struct scp_word *w)
{
	const char *slash = strrchr(w->pattern, '/');
	char *front = mem_strndup(
		w->pattern, slash == NULL ? 0 : (size_t)(slash - w->pattern));
	char *out = front, *p;
	char *folder;

	for (p = front; *p != '\0'; p++) {
		if (strchr("*?[", *p) != NULL) {
			free(front);
			return NULL;
		}
		if (*p == '\\' && p[1] != '\0')
			p++;
		*out++ = *p;
	}
	*out = '\0';
	folder = scp_join("/", front);
	free(front);
	return folder;
}

void
source_word(struct scp *s, const struct scp_word *w)
{
	char *folder;

	if (w->pattern == NULL) {
		source_look(s, w->text);
		return;
	}
	folder = folder_of(w);
	if (folder == NULL) {
		scp_error(s, w->text,
			  "wildcards can stand in the last part only");
		return;
	}
	free(s->found); /* those before have all been taken */
	s->found = NULL;
	s->nfound = s->next_found = 0;
	scp_ask(s, &op_folder, NULL, folder);
	free(folder);
}
