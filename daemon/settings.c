/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/settings.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define SECTION "daemon"
#define USERS_FILE "/etc/sluice/users.ini"
#define MIB ((uint64_t)1 << 20)
#define SECOND 1000u
#define HOUR (3600u * SECOND)

static const char *const log_targets[] = { "stderr", "syslog", NULL };
static const char *const log_levels[] = { "error", "warn", "info", "debug",
					  NULL };

static unsigned
time_read(struct conf *conf, const char *section, const char *key,
	  struct conf_range r)
{
	return (unsigned)conf_time(conf, section, key, r);
}

static unsigned
limit_read(struct conf *conf, const char *key, unsigned def, unsigned max)
{
	struct conf_range r = { def, 1, max };

	return (unsigned)conf_uint(conf, "limits", key, r);
}

/* "sftp = 0.0.0.0:22, [::]:22": addresses separated by commas or spaces. */
static void
listen_read(struct settings *s, enum listener_protocol protocol)
{
	const char *key = listener_protocol_name(protocol);
	const char *text = conf_str(s->conf, SECTION, key, "");
	struct listener_spec *spec;
	size_t n;

	while (*(text += strspn(text, ", \t"))) {
		if (s->nlisten == LISTENERS_MAX) {
			conf_complain(s->conf, SECTION, key,
				      "more than %d addresses to listen on",
				      LISTENERS_MAX);
			return;
		}
		n = strcspn(text, ", \t");
		spec = &s->listen[s->nlisten];
		spec->protocol = protocol;
		if (n < sizeof(spec->text)) {
			memcpy(spec->text, text, n);
			spec->text[n] = '\0';
		}
		if (n >= sizeof(spec->text) || !listener_spec_valid(spec->text))
			conf_complain(s->conf, SECTION, key,
				      "found \"%.*s\", expected ADDRESS:PORT "
				      "such as 192.0.2.1:22, [2001:db8::1]:22 "
				      "or *:22",
				      n > 80 ? 80 : (int)n, text);
		s->nlisten++;
		text += n;
	}
}

static void
accounts_read(struct settings *s)
{
	const char *user = conf_str(s->conf, SECTION, "user", NULL);
	const char *group = conf_str(s->conf, SECTION, "group", NULL);

	if (user && !getpwnam(user))
		conf_complain(s->conf, SECTION, "user",
			      "found \"%s\", expected an account of this "
			      "system",
			      user);
	if (group && !getgrnam(group))
		conf_complain(s->conf, SECTION, "group",
			      "found \"%s\", expected a group of this system",
			      group);
	s->user = mem_strdup(user);
	s->group = mem_strdup(group);
}

static char *
file_read(struct conf *conf, const char *key, const char *def)
{
	const char *path = conf_str(conf, SECTION, key, def);

	if (path && path[0] != '/')
		conf_complain(conf, SECTION, key,
			      "found \"%s\", expected an absolute path", path);
	return mem_strdup(path);
}

static unsigned
cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	if (n < 1)
		return 1;
	return n > SETTINGS_WORKERS_MAX ? SETTINGS_WORKERS_MAX : (unsigned)n;
}

static void
daemon_read(struct settings *s)
{
	struct conf *conf = s->conf;
	struct conf_range workers = { cores(), 1, SETTINGS_WORKERS_MAX };
	struct conf_range drain = { 30 * SECOND, 0, HOUR };
	struct conf_range reload = { HOUR, 0, 168 * HOUR };
	struct conf_range stall = { 30 * SECOND, 2 * SECOND, HOUR };
	struct conf_range store = { 10 * SECOND, SECOND, 300 * SECOND };
	int i;

	listen_read(s, LISTENER_SFTP);
	listen_read(s, LISTENER_FTP);
	listen_read(s, LISTENER_FTPS);
	listen_read(s, LISTENER_HTTP);
	listen_read(s, LISTENER_HTTPS);
	if (s->nlisten == 0)
		conf_complain(conf, SECTION, "sftp",
			      "found nothing, expected an address to listen "
			      "on in sftp, ftp, ftps, http or https");
	s->workers = (unsigned)conf_uint(conf, SECTION, "workers", workers);
	accounts_read(s);
	s->users_file = file_read(conf, "users_file", USERS_FILE);
	s->pid_file = file_read(conf, "pid_file", NULL);
	i = conf_choice(conf, SECTION, "log", log_targets, 0);
	s->log_target = mem_strdup(log_targets[i < 0 ? 0 : i]);
	i = conf_choice(conf, SECTION, "log_level", log_levels, LOG_LEVEL_INFO);
	s->log_level = (enum log_level)(i < 0 ? LOG_LEVEL_INFO : i);
	s->core_dumps = conf_bool(conf, SECTION, "core_dumps", false);
	s->drain_timeout_ms = time_read(conf, SECTION, "drain_timeout", drain);
	s->reload_timeout_ms =
		time_read(conf, SECTION, "reload_timeout", reload);
	s->stall_timeout_ms = time_read(conf, SECTION, "stall_timeout", stall);
	s->store_timeout_ms = time_read(conf, SECTION, "store_timeout", store);
}

