/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/fake_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/store_call.h"
#include "lib/mem.h"

#define HELD_MAX 64
#define NAME_BYTES 16
#define PUT_MAX (1 << 30)

struct fake_store fake_store;
static struct store_call *held[HELD_MAX];
static unsigned nheld;

unsigned char
fake_store_byte(uint64_t off)
{
	return (unsigned char)(off * 7 + off / 251 + off / 65521);
}

static void
release(unsigned i)
{
	nheld--;
	memmove(&held[i], &held[i + 1], (nheld - i) * sizeof(held[0]));
	fake_store.live--;
}

static bool
fails(const struct store_call *c)
{
	struct fake_store *f = &fake_store;

	if (!f->fail_times || c->kind != f->fail_kind)
		return false;
	if (f->fail_skip) {
		f->fail_skip--;
		return false;
	}
	f->fail_times--;
	return true;
}

static void
answer_head(struct store_call *c)
{
	struct store_result res = { .object = { .size = fake_store.size } };

	str_copy(res.object.etag, sizeof(res.object.etag), fake_store.etag);
	store_call_done(c, &res);
}

static void
answer_get(struct store_call *c, bool broken)
{
	struct store_result res = { .err = ERR_OK };
	uint64_t end = c->off + c->len;
	unsigned char *data;

	if (c->etag && strcmp(c->etag, fake_store.etag) != 0) {
		store_call_fail(c, ERR_CONFLICT, "the object has changed");
		return;
	}
	if (end > fake_store.size)
		end = fake_store.size;
	if (c->off < end)
		res.len = (size_t)(end - c->off);
	if (broken) {
		res.err = fake_store.fail_err;
		if (res.len > fake_store.fail_after)
			res.len = fake_store.fail_after;
	}
	data = mem_alloc(res.len + 1);
	for (size_t i = 0; i < res.len; i++)
		data[i] = fake_store_byte(c->off + i);
	res.data = data;
	fake_store.bytes += res.len;
	store_call_done(c, &res);
	free(data);
}

static void
answer_list(struct store_call *c)
{
	struct store_result res = { .err = ERR_OK };
	unsigned from = c->marker ? (unsigned)atoi(c->marker) : 0;
	unsigned n = fake_store.keys - from;
	struct store_entry *entries;
	char(*names)[NAME_BYTES];
	char next[NAME_BYTES];

	if (n > fake_store.page)
		n = fake_store.page;
	entries = mem_array(n + 1, sizeof(*entries));
	names = mem_array(n + 1, sizeof(*names));
	for (unsigned i = 0; i < n; i++) {
		snprintf(names[i], NAME_BYTES, "%08u", from + i);
		entries[i].key = names[i];
		entries[i].etag = fake_store.etag;
		entries[i].mtime = fake_store.mtime;
		entries[i].size = from + i;
	}
	snprintf(next, sizeof(next), "%u", from + n);
	res.entries = entries;
	res.nentries = n;
	res.next = from + n < fake_store.keys ? next : NULL;
	store_call_done(c, &res);
	free(entries);
	free(names);
}

static void
answer_put(struct store_call *c)
{
	struct store_result res = { .err = ERR_OK };

	str_copy(fake_store.put_key, sizeof(fake_store.put_key), c->key);
	fake_store.put_len = c->body.len;
	store_call_done(c, &res);
}

static void
answer_presign(struct store_call *c)
{
	struct store_result res = { .err = ERR_OK };
	char url[STORE_KEY_MAX + 32];

	snprintf(url, sizeof(url), "https://store/%s?n=%u", c->key,
		 fake_store.started[STORE_CALL_PRESIGN]);
	res.data = url;
	res.len = strlen(url);
	store_call_done(c, &res);
}

static void
carry_out(struct store_call *c)
{
	bool broken = fails(c);

	if (c->kind == STORE_CALL_GET)
		answer_get(c, broken);
	else if (broken)
		store_call_fail(c, fake_store.fail_err, NULL);
	else if (c->kind == STORE_CALL_HEAD)
		answer_head(c);
	else if (c->kind == STORE_CALL_PUT)
		answer_put(c);
	else if (c->kind == STORE_CALL_PRESIGN)
		answer_presign(c);
	else
		answer_list(c);
}

static void
fake_start(struct store *s, struct store_call *c)
{
	(void)s;
	assert(nheld < HELD_MAX);
	fake_store.started[c->kind]++;
	held[nheld++] = c;
	if (++fake_store.live > fake_store.most_live)
		fake_store.most_live = fake_store.live;
	if (!fake_store.holds)
		fake_store_answer(nheld - 1);
}

static void
fake_cancel(struct store *s, struct store_call *c)
{
	(void)s;
	fake_store.cancelled[c->kind]++;
	for (unsigned i = 0; i < nheld; i++) {
		if (held[i] == c) {
			release(i);
			return;
		}
	}
	assert(!"a call that is not there was cancelled");
}

bool
fake_store_answer(unsigned n)
{
	struct store_call *c;

	if (n >= nheld)
		return false;
	c = held[n];
	release(n);
	carry_out(c);
	return true;
}

static enum err
fake_open(struct store *s, struct conf *conf, const char *section)
{
	(void)conf;
	(void)section;
	s->limits.put_max = PUT_MAX;
	return ERR_OK;
}

static void
fake_close(struct store *s)
{
	(void)s;
	assert(nheld == 0);
}

static const struct store_ops ops = {
	.kind = "fake",
	.open = fake_open,
	.close = fake_close,
	.start = { [STORE_CALL_HEAD] = fake_start,
		   [STORE_CALL_GET] = fake_start,
		   [STORE_CALL_LIST] = fake_start,
		   [STORE_CALL_PRESIGN] = fake_start,
		   [STORE_CALL_PUT] = fake_start },
	.cancel = fake_cancel,
};

struct store *
fake_store_open(struct loop *loop)
{
	struct store_env env = { .loop = loop };
	char path[] = "fake_store.XXXXXX";
	int fd = mkstemp(path);
	struct conf *conf;
	struct store *s;
	enum err err;

	assert(fd >= 0 && nheld == 0);
	dprintf(fd, "[store.fake]\ntype = fake\ntries = 1\n");
	close(fd);
	conf = conf_load(path);
	unlink(path);
	memset(&fake_store, 0, sizeof(fake_store));
	strcpy(fake_store.etag, "first");
	fake_store.page = STORE_LIST_MAX;
	fake_store.mtime = 1;
	err = store_open_driver(&s, &ops, conf, "fake", &env);
	assert(err == ERR_OK);
	(void)err;
	conf_free(conf);
	return s;
}
