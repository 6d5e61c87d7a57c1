/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/req.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "bridge/names.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sftpd/channel.h"
#include "sftpd/conn.h"
#include "sftpd/handle.h"
#include "sftpd/ops.h"
#include "sftpd/wire.h"

static void
req_free(struct req *r)
{
	free(r->path);
	free(r->path2);
	buf_free(&r->ids);
	free(r);
}

static struct req *
req_new(struct chan *ch, const struct op *op, uint32_t id)
{
	struct req *r = mem_alloc(sizeof(*r));

	r->ch = ch;
	r->op = op;
	r->id = id;
	r->why = "";
	return r;
}

static void
append(struct req *r)
{
	DL_APPEND(r->ch->reqs, r);
	r->ch->nreqs++;
	if (r->op->how & OP_BARRIER && r->h != NULL)
		r->h->barriers++;
}

static void
unlink_req(struct req *r)
{
	DL_DELETE(r->ch->reqs, r);
	r->ch->nreqs--;
	if (r->op->how & OP_BARRIER && r->h != NULL)
		r->h->barriers--;
}

void
req_end(struct req *r)
{
	struct conn *c = r->ch->c;

	unlink_req(r);
	req_free(r);
	conn_wake(c);
}

static const char *
first_path(const struct req *r)
{
	if (r->path != NULL)
		return r->path;
	return r->h != NULL && r->op->how & OP_CHANGES ? r->h->path : NULL;
}

/* Clients show little of a refusal: who runs the daemon finds it here. */
static void
log_refused(const struct req *r, enum err err, const char *why)
{
	if (err == ERR_OK || r->silent || !(r->op->how & OP_TELLS))
		return;
	log_info("sftpd", session_id(r->ch->c->session), "refused",
		 KV_S("op", r->op->name), KV_S("path", first_path(r)),
		 KV_ERR(err), KV_S("why", why),
		 { .key = "to", /* of two paths only */
		   .type = r->path2 ? LOG_STR : LOG_END,
		   .v.s = r->path2 });
}

void
req_fx(struct req *r, enum sftp_fx fx, const char *why)
{
	if (!r->silent)
		sftp_reply_status(&r->ch->out, r->id, fx, why);
	req_end(r);
}

void
req_status(struct req *r, enum err err, const char *why)
{
	if (err != ERR_OK && why[0] == '\0')
		why = err_text(err);
	/* The words that every other server uses: programs look for them. */
	if (err == ERR_NOT_FOUND && strcmp(why, err_text(err)) == 0)
		why = "No such file or directory";
	log_refused(r, err, why);
	req_fx(r, wire_status(err), err == ERR_OK ? "" : why);
}

void
req_done(void *arg, enum err err, const char *why)
{
	req_status(arg, err, why);
}

void
req_stat_done(void *arg, enum err err, const char *why,
	      const struct vfs_stat *st)
{
	struct req *r = arg;
	struct sftp_attrs a;

	if (err != ERR_OK) {
		req_status(r, err, why);
		return;
	}
	wire_attrs(&a, st);
	sftp_reply_attrs(&r->ch->out, r->id, &a);
	req_end(r);
}

/* True if one is the other, or a folder above it when `above` is asked. */
static bool
touches(const char *a, const char *b, bool above)
{
	size_t n = strlen(a), m = strlen(b);
	const char *tmp;

	if (n > m) {
		tmp = a;
		a = b;
		b = tmp;
		m = n;
		n = strlen(a);
	}
	if (strncmp(a, b, n) != 0)
		return false;
	return n == m || (above && (b[n] == '/' || n == 1));
}

static bool
shares_handle(const struct req *x, const struct req *y)
{
	if (x->h != NULL && (x->h == y->h || x->h == y->h2))
		return true;
	return x->h2 != NULL && (x->h2 == y->h || x->h2 == y->h2);
}

bool
req_conflict(const struct req *x, const struct req *y)
{
	const char *a[2] = { first_path(x), x->path2 };
	const char *b[2] = { first_path(y), y->path2 };
	bool above = x->op->how & y->op->how & OP_CHANGES;
	int i, j;

	if (shares_handle(x, y))
		return true;
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 2; j++) {
			if (a[i] != NULL && b[j] != NULL &&
			    touches(a[i], b[j], above))
				return true;
		}
	}
	return false;
}

