/* SPDX-License-Identifier: Apache-2.0 */
/* OPEN for reading: the published object, unless it is hidden. */
#include "bridge/download.h"
#include "bridge/transfer.h"
#include "bridge/vfs_private.h"
#include "lib/clock.h"

/* The user's rate, which all sessions of the user share. */
static unsigned
rate_take(void *arg, uint64_t n)
{
	const struct vfs_file *f = arg;
	const struct user *u = session_user(f->s);
	struct ledger_flow flow = { .download = true, .bytes = n };

	flow.rate = u->download_rate;
	if (!flow.rate)
		return 0;
	return ledger_rate_take(session_bridge(f->s)->ledger, u->name, &flow,
				clock_ms());
}

void
vfs_read_begin(struct vfs_file *f, const struct store_object *o)
{
	f->read_since = clock_ms();
	f->r = download_open(session_bridge(f->s)->downloads, f->name.store,
			     f->name.literal, o);
	if (session_user(f->s)->download_rate)
		download_limit(f->r, rate_take, f);
}

static void
log_end(const struct vfs_file *f, bool whole)
{
	struct session *s = f->s;
	struct download_sent sent;
	struct transfer_end end = { .session = session_id(s),
				    .user = session_user(s)->name,
				    .protocol = session_protocol(s),
				    .addr = session_peer(s),
				    .path = f->name.path,
				    .ms = clock_ms() - f->read_since };

	download_sent(f->r, &sent);
	end.bytes = sent.bytes;
	end.outcome = sent.failed ? TRANSFER_FAILED
		      : whole && sent.top >= download_size(f->r)
			      ? TRANSFER_COMPLETE
			      : TRANSFER_ABORTED;
	if (sent.asked)
		transfer_log(session_bridge(s), &end);
}

void
vfs_read_end(struct vfs_file *f, bool whole)
{
	if (!f->r)
		return;
	log_end(f, whole);
	download_free(f->r);
	f->r = NULL;
}

static void
read_folder(struct vfs_call *c)
{
	vfs_call_end(c, c->err ? c->err : ERR_IS_DIR, NULL);
}

static void
read_ready(struct vfs_call *c)
{
	c->file = vfs_file_new(c);
	vfs_read_begin(c->file, &c->object);
	c->file->mtime = c->st.mtime;
	vfs_call_end(c, ERR_OK, NULL);
}

static void
read_headed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	if (res->err == ERR_NOT_FOUND) {
		vfs_folder_look(c, read_folder);
		return;
	}
	if (res->err) {
		vfs_call_end(c, res->err, res->why);
		return;
	}
	c->object = res->object;
	vfs_stat_object(&c->st, &res->object);
	vfs_attrs_look(c, read_ready);
}

static void
read_looked(void *arg, const struct journal_reply *r)
{
	struct vfs_call *c = arg;

	c->journal = false;
	if (!r->err && r->upload && *r->upload->hidden_etag)
		vfs_call_end(c, ERR_NOT_FOUND, NULL);
	else
		c->op = store_head(c->name.store, c->name.literal, read_headed,
				   c);
}

void
vfs_open_read(struct vfs_call *c)
{
	c->journal = true;
	journal_find(session_bridge(c->s)->journal, store_name(c->name.store),
		     c->name.literal, read_looked, c);
}
