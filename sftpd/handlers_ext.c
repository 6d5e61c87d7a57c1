/* SPDX-License-Identifier: Apache-2.0 */
/* Extensions (OpenSSH's PROTOCOL file, section 4). */
#include <stdlib.h>
#include <string.h>

#include "bridge/names.h"
#include "lib/mem.h"
#include "sftpd/channel.h"
#include "sftpd/conn.h"
#include "sftpd/handlers.h"
#include "sftpd/wire.h"

#define IDS_MAX 1024u /* of one request */

enum err
parse_nothing(struct req *r, struct sftp_reader *in)
{
	(void)r;
	(void)in;
	return ERR_OK;
}

void
start_limits(struct req *r)
{
	sftp_reply_limits(&r->ch->out, r->id);
	req_end(r);
}

static void
space_known(void *arg, enum err err, const char *why,
	    const struct vfs_space *space)
{
	struct req *r = arg;

	if (err) {
		req_status(r, err, why);
		return;
	}
	sftp_reply_statvfs(&r->ch->out, r->id, space);
	req_end(r);
}

void
start_statvfs(struct req *r)
{
	vfs_space(r->ch->c->session, space_known, r);
}

/* "~", "~/x" and "~ann/x", where only one's own home exists: it is "/". */
enum err
parse_expand(struct req *r, struct sftp_reader *in)
{
	const struct user *user = session_user(r->ch->c->session);
	char path[JOURNAL_PATH_MAX + 1];
	const char *s;
	const uint8_t *raw;
	uint32_t len;
	size_t name = 0;
	enum err err;

	raw = sftp_read_string(in, &len);
	if (in->bad)
		return ERR_OK;
	s = (const char *)raw;
	if (len > 0 && s[0] == '~') {
		s++;
		len--;
		while (name < len && s[name] != '/')
			name++;
		if (name > 0 && (name != strlen(user->name) ||
				 memcmp(s, user->name, name) != 0)) {
			r->why = "no such home";
			return ERR_NOT_FOUND;
		}
	}
	err = names_path("/", s + name, len - name, path);
	if (err != ERR_OK) {
		r->why = "this name is not allowed here";
		return err;
	}
	r->path = mem_strdup(path);
	return ERR_OK;
}

/* Of no name, and of one's own: others' homes are nobody's business. */
enum err
parse_home(struct req *r, struct sftp_reader *in)
{
	const struct user *user = session_user(r->ch->c->session);
	const uint8_t *name;
	uint32_t len;

	name = sftp_read_string(in, &len);
	if (in->bad)
		return ERR_OK;
	if (len > 0 &&
	    (len != strlen(user->name) || memcmp(name, user->name, len) != 0)) {
		r->why = "no such home";
		return ERR_NOT_FOUND;
	}
	r->path = mem_strdup("/");
	return ERR_OK;
}

enum err
parse_ids(struct req *r, struct sftp_reader *in)
{
	const uint8_t *uids, *gids;
	uint32_t nuids, ngids;

	uids = sftp_read_string(in, &nuids);
	gids = sftp_read_string(in, &ngids);
	if (in->bad)
		return ERR_OK;
	if (nuids % 4 != 0 || ngids % 4 != 0) {
		in->bad = true;
		return ERR_OK;
	}
	if (nuids / 4 + ngids / 4 > IDS_MAX) {
		r->why = "too many ids at once";
		return ERR_TOO_LARGE;
	}
	r->nuids = nuids / 4;
	buf_init(&r->ids, (size_t)4 * IDS_MAX);
	buf_add(&r->ids, uids, nuids);
	buf_add(&r->ids, gids, ngids);
	return ERR_OK;
}

/* There is one user, with a group of that name; all else has no name. */
void
start_ids(struct req *r)
{
	const struct user *user = session_user(r->ch->c->session);
	struct sftp_reader in;
	struct buf names[2];
	size_t i;

	buf_init(&names[0], IDS_MAX * (sizeof(user->name) + 4));
	buf_init(&names[1], IDS_MAX * (sizeof(user->name) + 4));
	sftp_reader_init(&in, buf_data(&r->ids), buf_len(&r->ids));
	for (i = 0; in.left > 0; i++)
		buf_add_string(&names[i < r->nuids ? 0 : 1],
			       sftp_read_u32(&in) == WIRE_ID ? user->name : "");
	sftp_reply_id_names(&r->ch->out, r->id, &names[0], &names[1]);
	buf_free(&names[0]);
	buf_free(&names[1]);
	req_end(r);
}

/* The handle that is written comes first in r: later WRITEs wait for it. */
enum err
parse_copy(struct req *r, struct sftp_reader *in)
{
	enum err err = req_read_file(r, in);

	if (err != ERR_OK)
		return err;
	r->h2 = r->h;
	r->off = sftp_read_u64(in);
	r->length = sftp_read_u64(in);
	err = req_read_file(r, in);
	if (err != ERR_OK)
		return err;
	r->to_off = sftp_read_u64(in);
	if (in->bad)
		return ERR_OK;
	if (r->h == r->h2 || !(r->h->flags & VFS_WRITE)) {
		r->why = "a copy goes from a file open for reading to another "
			 "one open for writing";
		return ERR_INVALID;
	}
	return ERR_OK;
}

void
start_copy(struct req *r)
{
	const struct vfs_copy copy = { .from = r->h2->file,
				       .to = r->h->file,
				       .from_off = r->off,
				       .len = r->length,
				       .to_off = r->to_off };

	vfs_file_copy(&copy, req_done, r);
}
