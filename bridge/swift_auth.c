/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/swift_auth_private.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LOCK_WAIT_MS 50
#define LOCK_TRIES 300 /* then whoever has it is taken for dead */
#define WHO_MAX 65536  /* settings are far shorter */
#define RENEW_EARLY_MS (5 * 60 * 1000)
#define BACKOFF_MS 500
#define BACKOFF_MAX_MS 30000

void
swift_token_clear(struct swift_token *t)
{
	mem_wipe_free(t->token);
	free(t->url);
	memset(t, 0, sizeof(*t));
}

/* Settings. */

static void
read_keystone(struct swift_auth *a, struct store_conf *f)
{
	static const char *const faces[] = { "public", "internal", "admin",
					     NULL };
	int face = conf_choice(f->conf, f->section, "interface", faces, 0);

	a->interface = mem_strdup(faces[face < 0 ? 0 : face]);
	a->region = store_conf_optional(f, "region", "");
	if (a->kind == SWIFT_AUTH_APPLICATION) {
		a->credential = store_conf_need(f, "credential_id");
		a->secret = store_conf_need(f, "credential_secret");
		return;
	}
	a->user = store_conf_need(f, "user");
	a->user_domain = store_conf_optional(f, "user_domain", "Default");
	a->secret = store_conf_need(f, "password");
	a->project = store_conf_need(f, "project");
	a->project_domain = store_conf_optional(f, "project_domain", "Default");
}

/* Keystone's address is given with or without "/v3" and "/" at its end. */
static void
read_auth_url(struct swift_auth *a, struct store_conf *f)
{
	char *url = store_conf_need(f, "auth_url");
	size_t n = strlen(url);

	if (n && strncmp(url, "http://", 7) != 0 &&
	    strncmp(url, "https://", 8) != 0) {
		store_conf_expected(f, "auth_url",
				    "http[s]://host[:port]/path");
	}
	while (a->kind != SWIFT_AUTH_V1 && n && url[n - 1] == '/')
		url[--n] = '\0';
	if (a->kind == SWIFT_AUTH_V1 ||
	    (n > 3 && strcmp(url + n - 3, "/v3") == 0)) {
		a->auth_url = url;
		return;
	}
	a->auth_url = mem_printf("%s/v3", url);
	free(url);
}

/* Which keys go with which way to log in, beside those for all. */
static const struct {
	const char *key;
	unsigned kinds; /* bits by enum swift_auth_kind */
} keys[] = {
	{ "auth_url", 1u << SWIFT_AUTH_V1 | 1u << SWIFT_AUTH_PASSWORD |
			      1u << SWIFT_AUTH_APPLICATION },
	{ "user", 1u << SWIFT_AUTH_V1 | 1u << SWIFT_AUTH_PASSWORD },
	{ "password", 1u << SWIFT_AUTH_V1 | 1u << SWIFT_AUTH_PASSWORD },
	{ "user_domain", 1u << SWIFT_AUTH_PASSWORD },
	{ "project", 1u << SWIFT_AUTH_PASSWORD },
	{ "project_domain", 1u << SWIFT_AUTH_PASSWORD },
	{ "credential_id", 1u << SWIFT_AUTH_APPLICATION },
	{ "credential_secret", 1u << SWIFT_AUTH_APPLICATION },
	{ "region", 1u << SWIFT_AUTH_PASSWORD | 1u << SWIFT_AUTH_APPLICATION },
	{ "interface",
	  1u << SWIFT_AUTH_PASSWORD | 1u << SWIFT_AUTH_APPLICATION },
	{ "token_file", 1u << SWIFT_AUTH_TOKEN },
};

/* A key that this way to log in has no use for is a mistake of some kind. */
static void
refuse_others(const struct swift_auth *a, struct store_conf *f,
	      const char *kind)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].kinds & 1u << a->kind ||
		    !conf_has(f->conf, f->section, keys[i].key))
			continue;
		conf_complain(f->conf, f->section, keys[i].key,
			      "is not used with auth = %s", kind);
		f->bad = true;
	}
}

