/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder as an object store: the embedded default, so that the gateway runs
 * on a bare machine. Settings of [store.NAME]:
 *
 *   type = local
 *   path = /srv/media      the root; must exist, or be made with the next key
 *   create = no            make it (and its parents) when it is missing
 *   part_size = 16M        as for every store
 *
 * Rights needed: read, write and search on the root; .sluice in it is the
 * driver's own. The file system must have user extended attributes, the
 * kernel openat2(). A key is a path below the root, of components of at most
 * 255 bytes; a key whose first component is .sluice is refused
 * (ERR_DENIED). Symbolic links and special files are never followed and
 * never shown. Folders that became empty stay.
 *
 * Each object is complete and synced before a rename gives it its name, so a
 * crash leaves the old object or the new one. Trade-offs: no versions, no
 * server side encryption; a part is read once and written once, in the pool.
 */
#include "bridge/store_local.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

#define PART_SIZE (16u << 20)
#define PART_MAX (5ull << 30)

static local_run_fn *const runs[STORE_CALLS] = {
	[STORE_CALL_PROBE] = local_probe,
	[STORE_CALL_PUT] = local_put,
	[STORE_CALL_BEGIN] = local_begin,
	[STORE_CALL_PUT_PART] = local_put_part,
	[STORE_CALL_COPY_PART] = local_put_part,
	[STORE_CALL_LIST_PARTS] = local_list_parts,
	[STORE_CALL_COMPLETE] = local_complete,
	[STORE_CALL_ABORT] = local_abort,
	[STORE_CALL_LIST_UPLOADS] = local_list_uploads,
	[STORE_CALL_HEAD] = local_head,
	[STORE_CALL_GET] = local_get,
	[STORE_CALL_LIST] = local_list,
	[STORE_CALL_DELETE] = local_delete,
	[STORE_CALL_COPY] = local_copy,
	[STORE_CALL_MOVE] = local_move,
	[STORE_CALL_TOUCH] = local_touch,
};

static enum err
check_keys(struct local_job *j)
{
	const char *keys[] = { j->key, j->to, j->from };
	enum err err = ERR_OK;

	for (size_t i = 0; !err && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i])
			err = local_key_check(j, keys[i]);
	return err;
}

static enum err
run_checked(struct local_job *j)
{
	enum err err = local_still_wanted(j);

	if (!err)
		err = check_keys(j);
	if (err)
		return err;
	err = local_tree_ready(j);
	/* A folder that is not mounted says nothing about its objects. */
	if (err && j->kind != STORE_CALL_PROBE)
		return ERR_AGAIN;
	return err ? err : runs[j->kind](j);
}

/* In the pool, also for a call that was given up: closing may block. */
static void
clean_up(struct local_job *j)
{
	local_close(&j->src);
	local_close(&j->dst);
	local_close(&j->parts);
	if (j->temp[0])
		unlinkat(j->tree->temp, j->temp, 0);
	j->temp[0] = '\0';
}

static void
job_run(struct work *w)
{
	struct local_job *j = (struct local_job *)w;

	j->more = false;
	j->res.err = run_checked(j);
	if (j->res.err)
		j->more = false;
	if (!j->more)
		clean_up(j);
}

static void
job_free(struct local_job *j)
{
	local_tree_drop(j->tree);
	pthread_mutex_destroy(&j->lock);
	free(j->key);
	free(j->to);
	free(j->from);
	free(j->backend_id);
	free(j->etag);
	free(j->marker);
	free(j->sluice_id);
	free(j->content_type);
	free(j->want);
	free(j->out_parts);
	free(j->out_uploads);
	free(j->out_entries);
	free(j->text);
	free(j->data);
	free(j);
}

static void
job_done(struct work *w)
{
	struct local_job *j = (struct local_job *)w;
	struct store_call *c = j->call;

	if (j->more) {
		work_submit(w->pool, w);
		return;
	}
	if (c) {
		c->driver = NULL;
		str_copy(c->detail, sizeof(c->detail), j->detail);
		store_call_done(c, &j->res);
	}
	job_free(j);
}

