/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token in a file, which only its owner can read: the processes of a node
 * share it, and a lock beside it says who asks for the next one.
 */
#include "bridge/swift_auth_private.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TOKEN_FILE_MAX 16384

static char *
read_small(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text;
	ssize_t n;

	if (fd < 0)
		return NULL;
	text = mem_alloc(TOKEN_FILE_MAX + 1);
	n = read(fd, text, TOKEN_FILE_MAX);
	close(fd);
	if (n > 0)
		return text;
	free(text);
	return NULL;
}

static bool
token_ok(const struct swift_auth *a, const struct swift_token *t)
{
	if (!t->token || !t->url || !*t->token)
		return false;
	return !a->refused || strcmp(a->refused, t->token) != 0;
}

static bool
from_json(const struct swift_auth *a, const json_t *o, struct swift_token *out)
{
	const char *who = json_string_value(json_object_get(o, "who"));
	const char *token = json_string_value(json_object_get(o, "token"));
	const char *url = json_string_value(json_object_get(o, "url"));

	out->token = mem_strdup(token);
	out->url = mem_strdup(url);
	out->issued = json_integer_value(json_object_get(o, "issued"));
	out->expires = json_integer_value(json_object_get(o, "expires"));
	return who && strcmp(who, a->who) == 0 && token && url &&
	       out->expires > clock_wall_ms();
}

bool
swift_cache_read(const struct swift_auth *a, struct swift_token *out)
{
	char *text = a->cache ? read_small(a->cache) : NULL;
	json_t *o = text ? json_loads(text, 0, NULL) : NULL;
	bool ok;

	memset(out, 0, sizeof(*out));
	ok = o && from_json(a, o, out) && token_ok(a, out);
	json_decref(o);
	mem_wipe_free(text);
	if (!ok)
		swift_token_clear(out);
	return ok;
}

static bool
write_small(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t n = strlen(text);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, n) == (ssize_t)n;
	close(fd);
	return ok;
}

void
swift_cache_write(const struct swift_auth *a, const struct swift_token *t)
{
	char *next, *text;
	json_t *o;

	if (!a->cache)
		return;
	next = mem_printf("%s.new", a->cache);
	o = json_pack("{s:s, s:s, s:s, s:I, s:I}", "who", a->who, "token",
		      t->token, "url", t->url, "issued", (json_int_t)t->issued,
		      "expires", (json_int_t)t->expires);
	text = json_dumps(o, JSON_COMPACT);
	if (!text || !write_small(next, text) || rename(next, a->cache) != 0)
		log_warn("store", NULL, "token_not_shared",
			 KV_S("file", a->cache), KV_S("why", strerror(errno)));
	json_decref(o);
	mem_wipe_free(text);
	free(next);
}

bool
swift_cache_lock(struct swift_auth *a)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char *path;
	int fd;

	if (!a->cache || a->lock >= 0)
		return true;
	path = mem_printf("%s.lock", a->cache);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	if (fd < 0)
		return true; /* then every process asks for itself */
	if (fcntl(fd, F_OFD_SETLK, &fl) != 0) {
		close(fd);
		return false;
	}
	a->lock = fd;
	return true;
}

void
swift_cache_unlock(struct swift_auth *a)
{
	if (a->lock >= 0)
		close(a->lock);
	a->lock = -1;
}

/* A token that somebody else keeps fresh in a file, on its first line. */
bool
swift_token_file(const struct swift_auth *a, struct swift_token *out)
{
	char *text = read_small(a->token_file);

	memset(out, 0, sizeof(*out));
	if (!text)
		return false;
	text[strcspn(text, "\r\n")] = '\0';
	out->token = mem_strdup(text);
	out->url = mem_strdup(a->storage_url);
	out->issued = clock_wall_ms();
	out->expires = INT64_MAX;
	mem_wipe_free(text);
	if (token_ok(a, out))
		return true;
	swift_token_clear(out);
	return false;
}
