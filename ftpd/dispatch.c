/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/handler.h"

#include "lib/log.h"

static handler_fn *const handlers[FTP_UNKNOWN] = {
	[FTP_ABOR] = handle_abor, [FTP_ALLO] = handle_allo,
	[FTP_APPE] = handle_appe, [FTP_AUTH] = handle_auth,
	[FTP_CDUP] = handle_cdup, [FTP_CLNT] = handle_clnt,
	[FTP_CWD] = handle_cwd,	  [FTP_DELE] = handle_dele,
	[FTP_EPRT] = handle_eprt, [FTP_EPSV] = handle_epsv,
	[FTP_FEAT] = handle_feat, [FTP_HELP] = handle_help,
	[FTP_LIST] = handle_list, [FTP_MDTM] = handle_mdtm,
	[FTP_MFMT] = handle_mfmt, [FTP_MKD] = handle_mkd,
	[FTP_MLSD] = handle_mlsd, [FTP_MLST] = handle_mlst,
	[FTP_MODE] = handle_mode, [FTP_NLST] = handle_nlst,
	[FTP_NOOP] = handle_noop, [FTP_OPTS] = handle_opts,
	[FTP_PASS] = handle_pass, [FTP_PASV] = handle_pasv,
	[FTP_PBSZ] = handle_pbsz, [FTP_PORT] = handle_port,
	[FTP_PROT] = handle_prot, [FTP_PWD] = handle_pwd,
	[FTP_QUIT] = handle_quit, [FTP_REST] = handle_rest,
	[FTP_RETR] = handle_retr, [FTP_RMD] = handle_rmd,
	[FTP_RNFR] = handle_rnfr, [FTP_RNTO] = handle_rnto,
	[FTP_SITE] = handle_site, [FTP_SIZE] = handle_size,
	[FTP_STAT] = handle_stat, [FTP_STOU] = handle_stou,
	[FTP_REIN] = handle_rein, [FTP_STOR] = handle_stor,
	[FTP_STRU] = handle_stru, [FTP_SYST] = handle_syst,
	[FTP_TYPE] = handle_type, [FTP_USER] = handle_user,
};

static void
not_allowed(struct control *c, const struct command *cmd)
{
	log_info("ftpd", session_id(c->session), "refused",
		 KV_S("op", cmd->row->name), KV_S("path", cmd->arg),
		 KV_ERR(ERR_DENIED), KV_S("why", "the user has no right to"));
	control_reply(c, 550, "You may not do that.");
}

/* Says why not, or nothing when the command may be carried out. */
static bool
refused(struct control *c, const struct command *cmd)
{
	const struct command_row *row = cmd->row;
	unsigned right = row->right;

	if (!c->logged_in && !(row->flags & COMMAND_EARLY))
		control_reply(c, 530, "Log in first.");
	else if (row->flags & COMMAND_REFUSED)
		control_reply(c, 502, "%s is not offered here.", row->name);
	else if (row->flags & COMMAND_ARG && cmd->arg[0] == '\0')
		control_reply(c, 501, "%s needs an argument.", row->name);
	else if (right && !(session_user(c->session)->rights & right))
		not_allowed(c, cmd);
	else
		return false;
	return true;
}

void
control_dispatch(struct control *c, const char *line)
{
	struct command cmd;

	command_parse(line, &cmd);
	if (!cmd.row) {
		control_reply(c, 500, "Not a known command.");
		if (!c->logged_in && ++c->bad >= CONTROL_BAD_MAX)
			control_bye(c, 421, "This is an FTP server.");
		return;
	}
	log_debug("ftpd", session_id(c->session), "command",
		  KV_S("verb", cmd.row->name),
		  KV_S("arg", cmd.row->verb == FTP_PASS ? "" : cmd.arg));
	if (!refused(c, &cmd))
		handlers[cmd.row->verb](c, cmd.arg);
	if (cmd.row->flags & COMMAND_DATA) {
		c->rest = 0;
		c->has_allo = false;
	}
}
