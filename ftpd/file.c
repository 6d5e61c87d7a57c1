/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and files without a data connection. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ftpd/handler.h"
#include "ftpd/listing.h"
#include "ftpd/reply.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Replies for the path between quotes, as PWD and MKD do. */
static void
reply_path(struct control *c, const char *path, const char *rest)
{
	struct buf b;

	buf_init(&b, 3 * JOURNAL_PATH_MAX);
	reply_quote(&b, path);
	buf_add_text(&b, rest);
	control_reply(c, 257, "%s", buf_cstr(&b));
	buf_free(&b);
}

void
handle_pwd(struct control *c, const char *arg)
{
	(void)arg;
	reply_path(c, c->cwd, " is the working folder.");
}

static void
cwd_done(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct control *c = arg;

	if (err) {
		control_result(c, err, why, "");
	} else if (!st->is_dir) {
		control_reply(c, 550, "Not a folder.");
	} else {
		str_copy(c->cwd, sizeof(c->cwd), c->path);
		control_reply(c, 250, "Done.");
	}
	control_done(c);
}

void
handle_cwd(struct control *c, const char *arg)
{
	if (!control_path(c, arg))
		return;
	c->busy = true;
	vfs_stat(c->session, c->path, cwd_done, c);
}

void
handle_cdup(struct control *c, const char *arg)
{
	(void)arg;
	handle_cwd(c, "..");
}

static void
done(void *arg, enum err err, const char *why)
{
	struct control *c = arg;

	control_result(c, err, why, "Done.");
	control_done(c);
}

/* Clients show little of a refusal: who runs the daemon finds it here. */
static void
path_done(struct control *c, const char *op, enum err err, const char *why)
{
	if (err)
		log_info("ftpd", session_id(c->session), "refused",
			 KV_S("op", op), KV_S("path", c->path), KV_ERR(err),
			 KV_S("why", why));
	control_result(c, err, why, "Done.");
	control_done(c);
}

static void
dele_done(void *arg, enum err err, const char *why)
{
	path_done(arg, "remove", err, why);
}

static void
rmd_done(void *arg, enum err err, const char *why)
{
	path_done(arg, "rmdir", err, why);
}

void
handle_dele(struct control *c, const char *arg)
{
	if (!control_path(c, arg))
		return;
	c->busy = true;
	vfs_remove(c->session, c->path, dele_done, c);
}

void
handle_rmd(struct control *c, const char *arg)
{
	if (!control_path(c, arg))
		return;
	c->busy = true;
	vfs_rmdir(c->session, c->path, rmd_done, c);
}

static void
mkd_done(void *arg, enum err err, const char *why)
{
	struct control *c = arg;

	if (err)
		control_result(c, err, why, "");
	else
		reply_path(c, c->path, " has been made.");
	control_done(c);
}

void
handle_mkd(struct control *c, const char *arg)
{
	if (!control_path(c, arg))
		return;
	c->busy = true;
	vfs_mkdir(c->session, c->path, mkd_done, c);
}

static void
rnfr_done(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct control *c = arg;

	(void)st;
	if (err) {
		control_result(c, err, why, "");
	} else {
		str_copy(c->rename, sizeof(c->rename), c->path);
		control_reply(c, 350, "Now RNTO.");
	}
	control_done(c);
}

void
handle_rnfr(struct control *c, const char *arg)
{
	c->rename[0] = '\0';
	if (!control_path(c, arg))
		return;
	c->busy = true;
	vfs_stat(c->session, c->path, rnfr_done, c);
}

static void
rnto_done(void *arg, enum err err, const char *why)
{
	struct control *c = arg;

	if (err)
		log_info("ftpd", session_id(c->session), "refused",
			 KV_S("op", "rename"), KV_S("path", c->rename),
			 KV_ERR(err), KV_S("why", why), KV_S("to", c->path));
	c->rename[0] = '\0';
	control_result(c, err, why, "Done.");
	control_done(c);
}

void
handle_rnto(struct control *c, const char *arg)
{
	if (c->rename[0] == '\0') {
		control_reply(c, 503, "RNFR comes first.");
		return;
	}
	if (!control_path(c, arg)) {
		c->rename[0] = '\0';
		return;
	}
	c->busy = true;
	vfs_rename(c->session, c->rename, c->path, true, rnto_done, c);
}

/* An APPE of the file is meant to begin there. */
static void
size_told(struct control *c, uint64_t size)
{
	str_copy(c->sized, sizeof(c->sized), c->path);
	c->size = size;
	control_reply(c, 213, "%" PRIu64, size);
}

static void
size_done(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct control *c = arg;

	if (err)
		control_result(c, err, why, "");
	else if (st->is_dir)
		control_reply(c, 550, "Not a file.");
	else
		size_told(c, st->size);
	control_done(c);
}

