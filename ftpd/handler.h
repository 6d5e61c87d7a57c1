/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What carries a command out. A handler replies, or sets c->busy and replies
 * later, with control_done() behind it. arg is valid during the call.
 */
#ifndef FTPD_HANDLER_H
#define FTPD_HANDLER_H

#include "ftpd/control.h"

typedef void handler_fn(struct control *c, const char *arg);

/* dispatch.c: finds the handler of one line, and whether it may be run. */
void control_dispatch(struct control *c, const char *line);

/* login.c */
handler_fn handle_auth, handle_pass, handle_pbsz, handle_prot, handle_rein,
	handle_user;

/* parameter.c: how the next transfer is made */
handler_fn handle_allo, handle_eprt, handle_epsv, handle_mode, handle_pasv,
	handle_port, handle_rest, handle_stru, handle_type;

/* upload.c, download.c, transfer.c */
handler_fn handle_appe, handle_retr, handle_stor, handle_stou, handle_abor;

/* list.c */
handler_fn handle_list, handle_mlsd, handle_nlst;

/* file.c */
handler_fn handle_cdup, handle_cwd, handle_dele, handle_mdtm, handle_mfmt,
	handle_mkd, handle_mlst, handle_pwd, handle_rmd, handle_rnfr,
	handle_rnto, handle_size;

/* feature.c */
handler_fn handle_clnt, handle_feat, handle_help, handle_noop, handle_opts,
	handle_quit, handle_site, handle_stat, handle_syst;

/* status.c: STAT with a path, a listing on the control connection */
handler_fn handle_stat_path;
void status_drop(struct status *s); /* NULL is fine */

/* SITE UTIME and SITE CHMOD, in file.c; arg is behind the word. */
handler_fn handle_site_utime, handle_site_chmod;

#endif