static bool
must_wait(const struct req *r)
{
	const struct chan *ch = r->ch;
	const struct req *x;

	if (r->op->how & OP_SENDS &&
	    buf_len(&ch->out) + ch->reading >= CHAN_OUT_HIGH)
		return true;
	for (x = ch->reqs; x != r; x = x->next) {
		if (req_conflict(x, r))
			return true;
	}
	return false;
}

void
reqs_run(struct chan *ch)
{
	struct req *r, *next;

	for (r = ch->reqs; r != NULL; r = next) {
		next = r->next;
		if (r->running || must_wait(r))
			continue;
		r->running = true;
		r->op->start(r);
	}
}

void
reqs_drop(struct chan *ch, bool all)
{
	struct req *r, *next;

	for (r = ch->reqs; r != NULL; r = next) {
		next = r->next;
		if (!all && (r->running || r->op->how & OP_CHANGES))
			continue;
		unlink_req(r);
		req_free(r);
	}
}

void
reqs_forget_handle(struct chan *ch, struct handle *h)
{
	struct req *r;

	for (r = ch->reqs; r != NULL; r = r->next) {
		if (r->h == h)
			r->h = NULL;
		if (r->h2 == h)
			r->h2 = NULL;
	}
}

enum err
req_read_path(struct req *r, struct sftp_reader *in, char **out)
{
	char path[JOURNAL_PATH_MAX + 1];
	const uint8_t *raw;
	uint32_t len;
	enum err err;

	raw = sftp_read_string(in, &len);
	if (in->bad)
		return ERR_OK;
	err = names_path("/", (const char *)raw, len, path);
	if (err != ERR_OK) {
		r->why = "this name is not allowed here";
		return err;
	}
	free(*out);
	*out = mem_strdup(path);
	return ERR_OK;
}

enum err
req_read_handle(struct req *r, struct sftp_reader *in)
{
	const uint8_t *wire;
	uint32_t len;

	wire = sftp_read_string(in, &len);
	if (in->bad)
		return ERR_OK;
	r->h = handle_find(&r->ch->handles, wire, len);
	if (r->h != NULL)
		return ERR_OK;
	r->why = "unknown handle";
	return ERR_INVALID;
}

enum err
req_read_file(struct req *r, struct sftp_reader *in)
{
	enum err err = req_read_handle(r, in);

	if (err != ERR_OK || in->bad || r->h->file != NULL)
		return err;
	r->why = "not a file's handle";
	return ERR_INVALID;
}

static bool
allowed(const struct chan *ch, const struct op *op)
{
	const struct user *user = session_user(ch->c->session);

	return op->right == 0 || user->rights & op->right;
}

static void
take(struct chan *ch, const struct op *op, uint32_t id, struct sftp_reader *in)
{
	struct req *r = req_new(ch, op, id);
	enum err err = op->parse(r, in);

	if (in->bad) {
		sftp_reply_status(&ch->out, id, SFTP_FX_BAD_MESSAGE,
				  "the packet is cut short");
		log_info("sftpd", session_id(ch->c->session), "bad_packet",
			 KV_S("op", op->name));
		req_free(r);
		return;
	}
	if (err == ERR_OK && !allowed(ch, op)) {
		err = ERR_DENIED;
		r->why = "you may not do this";
	}
	if (err != ERR_OK) {
		log_refused(r, err, r->why);
		sftp_reply_status(&ch->out, id, wire_status(err), r->why);
		req_free(r);
		return;
	}
	append(r);
	if (op->type == SFTP_CLOSE)
		handle_detach(r->h);
}

void
req_packet(struct chan *ch, const struct sftp_packet *packet)
{
	struct sftp_reader in;
	const struct op *op;
	uint32_t id;

	sftp_reader_init(&in, packet->body, packet->len);
	if (packet->type == SFTP_INIT || !ch->started) {
		ops_init(ch, packet->type, &in);
		return;
	}
	id = sftp_read_u32(&in);
	if (in.bad) {
		chan_bad(ch, "packet without an id");
		return;
	}
	op = ops_find(packet->type, &in);
	if (op == NULL)
		sftp_reply_status(&ch->out, id, SFTP_FX_OP_UNSUPPORTED,
				  "not offered here");
	else
		take(ch, op, id, &in);
}

struct req *
req_own(struct chan *ch, const struct op *op, struct handle *h)
{
	struct req *r = req_new(ch, op, 0);

	r->silent = true;
	r->h = h;
	append(r);
	conn_wake(ch->c);
	return r;
}

void
req_abandon(struct handle *h)
{
	req_own(h->ch, &op_abandon, h);
	handle_detach(h);
}
