/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/store.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/store_call.h"
#include "lib/mem.h"

#define TRIES_DEFAULT 5
#define TRIES_MAX 100
#define SECTION_MAX (sizeof("store.") + STORE_NAME_MAX)

static const struct store_ops *const drivers[] = { &store_local, &store_s3,
						   &store_swift };

#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

static const struct store_ops *
find_driver(struct conf *conf, const char *section)
{
	const char *words[DRIVERS + 1] = { 0 };
	int i;

	if (!*conf_need(conf, section, "type"))
		return NULL;
	for (i = 0; i < (int)DRIVERS; i++)
		words[i] = drivers[i]->kind;
	i = conf_choice(conf, section, "type", words, -1);
	return i < 0 ? NULL : drivers[i];
}

enum err
store_open_driver(struct store **out, const struct store_ops *ops,
		  struct conf *conf, const char *name,
		  const struct store_env *env)
{
	char section[SECTION_MAX] = "";
	struct store *s = mem_alloc(sizeof(*s));
	struct conf_range tries = { TRIES_DEFAULT, 1, TRIES_MAX };
	enum err err;

	*out = NULL;
	str_printf(section, sizeof(section), "store.%s", name);
	str_copy(s->name, sizeof(s->name), name);
	s->ops = ops;
	s->env = *env;
	s->tries = (unsigned)conf_uint(conf, section, "tries", tries);
	err = ops->open(s, conf, section);
	if (err) {
		free(s);
		return err;
	}
	s->queue = store_queue_new(s);
	*out = s;
	return ERR_OK;
}

enum err
store_open(struct store **out, struct conf *conf, const char *name,
	   const struct store_env *env)
{
	char section[SECTION_MAX] = "";
	const struct store_ops *ops;

	*out = NULL;
	str_printf(section, sizeof(section), "store.%s", name);
	if (strlen(name) > STORE_NAME_MAX) {
		conf_complain(conf, section, "type",
			      "expected a store's name of at most %d bytes",
			      STORE_NAME_MAX);
		return ERR_INVALID;
	}
	ops = find_driver(conf, section);
	if (!ops) {
		conf_forgive(conf, section);
		return ERR_INVALID;
	}
	return store_open_driver(out, ops, conf, name, env);
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	store_queue_free(s->queue);
	s->ops->close(s);
	free(s);
}

void
store_check(struct conf *conf, const char *name)
{
	static const struct store_env none;
	struct store *s;

	if (store_open(&s, conf, name, &none) == ERR_OK)
		store_close(s);
}

void
store_conf_parts(struct conf *conf, const char *section, struct store_limits *l)
{
	struct conf_range size = { l->part_base, l->part_min, l->part_max };
	struct conf_range count = { l->parts_max, 1, l->parts_max };

	l->part_base = conf_size(conf, section, "part_size", size);
	l->parts_max = (uint32_t)conf_uint(conf, section, "max_parts", count);
	l->equal_parts = conf_bool(conf, section, "equal_parts", false);
}

const char *
store_name(const struct store *s)
{
	return s->name;
}

const char *
store_kind(const struct store *s)
{
	return s->ops->kind;
}

const struct store_limits *
store_limits(const struct store *s)
{
	return &s->limits;
}

