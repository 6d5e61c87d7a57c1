/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The multipart uploads that go on, at one key or at all: each is an object
 * below "uploads/" whose text is its key, and whose id tells when it began.
 */
#include "bridge/store_swift.h"

#include <stdlib.h>
#include <string.h>

#include "lib/id.h"
#include "lib/mem.h"

#define UPLOADS_MAX 1000
#define ALL_UPLOADS_MAX 10000

struct all_uploads {
	char *prefix; /* of the listing */
	char *marker;
	struct store_upload *list; /* with strings of its own */
	size_t n, max;
	bool every_key, cut;
	size_t at; /* the one whose key is being read */
};

static void
all_uploads_free(void *state)
{
	struct all_uploads *a = state;

	for (size_t i = 0; i < a->n; i++) {
		free((void *)a->list[i].key);
		free((void *)a->list[i].backend_id);
	}
	free(a->list);
	free(a->prefix);
	free(a->marker);
	free(a);
}

static int64_t
born_ms(const char *id)
{
	unsigned char raw[16];
	int64_t ms = 0;

	if (id_bytes(id, raw) != 0)
		return 0;
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | raw[i];
	return ms;
}

static void
result(struct swift_job *j)
{
	struct all_uploads *a = j->state;
	struct store_result res = { .err = ERR_OK };
	size_t n = 0;

	/* One that ended since it was listed has no key. */
	for (size_t i = 0; i < a->n; i++) {
		if (a->list[i].key) {
			struct store_upload u = a->list[i];

			a->list[i] = a->list[n];
			a->list[n++] = u;
		}
	}
	res.uploads = a->list;
	res.nuploads = n;
	if (a->cut && a->every_key)
		res.next = "";
	swift_done(j, &res);
}

static void read_next_key(struct swift_job *j);

static void
key_read(struct swift_job *j, enum err err)
{
	struct all_uploads *a = j->state;
	size_t n = j->reply->len;

	if (err && err != ERR_NOT_FOUND) {
		swift_fail_reply(j, err);
		return;
	}
	if (!err && n > 0 && n <= STORE_KEY_MAX)
		a->list[a->at].key = mem_strndup(j->reply->body, n);
	a->at++;
	read_next_key(j);
}

/* Of a listing of every key: names hold but the hash of it. */
static void
read_next_key(struct swift_job *j)
{
	struct all_uploads *a = j->state;

	if (a->at == a->n) {
		result(j);
		return;
	}
	/* The name was kept in place of the key. */
	swift_request(j, "GET", j->swift->segments, a->list[a->at].key);
	free((void *)a->list[a->at].key);
	a->list[a->at].key = NULL;
	swift_send(j, key_read);
}

static void
take(struct all_uploads *a, const char *name, const char *key)
{
	const char *id = strrchr(name, '/');
	struct store_upload *u;

	free(a->marker);
	a->marker = mem_strdup(name);
	if (!id || !id_valid(id + 1))
		return;
	if (a->n == a->max) {
		a->cut = true;
		return;
	}
	if (a->n % UPLOADS_MAX == 0)
		a->list = mem_resize(a->list,
				     (a->n + UPLOADS_MAX) * sizeof(a->list[0]));
	u = &a->list[a->n++];
	u->key = mem_strdup(a->every_key ? name : key);
	u->backend_id = mem_strdup(id + 1);
	u->initiated = born_ms(id + 1);
}

static void list_page(struct swift_job *j);

static void
page_listed(struct swift_job *j, enum err err)
{
	struct all_uploads *a = j->state;
	json_t *page = NULL;
	size_t n;

	err = swift_need_container(j, err);
	if (!err && !(page = swift_page(j)))
		err = ERR_AGAIN;
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	n = json_array_size(page);
	for (size_t i = 0; i < n; i++) {
		const char *name = swift_page_name(page, i);

		if (name)
			take(a, name, j->call->key);
	}
	json_decref(page);
	if (n == STORE_LIST_MAX && !a->cut)
		list_page(j);
	else if (a->every_key)
		read_next_key(j);
	else
		result(j);
}

static void
list_page(struct swift_job *j)
{
	const struct all_uploads *a = j->state;

	swift_request_page(j, j->swift->segments, a->prefix, a->marker,
			   STORE_LIST_MAX);
	swift_send(j, page_listed);
}

void
swift_list_uploads(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);
	struct all_uploads *a = mem_alloc(sizeof(*a));
	char hash[33];

	a->every_key = *c->key == '\0';
	a->max = a->every_key ? ALL_UPLOADS_MAX : UPLOADS_MAX;
	swift_key_hash(c->key, hash);
	a->prefix =
		mem_printf("%suploads/%s%s", j->swift->prefix,
			   a->every_key ? "" : hash, a->every_key ? "" : "/");
	j->state = a;
	j->free_state = all_uploads_free;
	list_page(j);
}
