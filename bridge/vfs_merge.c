/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/vfs_merge.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/vfs_private.h"
#include "lib/mem.h"

/* An upload of the reader's that shows, by name. */
struct shown {
	char *name;
	struct vfs_stat st;
};

/* A removed object, by key below the prefix; "" hides whatever is there. */
struct hidden {
	char *key;
	char etag[STORE_ETAG_MAX + 1];
};

struct vfs_merge {
	struct shown *shown;
	size_t nshown, next; /* the first that was not listed yet */
	struct hidden *hidden;
	size_t nhidden;
	struct vfs_entry *entries; /* of the last page merged */
	char *text;		   /* of its folders, without their '/' */
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct shown *)a)->name,
		      ((const struct shown *)b)->name);
}

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct hidden *)a)->key,
		      ((const struct hidden *)b)->key);
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

struct vfs_merge *
vfs_merge_new(const char *prefix, const struct upload_view *views, size_t n)
{
	struct vfs_merge *m = mem_alloc(sizeof(*m));
	size_t skip = strlen(prefix);

	m->shown = mem_array(n + 1, sizeof(m->shown[0]));
	m->hidden = mem_array(n + 1, sizeof(m->hidden[0]));
	for (size_t i = 0; i < n; i++) {
		const struct upload_view *v = &views[i];

		if (v->found) {
			struct shown *s = &m->shown[m->nshown++];

			s->name = mem_strdup(base_name(v->path));
			vfs_stat_upload(&s->st, v);
		}
		if (v->hidden && strncmp(v->key, prefix, skip) == 0) {
			struct hidden *h = &m->hidden[m->nhidden++];

			h->key = mem_strdup(v->key + skip);
			str_copy(h->etag, sizeof(h->etag), v->hidden_etag);
		}
	}
	qsort(m->shown, m->nshown, sizeof(m->shown[0]), by_name);
	qsort(m->hidden, m->nhidden, sizeof(m->hidden[0]), by_key);
	return m;
}

void
vfs_merge_free(struct vfs_merge *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->nshown; i++)
		free(m->shown[i].name);
	for (size_t i = 0; i < m->nhidden; i++)
		free(m->hidden[i].key);
	free(m->shown);
	free(m->hidden);
	free(m->entries);
	free(m->text);
	free(m);
}

bool
vfs_merge_shows(const struct vfs_merge *m)
{
	return m->nshown > 0;
}

static bool
is_shown(const struct vfs_merge *m, const char *name)
{
	struct shown key = { .name = (char *)name };

	return m->nshown &&
	       bsearch(&key, m->shown, m->nshown, sizeof(m->shown[0]), by_name);
}

static bool
is_hidden(const struct vfs_merge *m, const struct store_entry *e)
{
	struct hidden key = { .key = (char *)e->key };
	const struct hidden *h = NULL;

	if (m->nhidden)
		h = bsearch(&key, m->hidden, m->nhidden, sizeof(m->hidden[0]),
			    by_key);
	return h && (!e->etag || strcmp(h->etag, e->etag) == 0);
}

/* The name that an entry has in its folder; NULL: it shows under none. */
static const char *
name_of(const struct store_entry *e, char **text)
{
	size_t n = strlen(e->key);
	char *name = *text;

	if (e->is_dir && n && e->key[n - 1] == '/')
		n--;
	if (!n || memchr(e->key, '/', n))
		return NULL;
	if (!e->key[n])
		return e->key;
	memcpy(name, e->key, n);
	*text += n + 1; /* which is zeroed */
	return name;
}

static void
add_shown(struct vfs_merge *m, size_t *n)
{
	const struct shown *s = &m->shown[m->next++];

	m->entries[(*n)++] = (struct vfs_entry){ s->name, s->st };
}

static void
add_entry(struct vfs_merge *m, const struct store_entry *e, char **text,
	  size_t *n)
{
	const char *name = name_of(e, text);
	struct vfs_entry *out = &m->entries[*n];

	if (!name || is_shown(m, name) || is_hidden(m, e))
		return;
	out->name = name;
	if (e->is_dir) {
		vfs_stat_dir(&out->st, e->mtime);
	} else {
		struct store_object o = { .size = e->size, .mtime = e->mtime };

		vfs_stat_object(&out->st, &o);
	}
	++*n;
}

static size_t
folder_bytes(const struct dir_page *page)
{
	size_t bytes = 1;

	for (size_t i = 0; i < page->n; i++)
		bytes += page->entries[i].is_dir
				 ? strlen(page->entries[i].key) + 1
				 : 0;
	return bytes;
}

size_t
vfs_merge_page(struct vfs_merge *m, const struct dir_page *page,
	       const struct vfs_entry **entries)
{
	size_t n = 0;
	char *text;

	free(m->entries);
	free(m->text);
	m->entries = mem_array(page->n + m->nshown - m->next + 1,
			       sizeof(m->entries[0]));
	m->text = text = mem_alloc(folder_bytes(page));
	for (size_t i = 0; i < page->n; i++) {
		const struct store_entry *e = &page->entries[i];

		while (m->next < m->nshown &&
		       strcmp(m->shown[m->next].name, e->key) <= 0)
			add_shown(m, &n);
		add_entry(m, e, &text, &n);
	}
	while (page->last && m->next < m->nshown)
		add_shown(m, &n);
	*entries = m->entries;
	return n;
}