unsigned
store_needs(const struct store *s)
{
	return s->ops->needs ? s->ops->needs(s) : 0;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A limit that the server told holds beside the one of the settings. */
void
store_set_caps(struct store *s, const struct store_caps *caps)
{
	struct store_limits *l = &s->limits;

	s->caps = *caps;
	if (!caps->parts_max && !caps->part_max)
		return;
	if (caps->parts_max && caps->parts_max < l->parts_max)
		l->parts_max = caps->parts_max;
	if (caps->part_max && caps->part_max < l->part_max)
		l->part_max = caps->part_max;
	l->put_max = least(l->put_max, l->part_max);
	l->copy_max = least(l->copy_max, l->part_max);
	l->part_base = least(l->part_base, l->part_max);
	l->object_max = least(l->object_max, l->parts_max * l->part_max);
}

bool
store_can_move(const struct store *s)
{
	return s->ops->start[STORE_CALL_MOVE] != NULL;
}

static bool
key_ok(const char *key)
{
	size_t n = key ? strnlen(key, STORE_KEY_MAX + 1) : 0;

	return n > 0 && n <= STORE_KEY_MAX;
}

/* Submits, once the arguments that every kind has in common are right. */
static struct store_op *
submit(struct store_op *op, enum err err, const char *why)
{
	struct store_call *c = store_op_call(op);

	if (!err && !c->store->ops->start[c->kind]) {
		err = ERR_UNSUPPORTED;
		why = "this store does not offer that";
	}
	return store_op_submit(op, err, why);
}

static struct store_op *
submit_key(struct store_op *op, const char *key)
{
	store_op_call(op)->key = key;
	if (!key_ok(key))
		return submit(op, ERR_INVALID, "bad length of a key");
	return submit(op, ERR_OK, NULL);
}

/*
 * What a body and its digests must be like; NULL when all is well. A missing
 * MD5 is no fault: what the server checks may have come out after the body
 * was made ready, and a driver then leaves a comparison out.
 */
static const char *
body_fault(const struct store *s, const struct store_body *b)
{
	unsigned needs = store_needs(s);

	if (!b->data && b->fd < 0 && b->len)
		return "a body without bytes";
	if (b->data || b->len == 0)
		return NULL; /* the driver computes what is missing */
	if ((needs & STORE_NEED_SHA256) && !b->has_sha256)
		return "a body without its SHA-256";
	return NULL;
}

struct store_op *
store_probe(struct store *s, store_done_fn *fn, void *arg)
{
	return submit(store_op_new(s, STORE_CALL_PROBE, fn, arg), ERR_OK, NULL);
}

struct store_op *
store_put(struct store *s, const char *key, const struct store_meta *meta,
	  const struct store_body *body, store_done_fn *fn, void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_PUT, fn, arg);
	struct store_call *c = store_op_call(op);
	const char *fault = body_fault(s, body);

	if (meta)
		c->meta = *meta;
	c->body = *body;
	if (body->len > s->limits.put_max)
		return submit(op, ERR_TOO_LARGE, NULL);
	if (fault)
		return submit(op, ERR_INVALID, fault);
	return submit_key(op, key);
}

struct store_op *
store_begin(struct store *s, const char *key, const struct store_meta *meta,
	    store_done_fn *fn, void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_BEGIN, fn, arg);

	if (meta)
		store_op_call(op)->meta = *meta;
	return submit_key(op, key);
}

/* For calls on a multipart upload. */
static struct store_op *
submit_target(struct store_op *op, struct store_target t)
{
	size_t n = t.backend_id
			   ? strnlen(t.backend_id, STORE_BACKEND_ID_MAX + 1)
			   : 0;

	store_op_call(op)->backend_id = t.backend_id;
	if (n == 0 || n > STORE_BACKEND_ID_MAX) {
		store_op_call(op)->backend_id = NULL;
		return submit(op, ERR_INVALID, "bad id of a multipart upload");
	}
	return submit_key(op, t.key);
}

static bool
part_ok(const struct store *s, uint32_t no, uint64_t len)
{
	return no >= 1 && no <= s->limits.parts_max &&
	       len <= s->limits.part_max;
}

struct store_op *
store_put_part(struct store *s, struct store_target t, struct store_slot slot,
	       const struct store_body *body, store_done_fn *fn, void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_PUT_PART, fn, arg);
	struct store_call *c = store_op_call(op);
	const char *fault = body_fault(s, body);

	c->no = slot.no;
	c->off = slot.off;
	c->body = *body;
	if (!part_ok(s, slot.no, body->len))
		return submit(op, ERR_TOO_LARGE, "beyond the store's limits");
	if (fault)
		return submit(op, ERR_INVALID, fault);
	return submit_target(op, t);
}

struct store_op *
store_copy_part(struct store *s, struct store_target t, uint32_t no,
		const struct store_copy *copy, store_done_fn *fn, void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_COPY_PART, fn, arg);
	struct store_call *c = store_op_call(op);

	c->no = no;
	c->copy = *copy;
	c->off = copy->off;
	c->len = copy->len;
	if (!part_ok(s, no, copy->len) || copy->len > s->limits.copy_max)
		return submit(op, ERR_TOO_LARGE, "beyond the store's limits");
	if (copy->len == 0 || !key_ok(copy->from))
		return submit(op, ERR_INVALID, "nothing to copy");
	return submit_target(op, t);
}