static void
copy_parts(struct local_job *j, const struct store_call *c)
{
	j->nwant = c->nparts;
	j->want = mem_array(c->nparts + 1, sizeof(*j->want));
	if (c->nparts)
		memcpy(j->want, c->parts, c->nparts * sizeof(*j->want));
}

static void
copy_arguments(struct local_job *j, const struct store_call *c)
{
	j->kind = c->kind;
	j->key = mem_strdup(c->key ? c->key : "");
	j->to = mem_strdup(c->to);
	j->from = mem_strdup(c->copy.from);
	j->backend_id = mem_strdup(c->backend_id);
	j->etag = mem_strdup(c->etag ? c->etag : c->copy.from_etag);
	j->marker = mem_strdup(c->marker);
	j->sluice_id = mem_strdup(c->meta.sluice_id);
	j->content_type = mem_strdup(c->meta.content_type);
	j->mtime = c->kind == STORE_CALL_TOUCH ? c->mtime : c->meta.mtime;
	j->body = c->body;
	j->no = c->no;
	j->off = c->off;
	j->len = c->len;
	j->dst_off = j->from && j->to ? 0 : c->off;
	j->total = j->from ? c->len : c->body.len;
	if (c->kind == STORE_CALL_PUT || j->to)
		j->off = j->dst_off = 0;
	if (c->kind == STORE_CALL_COMPLETE)
		copy_parts(j, c);
}

static void
local_start(struct store *s, struct store_call *c)
{
	struct local_job *j = mem_alloc(sizeof(*j));

	j->work.run = job_run;
	j->work.done = job_done;
	j->tree = s->driver;
	j->tree->refs++;
	j->call = c;
	j->src = j->dst = j->parts = -1;
	pthread_mutex_init(&j->lock, NULL);
	copy_arguments(j, c);
	c->driver = j;
	work_submit(s->env.pool, &j->work);
}

static void
local_cancel(struct store *s, struct store_call *c)
{
	struct local_job *j = c->driver;

	(void)s;
	if (!j)
		return;
	pthread_mutex_lock(&j->lock);
	j->canceled = true;
	pthread_mutex_unlock(&j->lock);
	j->call = NULL;
	c->driver = NULL;
}

static enum err
local_store_open(struct store *s, struct conf *conf, const char *section)
{
	const char *path = conf_need(conf, section, "path");
	bool create = conf_bool(conf, section, "create", false);

	s->limits = (struct store_limits){
		.part_min = 1,
		.part_max = PART_MAX,
		.part_base = PART_SIZE,
		.put_max = PART_MAX,
		.copy_max = INT64_MAX,
		.object_max = INT64_MAX,
		.parts_max = LOCAL_PARTS_MAX,
	};
	store_conf_parts(conf, section, &s->limits);
	if (!path)
		return ERR_INVALID;
	if (path[0] != '/') {
		conf_complain(conf, section, "path",
			      "\"%s\" is not an absolute path", path);
		return ERR_INVALID;
	}
	s->driver = local_tree_new(path, create);
	return ERR_OK;
}

static void
local_store_close(struct store *s)
{
	local_tree_drop(s->driver);
	s->driver = NULL;
}

const struct store_ops store_local = {
	.kind = "local",
	.open = local_store_open,
	.close = local_store_close,
	.start = {
		[STORE_CALL_PROBE] = local_start,
		[STORE_CALL_PUT] = local_start,
		[STORE_CALL_BEGIN] = local_start,
		[STORE_CALL_PUT_PART] = local_start,
		[STORE_CALL_COPY_PART] = local_start,
		[STORE_CALL_LIST_PARTS] = local_start,
		[STORE_CALL_COMPLETE] = local_start,
		[STORE_CALL_ABORT] = local_start,
		[STORE_CALL_LIST_UPLOADS] = local_start,
		[STORE_CALL_HEAD] = local_start,
		[STORE_CALL_GET] = local_start,
		[STORE_CALL_LIST] = local_start,
		[STORE_CALL_DELETE] = local_start,
		[STORE_CALL_COPY] = local_start,
		[STORE_CALL_MOVE] = local_start,
		[STORE_CALL_TOUCH] = local_start,
	},
	.cancel = local_cancel,
};