static void
read_kind(struct swift_auth *a, struct store_conf *f)
{
	static const char *const kinds[] = { "v1", "password",
					     "application_credential", "token",
					     NULL };
	int kind = conf_choice(f->conf, f->section, "auth", kinds, -1);

	if (kind < 0) {
		if (!conf_has(f->conf, f->section, "auth"))
			conf_need(f->conf, f->section, "auth");
		f->bad = true;
		return;
	}
	a->kind = (enum swift_auth_kind)kind;
	refuse_others(a, f, kinds[kind]);
	if (a->kind == SWIFT_AUTH_TOKEN) {
		a->token_file = store_conf_need(f, "token_file");
		a->storage_url = store_conf_need(f, "storage_url");
		return;
	}
	a->storage_url = store_conf_optional(f, "storage_url", NULL);
	read_auth_url(a, f);
	if (a->kind != SWIFT_AUTH_V1) {
		read_keystone(a, f);
		return;
	}
	a->user = store_conf_need(f, "user");
	a->secret = store_conf_need(f, "password");
}

/*
 * A token in the file that was given to another account, or before these
 * settings were changed, may be good, but for somewhere else.
 */
static void
name_ourselves(struct swift_auth *a)
{
	const char *const parts[] = { a->auth_url,	 a->user,
				      a->user_domain,	 a->project,
				      a->project_domain, a->credential,
				      a->region,	 a->interface,
				      a->storage_url };
	unsigned char sha256[32];
	struct buf all;

	buf_init(&all, WHO_MAX);
	buf_add_u8(&all, (uint8_t)a->kind);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		buf_add_text(&all, parts[i] ? parts[i] : "");
		buf_add_text(&all, "\n");
	}
	if (all.failed || !EVP_Digest(buf_data(&all), buf_len(&all), sha256,
				      NULL, EVP_sha256(), NULL))
		abort();
	hex_encode(sha256, sizeof(sha256), a->who);
	buf_free(&all);
}

/* Beside the sockets, where the processes of a node meet. */
static void
choose_cache(struct swift_auth *a, const struct store_conf *f)
{
	const char *dir;

	if (a->kind == SWIFT_AUTH_TOKEN || !conf_has(f->conf, "daemon", NULL))
		return;
	dir = conf_str(f->conf, "daemon", "run_dir", "/run/sluice");
	a->cache = mem_printf("%s/%s.token", dir, f->section);
}

static void look(void *arg);

struct swift_auth *
swift_auth_open(struct store_conf *f, struct loop *loop, struct http_host *host)
{
	struct swift_auth *a = mem_alloc(sizeof(*a));
	size_t n;

	a->lock = -1;
	read_kind(a, f);
	choose_cache(a, f);
	n = a->storage_url ? strlen(a->storage_url) : 0;
	while (n && a->storage_url[n - 1] == '/')
		a->storage_url[--n] = '\0';
	if (!f->bad)
		name_ourselves(a);
	a->loop = loop;
	a->host = host;
	if (loop)
		a->timer = loop_timer_new(loop, look, a);
	if (!f->bad)
		return a;
	swift_auth_free(a);
	return NULL;
}

void
swift_auth_free(struct swift_auth *a)
{
	if (!a)
		return;
	http_cancel(a->running);
	loop_timer_free(a->timer);
	swift_cache_unlock(a);
	swift_token_clear(&a->have);
	mem_wipe_free(a->refused);
	mem_wipe_free(a->secret);
	mem_wipe_free(a->body);
	free(a->auth_url);
	free(a->user);
	free(a->user_domain);
	free(a->project);
	free(a->project_domain);
	free(a->credential);
	free(a->token_file);
	free(a->region);
	free(a->interface);
	free(a->storage_url);
	free(a->cache);
	a->dead = true;
	if (!a->telling)
		free(a);
}

/* Looking for a token. */

static void
arm(struct swift_auth *a, unsigned ms)
{
	if (a->armed || a->running)
		return;
	a->armed = true;
	loop_timer_set(a->timer, ms);
}

/*
 * Everybody who waits now hears it; who waits anew meanwhile waits for the
 * next. Whoever is told may free us: nothing of *a is touched after that.
 */
static void
tell(struct swift_auth *a, enum err err, const char *why)
{
	unsigned round = a->round++;
	struct swift_wait *w;

	a->telling = true;
	while (!a->dead && (w = a->waiting) && w->round <= round) {
		swift_auth_unwait(a, w);
		w->fn(w->arg, err, why);
	}
	a->telling = false;
	if (a->dead)
		free(a);
}

