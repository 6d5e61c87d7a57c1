/* SPDX-License-Identifier: Apache-2.0 */
/* What the server says of itself, and agreements of little consequence. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "ftpd/handler.h"
#include "ftpd/listing.h"
#include "ftpd/transfer.h"

#define TEXT_MAX 4096

/* RFC 2389 section 3.2: a line for each feature, each behind one space. */
void
handle_feat(struct control *c, const char *arg)
{
	struct buf b;

	(void)arg;
	buf_init(&b, TEXT_MAX);
	buf_add_text(&b, "211-Features:\r\n");
	if (c->ftpd->tls)
		buf_add_text(&b, " AUTH TLS\r\n PBSZ\r\n PROT\r\n");
	buf_add_text(&b, " CLNT\r\n EPRT\r\n EPSV\r\n MDTM\r\n MFMT\r\n ");
	listing_features(&b, c->facts);
	buf_add_text(&b, "\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n UTF8\r\n"
			 "211 End.\r\n");
	control_send(c, &b);
	buf_free(&b);
}

#define SITE_COMMANDS "SITE commands: CHMOD HELP QUOTA UTIME"

static void
help_command(struct control *c, const char *word)
{
	struct command cmd;

	command_parse(word, &cmd);
	if (!cmd.row)
		control_reply(c, 502, "Not a known command.");
	else if (cmd.row->flags & COMMAND_REFUSED)
		control_reply(c, 214, "%s is not offered here.", cmd.row->name);
	else if (cmd.row->verb == FTP_SITE)
		control_reply(c, 214, SITE_COMMANDS);
	else
		control_reply(c, 214, "%s %s an argument.", cmd.row->name,
			      cmd.row->flags & COMMAND_ARG ? "needs"
							   : "may do without");
}

void
handle_help(struct control *c, const char *arg)
{
	struct buf b;
	size_t i, n = 0;

	if (arg[0] != '\0') {
		help_command(c, arg);
		return;
	}
	buf_init(&b, TEXT_MAX);
	buf_add_text(&b, "214-These commands are known:");
	for (i = 0; i < command_count; i++)
		if (!(command_rows[i].flags & COMMAND_REFUSED))
			buf_printf(&b, "%s %s", n++ % 12 ? "" : "\r\n",
				   command_rows[i].name);
	buf_add_text(&b, "\r\n214 End.\r\n");
	control_send(c, &b);
	buf_free(&b);
}

void
handle_noop(struct control *c, const char *arg)
{
	(void)arg;
	control_reply(c, 200, "Still here.");
}

void
handle_clnt(struct control *c, const char *arg)
{
	/* WinSCP says that it is FileZilla; it shares the code. */
	c->pings = strncasecmp(arg, "FileZilla", 9) == 0;
	control_reply(c, 200, "Noted.");
}

void
handle_quit(struct control *c, const char *arg)
{
	(void)arg;
	control_bye(c, 221, "Goodbye.");
}

/* Clients take the words for the form of LIST. */
void
handle_syst(struct control *c, const char *arg)
{
	(void)arg;
	control_reply(c, 215, "UNIX Type: L8");
}

static void
opts_mlst(struct control *c, const char *arg)
{
	struct buf b;

	c->facts = listing_choose(arg);
	buf_init(&b, TEXT_MAX);
	buf_add_text(&b, "MLST OPTS ");
	listing_chosen(&b, c->facts);
	control_reply(c, 200, "%s", buf_cstr(&b));
	buf_free(&b);
}

void
handle_opts(struct control *c, const char *arg)
{
	size_t len;
	const char *rest = command_word(arg, &len);

	if (len == 4 && strncasecmp(arg, "MLST", 4) == 0)
		opts_mlst(c, rest);
	else if (strcasecmp(arg, "UTF8 ON") == 0 ||
		 strcasecmp(arg, "UTF8") == 0 ||
		 strcasecmp(arg, "UTF-8 ON") == 0)
		control_reply(c, 200, "Names are in UTF-8.");
	else if (strcasecmp(arg, "REST STOR") == 0)
		control_reply(c, 200, "STOR may follow REST.");
	else if (strncasecmp(arg, "UTF8 ", 5) == 0)
		control_reply(c, 504, "Names are always in UTF-8.");
	else
		control_reply(c, 501, "No such option.");
}

static void
quota_line(struct buf *b, const char *what, uint64_t used, uint64_t total)
{
	if (total == UINT64_MAX)
		buf_printf(b, " %s: no limit\r\n", what);
	else
		buf_printf(b, " %s: %" PRIu64 " of %" PRIu64 " used\r\n", what,
			   used, total);
}

static void
quota_known(void *arg, enum err err, const char *why,
	    const struct vfs_space *space)
{
	struct control *c = arg;
	struct buf b;

	if (err) {
		control_result(c, err, why, "");
		control_done(c);
		return;
	}
	buf_init(&b, TEXT_MAX);
	buf_add_text(&b, "200-Your quota, uploads in progress included:\r\n");
	quota_line(&b, "bytes", space->used, space->total);
	quota_line(&b, "files", space->files_used, space->files_total);
	buf_add_text(&b, "200 End.\r\n");
	control_send(c, &b);
	buf_free(&b);
	control_done(c);
}

/* As proftpd's mod_quotatab has it: what is used, and of how much. */
static void
site_quota(struct control *c)
{
	if (!session_user(c->session)) {
		control_reply(c, 530, "Log in first.");
		return;
	}
	c->busy = true;
	vfs_space(c->session, quota_known, c);
}

void
handle_site(struct control *c, const char *arg)
{
	size_t len;
	const char *rest = command_word(arg, &len);

	if (len == 4 && strncasecmp(arg, "HELP", 4) == 0)
		control_reply(c, 214, SITE_COMMANDS);
	else if (len == 5 && strncasecmp(arg, "UTIME", 5) == 0)
		handle_site_utime(c, rest);
	else if (len == 5 && strncasecmp(arg, "QUOTA", 5) == 0)
		site_quota(c);
	else if (len == 5 && strncasecmp(arg, "CHMOD", 5) == 0)
		handle_site_chmod(c, rest);
	else
		control_reply(c, 504, "No such SITE command.");
}

static void
own_status(struct control *c)
{
	struct buf b;

	buf_init(&b, TEXT_MAX);
	buf_add_text(&b, "211-Status of this session:\r\n");
	buf_printf(&b, " User %s from %s\r\n", c->user,
		   session_peer(c->session));
	buf_printf(&b, " Control connection: %s\r\n", c->ssl ? "TLS" : "plain");
	buf_printf(&b, " Data connections: %s, TYPE %s\r\n",
		   c->protect ? "TLS" : "plain", c->ascii ? "A" : "I");
	buf_add_text(&b, "211 End.\r\n");
	control_send(c, &b);
	buf_free(&b);
}

void
handle_stat(struct control *c, const char *arg)
{
	if (arg[0] != '\0')
		handle_stat_path(c, arg);
	else if (c->transfer)
		c->transfer->ops->status(c->transfer);
	else
		own_status(c);
}