static void
limits_read(struct settings *s)
{
	struct conf_range window = { 600 * SECOND, SECOND, 24 * HOUR };
	struct ledger_limits *l = &s->limits;

	l->spool_max = s->bridge.spool_max;
	l->user_sessions = limit_read(s->conf, "user_sessions", 100, 100000);
	l->addr_unauth = limit_read(s->conf, "addr_unauth", 128, 100000);
	l->addr_connections =
		limit_read(s->conf, "addr_connections", 0, 100000);
	l->unauth_max = limit_read(s->conf, "unauth", 512, 100000);
	l->failure_max = limit_read(s->conf, "failures", 20, 100000);
	l->failure_window_ms =
		time_read(s->conf, "limits", "failure_window", window);
	s->connections_max = limit_read(s->conf, "connections", 1000, 100000);
}

/*
 * Opens each store for its settings only. The spool's reserve is one part as
 * they begin, so that one upload can always finish a part.
 */
static void
stores_read(struct settings *s)
{
	struct store_env none = { NULL, NULL, NULL };
	uint64_t part = 0, base;
	struct store *store;
	char **name;

	for (name = s->bridge.stores; *name; name++) {
		if (store_open(&store, s->conf, *name, &none) != ERR_OK)
			continue;
		base = store_limits(store)->part_base;
		part = base > part ? base : part;
		store_close(store);
	}
	if (part > s->bridge.spool_max / 4) {
		conf_complain(s->conf, "bridge", "spool_max",
			      "found %llu MiB, expected at least four parts "
			      "of the largest part_size (%llu MiB)",
			      (unsigned long long)(s->bridge.spool_max / MIB),
			      (unsigned long long)(4 * part / MIB));
	}
	s->limits.spool_reserve = part;
}

static void
http_read(struct settings *s)
{
	struct conf *conf = s->conf;
	bool http = settings_listens(s, LISTENER_HTTP);
	bool https = settings_listens(s, LISTENER_HTTPS);

	s->has_http = conf_has(conf, "http", NULL) || http || https;
	if (!s->has_http)
		return;
	httpd_config_read(conf, &s->http);
	if (https && !s->http.certificate)
		conf_complain(conf, "http", "certificate",
			      "missing; expected a PEM file, as [daemon] https "
			      "has an address");
	if (http && !s->http.allow_plain)
		conf_complain(conf, SECTION, "http",
			      "found an address, which lets passwords and "
			      "files cross the network unencrypted; expected "
			      "https instead, or [http] allow_plain = yes "
			      "beside it");
}

static void
front_ends_read(struct settings *s)
{
	struct conf *conf = s->conf;

	s->has_sftp = conf_has(conf, "sftp", NULL) ||
		      settings_listens(s, LISTENER_SFTP);
	s->has_ftp = conf_has(conf, "ftp", NULL) ||
		     settings_listens(s, LISTENER_FTP) ||
		     settings_listens(s, LISTENER_FTPS);
	if (s->has_sftp)
		sftpd_config_read(conf, &s->sftp);
	if (s->has_ftp)
		ftpd_config_read(conf, &s->ftp);
	http_read(s);
	if (settings_listens(s, LISTENER_FTPS) && s->ftp.tls == FTPD_TLS_OFF)
		conf_complain(conf, SECTION, "ftps",
			      "found an address, expected none while [ftp] "
			      "tls = off");
}