static void
adopt(struct swift_auth *a, struct swift_token *t)
{
	swift_token_clear(&a->have);
	a->have = *t;
	a->serial++;
	a->failures = 0;
	a->not_before = 0;
	tell(a, ERR_OK, NULL);
}

static void
failed(struct swift_auth *a, enum err err, const char *why)
{
	a->not_before = clock_ms() + BACKOFF_MS / 2 +
			clock_backoff(a->failures, BACKOFF_MS, BACKOFF_MAX_MS);
	if (!a->failures++)
		log_warn("store", NULL, "no_token",
			 KV_S("auth_url",
			      a->auth_url ? a->auth_url : a->token_file),
			 KV_S("err", err_name(err)), KV_S("why", why));
	tell(a, err, why);
}

static void
answered(void *arg, const struct http_reply *r)
{
	struct swift_auth *a = arg;
	struct swift_reply got;

	a->running = NULL;
	mem_wipe_free(a->body);
	a->body = NULL;
	swift_auth_read(a, r, &got);
	if (got.err) {
		swift_token_clear(&got.token);
		swift_cache_unlock(a);
		failed(a, got.err, got.why);
		return;
	}
	log_info("store", NULL, "token", KV_S("auth_url", a->auth_url),
		 KV_S("url", got.token.url),
		 KV_I("lives_s",
		      (got.token.expires - got.token.issued) / 1000));
	swift_cache_write(a, &got.token);
	swift_cache_unlock(a);
	adopt(a, &got.token);
}

static bool
usable(const struct swift_auth *a)
{
	return a->have.token && a->have.expires > clock_wall_ms();
}

/* A fifth of its life before it ends, at most five minutes. */
static bool
is_old(const struct swift_token *t)
{
	int64_t early = (t->expires - t->issued) / 5;

	if (early > RENEW_EARLY_MS)
		early = RENEW_EARLY_MS;
	return t->expires - early <= clock_wall_ms();
}

static bool
cached(const struct swift_auth *a, struct swift_token *t)
{
	if (!swift_cache_read(a, t))
		return false;
	if (!is_old(t))
		return true;
	swift_token_clear(t);
	return false;
}

static void
read_file(struct swift_auth *a)
{
	struct swift_token t;

	if (swift_token_file(a, &t))
		adopt(a, &t);
	else
		failed(a, ERR_DENIED,
		       "the token in token_file is missing or refused");
}

static void
look(void *arg)
{
	struct swift_auth *a = arg;
	uint64_t now = clock_ms();
	struct swift_token t;

	a->armed = false;
	if (usable(a) && !is_old(&a->have)) {
		tell(a, ERR_OK, NULL);
		return;
	}
	if (cached(a, &t)) {
		adopt(a, &t);
		return;
	}
	if (now < a->not_before) {
		arm(a, (unsigned)(a->not_before - now));
		return;
	}
	if (a->kind == SWIFT_AUTH_TOKEN) {
		read_file(a);
		return;
	}
	if (!swift_cache_lock(a) && a->lock_tries++ < LOCK_TRIES) {
		arm(a, LOCK_WAIT_MS);
		return;
	}
	a->lock_tries = 0;
	if (cached(a, &t)) { /* since the lock was waited for */
		swift_cache_unlock(a);
		adopt(a, &t);
		return;
	}
	a->running = swift_auth_ask(a, answered, a);
}

const char *
swift_auth_token(struct swift_auth *a)
{
	if (!usable(a))
		return NULL;
	if (is_old(&a->have))
		arm(a, 0); /* meanwhile it still serves */
	return a->have.token;
}

const char *
swift_auth_url(const struct swift_auth *a)
{
	return a->have.url;
}

unsigned
swift_auth_serial(const struct swift_auth *a)
{
	return a->serial;
}

void
swift_auth_reject(struct swift_auth *a, unsigned serial)
{
	if (serial != a->serial || !a->have.token)
		return;
	mem_wipe_free(a->refused);
	a->refused = mem_strdup(a->have.token);
	swift_token_clear(&a->have);
}

void
swift_auth_wait(struct swift_auth *a, struct swift_wait *w)
{
	DL_APPEND(a->waiting, w);
	w->waiting = true;
	w->round = a->round;
	arm(a, 0);
}

void
swift_auth_unwait(struct swift_auth *a, struct swift_wait *w)
{
	if (w->waiting)
		DL_DELETE(a->waiting, w);
	w->waiting = false;
}