/* RFC 3659 section 4: what would be sent, which conversion leaves open. */
void
handle_size(struct control *c, const char *arg)
{
	if (control_converts(c)) {
		control_reply(c, 550, "SIZE needs TYPE I.");
		return;
	}
	if (!control_path(c, arg))
		return;
	c->busy = true;
	vfs_stat(c->session, c->path, size_done, c);
}

static void
mfmt_done(void *arg, enum err err, const char *why)
{
	struct control *c = arg;

	if (err)
		control_result(c, err, why, "");
	else
		control_reply(c, 213, "Modify is set; %s", c->path);
	control_done(c);
}

static void
set_mtime(struct control *c, int64_t mtime, vfs_done_fn *fn)
{
	struct vfs_attrs a = { .set = VFS_SET_MTIME, .mtime = mtime };

	c->busy = true;
	vfs_setstat(c->session, c->path, &a, fn, c);
}

static void
mdtm_set(struct control *c)
{
	str_copy(c->path, sizeof(c->path), c->touch);
	set_mtime(c, c->touch_mtime, mfmt_done);
}

static void
mdtm_done(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct control *c = arg;
	char when[24];

	if (err == ERR_NOT_FOUND && c->touch[0]) {
		mdtm_set(c);
		return;
	}
	if (err) {
		control_result(c, err, why, "");
	} else {
		listing_time(st->mtime, when);
		control_reply(c, 213, "%s", when);
	}
	control_done(c);
}

/*
 * "MDTM 20260131120000 path" sets the time, for clients that are older than
 * MFMT: unless there is a file of that very name.
 */
void
handle_mdtm(struct control *c, const char *arg)
{
	size_t len = strcspn(arg, " ");

	c->touch[0] = '\0';
	if (arg[len] == ' ' && command_time(arg, len, &c->touch_mtime) &&
	    names_path(c->cwd, arg + len + 1, strlen(arg + len + 1),
		       c->touch) != ERR_OK)
		c->touch[0] = '\0';
	if (!control_path(c, arg))
		return;
	c->busy = true;
	vfs_stat(c->session, c->path, mdtm_done, c);
}

static void
mlst_done(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct control *c = arg;
	struct listing l = { .kind = LISTING_MLSD, .facts = c->facts };
	struct buf b;

	if (err) {
		control_result(c, err, why, "");
	} else {
		l.rights = session_user(c->session)->rights;
		buf_init(&b, LISTING_LINE_MAX + JOURNAL_PATH_MAX);
		buf_add_text(&b, "250-Facts:\r\n ");
		listing_facts(&b, &l, st);
		buf_add_text(&b, c->path);
		buf_add_text(&b, "\r\n250 End.\r\n");
		control_send(c, &b);
		buf_free(&b);
	}
	control_done(c);
}

void
handle_mlst(struct control *c, const char *arg)
{
	if (!control_path(c, arg))
		return;
	c->busy = true;
	vfs_stat(c->session, c->path, mlst_done, c);
}

/* "MFMT 20260131120000 path" */
void
handle_mfmt(struct control *c, const char *arg)
{
	size_t len = strcspn(arg, " ");
	int64_t t;

	if (!command_time(arg, len, &t) || arg[len] != ' ') {
		control_reply(c, 501, "MFMT is YYYYMMDDHHMMSS and a path.");
		return;
	}
	if (control_path(c, arg + len + 1))
		set_mtime(c, t, mfmt_done);
}

void
handle_site_utime(struct control *c, const char *arg)
{
	char path[FTP_LINE_MAX + 1];
	const char *at;
	size_t len;
	int64_t t;

	if (!command_utime(arg, &at, &len, &t)) {
		control_reply(c, 501,
			      "SITE UTIME is YYYYMMDDHHMMSS and a "
			      "path.");
		return;
	}
	snprintf(path, sizeof(path), "%.*s", (int)len, at);
	if (control_path(c, path))
		set_mtime(c, t, done);
}

/* "644 path" */
void
handle_site_chmod(struct control *c, const char *arg)
{
	struct vfs_attrs a = { .set = VFS_SET_MODE };
	size_t len = strspn(arg, "01234567"), i;

	if (len == 0 || len > 4 || arg[len] != ' ') {
		control_reply(c, 501,
			      "SITE CHMOD is an octal mode and a "
			      "path.");
		return;
	}
	for (i = 0; i < len; i++)
		a.mode = a.mode * 8 + (uint32_t)(arg[i] - '0');
	if (!control_path(c, arg + len + 1))
		return;
	c->busy = true;
	vfs_setstat(c->session, c->path, &a, done, c);
}
