/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/revoked.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "auth/authorized_keys.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SPACE " \t"
#define FINGERPRINT_LEN 50 /* "SHA256:" and 43 characters */

struct print {
	char text[KEY_FINGERPRINT_MAX];
	UT_hash_handle hh;
};

struct serials {
	struct serials *next;
	uint64_t first, last;
};

struct id {
	struct id *next;
	char *text;
};

struct revoked {
	struct print *prints;
	struct serials *serials;
	struct id *ids;
};

static void
add_print(struct revoked *r, const char *text)
{
	struct print *p;

	HASH_FIND_STR(r->prints, text, p);
	if (p)
		return;
	p = mem_alloc(sizeof(*p));
	str_copy(p->text, sizeof(p->text), text);
	HASH_ADD_STR(r->prints, text, p);
}

static const char *
add_serials(struct revoked *r, const char *s)
{
	struct serials *one;
	char *end = NULL;
	uint64_t first, last;

	errno = 0;
	first = last = strtoull(s, &end, 10);
	if (*end == '-' && end > s && *s != '-') {
		s = end + 1;
		last = strtoull(s, &end, 10);
	}
	if (errno || end == s || *end || *s < '0' || *s > '9' || last < first)
		return "expected \"serial: N\" or \"serial: N-M\"";
	one = mem_alloc(sizeof(*one));
	one->first = first;
	one->last = last;
	one->next = r->serials;
	r->serials = one;
	return NULL;
}

static const char *
add_id(struct revoked *r, const char *text)
{
	struct id *one;

	if (!*text)
		return "expected \"id: TEXT\"";
	one = mem_alloc(sizeof(*one));
	one->text = mem_strdup(text);
	one->next = r->ids;
	r->ids = one;
	return NULL;
}

static enum err
add_key(struct revoked *r, const char *line, char why[AUTHKEY_WHY_MAX])
{
	char text[KEY_FINGERPRINT_MAX];
	struct authkey *key = NULL;
	enum err err = authkey_parse(line, &key, why);

	if (!err && key) {
		key_fingerprint(key->blob, key->len, text);
		add_print(r, text);
	}
	authkey_free(key);
	return err;
}

/* The value behind "word:", or NULL. */
static const char *
value_of(const char *line, const char *word)
{
	const size_t n = strlen(word);

	if (strncasecmp(line, word, n) != 0 || line[n] != ':')
		return NULL;
	return line + n + 1 + strspn(line + n + 1, SPACE);
}

static enum err
add_line(struct revoked *r, char *line, char why[AUTHKEY_WHY_MAX])
{
	const char *fault = NULL, *value;
	size_t n;

	line += strspn(line, SPACE);
	n = strlen(line);
	while (n > 0 && strchr(SPACE "\r\n", line[n - 1]))
		line[--n] = '\0';
	if ((value = value_of(line, "serial"))) {
		fault = add_serials(r, value);
	} else if ((value = value_of(line, "id"))) {
		fault = add_id(r, value);
	} else if (strncmp(line, "SHA256:", 7) == 0) {
		line[strcspn(line, SPACE "=")] = '\0';
		if (strlen(line) == FINGERPRINT_LEN)
			add_print(r, line);
		else
			fault = "this is no whole SHA256 fingerprint";
	} else {
		return add_key(r, line, why);
	}
	if (fault)
		str_copy(why, AUTHKEY_WHY_MAX, fault);
	return fault ? ERR_INVALID : ERR_OK;
}

static enum err
read_lines(struct revoked *r, FILE *f, char *why)
{
	char text[AUTHKEY_WHY_MAX];
	enum err err = ERR_OK;
	char *line = NULL;
	size_t size = 0;
	unsigned no = 0;

	while (!err && getline(&line, &size, f) >= 0) {
		no++;
		if (no == 1 && strncmp(line, "SSHKRL\n", 7) == 0) {
			str_copy(text, sizeof(text),
				 "a KRL is not read; expected text with a key, "
				 "a fingerprint, serial: or id: on each line");
			err = ERR_INVALID;
		} else {
			err = add_line(r, line, text);
		}
	}
	if (err)
		snprintf(why, REVOKED_WHY_MAX, "line %u: %.130s", no, text);
	free(line);
	return err;
}

static FILE *
open_file(const char *path, char *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		snprintf(why, REVOKED_WHY_MAX, "cannot be read: %s",
			 log_errno(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size > REVOKED_FILE_MAX)
		str_copy(why, REVOKED_WHY_MAX,
			 "not a regular file of at most 16 MiB");
	else
		return fdopen(fd, "r");
	if (fd >= 0)
		close(fd);
	return NULL;
}

enum err
revoked_read(const char *path, struct revoked **out, char why[REVOKED_WHY_MAX])
{
	FILE *f = open_file(path, why);
	struct revoked *r;
	enum err err;

	*out = NULL;
	if (!f)
		return ERR_INVALID;
	r = mem_alloc(sizeof(*r));
	err = read_lines(r, f, why);
	fclose(f);
	if (err)
		revoked_free(r);
	else
		*out = r;
	return err;
}

void
revoked_free(struct revoked *r)
{
	struct print *p, *next;
	struct serials *s;
	struct id *id;

	if (!r)
		return;
	HASH_ITER (hh, r->prints, p, next) {
		HASH_DEL(r->prints, p);
		free(p);
	}
	while ((s = r->serials)) {
		r->serials = s->next;
		free(s);
	}
	while ((id = r->ids)) {
		r->ids = id->next;
		free(id->text);
		free(id);
	}
	free(r);
}

bool
revoked_key(const struct revoked *r, const void *blob, size_t len)
{
	char text[KEY_FINGERPRINT_MAX];
	struct print *p;

	if (!r)
		return false;
	key_fingerprint(blob, len, text);
	HASH_FIND_STR(r->prints, text, p);
	return p != NULL;
}

bool
revoked_cert(const struct revoked *r, const struct ssh_cert *c)
{
	const struct serials *s;
	const struct id *id;

	if (!r)
		return false;
	for (s = r->serials; s; s = s->next) {
		if (c->serial >= s->first && c->serial <= s->last)
			return true;
	}
	for (id = r->ids; id; id = id->next) {
		if (wire_equal(c->id, id->text))
			return true;
	}
	return revoked_key(r, c->key, c->key_len) ||
	       revoked_key(r, c->ca.p, c->ca.n);
}