static size_t
report(struct conf *conf, settings_complain_fn *fn, void *arg)
{
	size_t i, n = conf_finish(conf);

	for (i = 0; i < n; i++)
		fn(arg, conf_complaint(conf, i));
	return n;
}

/* A hash is a password to whoever has time to try some. */
static void
users_readable_warn(const char *path, const struct conf *users)
{
	struct stat st;
	size_t i, n = conf_sections(users);

	if (stat(path, &st) != 0 || !(st.st_mode & S_IROTH))
		return;
	for (i = 0; i < n; i++) {
		if (!conf_has(users, conf_section(users, i), "password"))
			continue;
		log_warn("master", NULL, "users_file_readable",
			 KV_S("path", path),
			 KV_S("why", "everybody can read password hashes"),
			 KV_S("do", "chmod 640"));
		return;
	}
}

static size_t
users_check(const struct settings *s, settings_complain_fn *fn, void *arg)
{
	struct auth_config cfg = {
		.users_file = s->users_file,
		.stores = (const char *const *)s->bridge.stores,
		.default_store = s->bridge.default_store,
		.user_ca_keys = s->bridge.user_ca_keys,
		.revoked_keys = s->bridge.revoked_keys,
	};
	struct conf *users;
	size_t n;

	if (!s->users_file || s->users_file[0] != '/')
		return 0;
	users = conf_load(s->users_file);
	if (!conf_complaint(users, 0))
		auth_check(users, &cfg);
	users_readable_warn(s->users_file, users);
	n = report(users, fn, arg);
	conf_free(users);
	return n;
}

static void
sections_read(struct settings *s)
{
	daemon_read(s);
	bridge_config_read(s->conf, &s->bridge);
	probe_config_read(s->conf, &s->probe);
	limits_read(s);
	stores_read(s);
	outbox_config_read(s->conf, s->bridge.node, &s->events);
	front_ends_read(s);
}

enum err
settings_load(struct settings **out, const char *path, settings_complain_fn *fn,
	      void *arg)
{
	struct settings *s = mem_alloc(sizeof(*s));
	char *whole = realpath(path, NULL);
	size_t n;

	s->refs = 1;
	s->path = whole ? whole : mem_strdup(path);
	s->conf = conf_load(path);
	/* A file that cannot be read has no keys to complain about. */
	if (!conf_complaint(s->conf, 0))
		sections_read(s);
	n = report(s->conf, fn, arg);
	n += users_check(s, fn, arg);
	if (n > 0) {
		settings_unref(s);
		*out = NULL;
		return ERR_INVALID;
	}
	*out = s;
	return ERR_OK;
}

struct settings *
settings_ref(struct settings *s)
{
	s->refs++;
	return s;
}

void
settings_unref(struct settings *s)
{
	if (!s || --s->refs > 0)
		return;
	if (s->has_sftp)
		sftpd_config_free(&s->sftp);
	if (s->has_ftp)
		ftpd_config_free(&s->ftp);
	if (s->has_http)
		httpd_config_free(&s->http);
	bridge_config_free(&s->bridge);
	outbox_config_free(&s->events);
	probe_config_free(&s->probe);
	conf_free(s->conf);
	free(s->users_file);
	free(s->user);
	free(s->group);
	free(s->pid_file);
	free(s->log_target);
	free(s->path);
	free(s);
}

bool
settings_listens(const struct settings *s, enum listener_protocol p)
{
	size_t i;

	for (i = 0; i < s->nlisten; i++) {
		if (s->listen[i].protocol == p)
			return true;
	}
	return false;
}

static bool
differs(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") != 0;
}

const char *
settings_fixed_change(const struct settings *old,
		      const struct settings *new_settings)
{
	const struct bridge_config *a = &old->bridge;
	const struct bridge_config *b = &new_settings->bridge;

	if (differs(a->state_dir, b->state_dir))
		return "[bridge] state_dir";
	if (differs(a->spool_dir, b->spool_dir))
		return "[bridge] spool_dir";
	if (differs(a->node, b->node))
		return "[bridge] node";
	if (differs(a->run_dir, b->run_dir))
		return "[daemon] run_dir";
	if (differs(old->user, new_settings->user))
		return "[daemon] user";
	if (differs(old->group, new_settings->group))
		return "[daemon] group";
	if (differs(old->pid_file, new_settings->pid_file))
		return "[daemon] pid_file";
	return NULL;
}
