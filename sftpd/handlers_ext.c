/* SPDX-License-Identifier: Apache-2.0 */
/* Extensions (OpenSSH's PROTOCOL file, section 4). */
#include <stdlib.h>
#include <string.h>

#include "bridge/names.h"
#include "lib/mem.h"
#include "sftpd/channel.h"
#include "sftpd/conn.h"
#include "sftpd/handlers.h"

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