struct store_op *
store_list_parts(struct store *s, struct store_target t, store_done_fn *fn,
		 void *arg)
{
	return submit_target(store_op_new(s, STORE_CALL_LIST_PARTS, fn, arg),
			     t);
}

struct store_op *
store_complete(struct store *s, struct store_target t,
	       const struct store_part *parts, size_t n, store_done_fn *fn,
	       void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_COMPLETE, fn, arg);
	struct store_call *c = store_op_call(op);

	c->parts = parts;
	c->nparts = n;
	if (n == 0 || n > s->limits.parts_max)
		return submit(op, ERR_INVALID, "bad number of parts");
	return submit_target(op, t);
}

struct store_op *
store_abort(struct store *s, struct store_target t, store_done_fn *fn,
	    void *arg)
{
	return submit_target(store_op_new(s, STORE_CALL_ABORT, fn, arg), t);
}

struct store_op *
store_list_uploads(struct store *s, const char *key, store_done_fn *fn,
		   void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_LIST_UPLOADS, fn, arg);

	if (*key)
		return submit_key(op, key);
	store_op_call(op)->key = key;
	return submit(op, ERR_OK, NULL);
}

struct store_op *
store_head(struct store *s, const char *key, store_done_fn *fn, void *arg)
{
	return submit_key(store_op_new(s, STORE_CALL_HEAD, fn, arg), key);
}

struct store_op *
store_get(struct store *s, const char *key, const char *etag,
	  struct store_range range, store_done_fn *fn, void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_GET, fn, arg);
	struct store_call *c = store_op_call(op);

	c->etag = etag;
	c->off = range.off;
	c->len = range.len;
	if (range.len == 0 || range.len > STORE_GET_MAX ||
	    range.off > INT64_MAX - range.len)
		return submit(op, ERR_INVALID, "bad range");
	return submit_key(op, key);
}

struct store_op *
store_list(struct store *s, const char *prefix, const char *marker,
	   store_done_fn *fn, void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_LIST, fn, arg);
	struct store_call *c = store_op_call(op);
	size_t n = strnlen(prefix, STORE_KEY_MAX + 1);

	c->key = prefix;
	c->marker = marker;
	if (n > STORE_KEY_MAX || (n && prefix[n - 1] != '/'))
		return submit(op, ERR_INVALID, "a prefix must end in '/'");
	return submit(op, ERR_OK, NULL);
}

struct store_op *
store_delete(struct store *s, const char *key, store_done_fn *fn, void *arg)
{
	return submit_key(store_op_new(s, STORE_CALL_DELETE, fn, arg), key);
}

struct store_op *
store_copy(struct store *s, const struct store_copy *copy, const char *to,
	   const struct store_meta *meta, store_done_fn *fn, void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_COPY, fn, arg);
	struct store_call *c = store_op_call(op);

	c->copy = *copy;
	c->to = to;
	if (meta)
		c->meta = *meta;
	if (!key_ok(to))
		return submit(op, ERR_INVALID, "bad length of a key");
	return submit_key(op, copy->from);
}

struct store_op *
store_move(struct store *s, const char *from, const char *to, store_done_fn *fn,
	   void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_MOVE, fn, arg);

	store_op_call(op)->to = to;
	if (!key_ok(to))
		return submit(op, ERR_INVALID, "bad length of a key");
	return submit_key(op, from);
}

struct store_op *
store_touch(struct store *s, const char *key, int64_t mtime, store_done_fn *fn,
	    void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_TOUCH, fn, arg);

	store_op_call(op)->mtime = mtime;
	return submit_key(op, key);
}

struct store_op *
store_presign(struct store *s, const char *key, struct store_grant grant,
	      store_done_fn *fn, void *arg)
{
	struct store_op *op = store_op_new(s, STORE_CALL_PRESIGN, fn, arg);

	store_op_call(op)->grant = grant;
	if (grant.seconds == 0 || grant.seconds > STORE_GRANT_MAX_S) {
		store_op_call(op)->key = key;
		return submit(op, ERR_INVALID, "1 second to 7 days");
	}
	return submit_key(op, key);
}
