/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that sluice.ini and users.ini say, read and checked as a whole
 * before anything is done with it. One struct settings per reading; a reload
 * makes a new one, and the old one lives on as long as a worker of its
 * generation does.
 */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/bridge.h"
#include "bridge/ledger.h"
#include "bridge/outbox.h"
#include "bridge/probe.h"
#include "daemon/listener.h"
#include "ftpd/ftpd.h"
#include "httpd/httpd.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/log.h"
#include "sftpd/sftpd.h"

#define SETTINGS_FILE "/etc/sluice/sluice.ini"
#define SLUICE_VERSION PACKAGE_VERSION /* configure.ac */
#define SETTINGS_WORKERS_MAX 24	       /* two generations and a few more fit */

struct settings {
	unsigned refs;
	char *path; /* of sluice.ini, absolute */
	struct conf *conf;

	/* [daemon] */
	char *users_file;
	struct listener_spec listen[LISTENERS_MAX];
	size_t nlisten;
	unsigned workers;
	char *user, *group; /* NULL: not given */
	char *pid_file;	    /* NULL: none */
	char *log_target;   /* "stderr" or "syslog" */
	enum log_level log_level;
	bool core_dumps;
	unsigned drain_timeout_ms;  /* SIGTERM */
	unsigned reload_timeout_ms; /* old workers after SIGHUP; 0: none */
	unsigned stall_timeout_ms;
	unsigned store_timeout_ms; /* the check of the stores at start */

	/* [limits] */
	struct ledger_limits limits;
	unsigned connections_max; /* per worker */

	struct bridge_config bridge;
	struct outbox_config events; /* [events] and [sink.NAME] */
	bool has_sftp, has_ftp,
		has_http; /* listened on, or a section is there */
	struct probe_config probe;
	struct sftpd_config sftp;
	struct ftpd_config ftp;
	struct httpd_config http;
};

/* Called with each complaint: "FILE: [section] key: found ..., expected ...". */
typedef void settings_complain_fn(void *arg, const char *text);

/* ERR_INVALID after complaints. The caller lets go of *out. */
enum err settings_load(struct settings **out, const char *path,
		       settings_complain_fn *fn, void *arg);

struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* NULL is fine; wipes secrets */

bool settings_listens(const struct settings *s, enum listener_protocol p);

/*
 * What a running daemon cannot change: names the first such key that differs,
 * as "[section] key", or NULL.
 */
const char *settings_fixed_change(const struct settings *old,
				  const struct settings *new_settings);

#endif
