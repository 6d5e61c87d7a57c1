/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/authorized_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/address.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SPACE " \t"

struct wire {
	const unsigned char *p;
	size_t left;
};

/* The next string of an SSH blob (RFC 4251 section 5). */
static bool
wire_string(struct wire *w, const unsigned char **s, size_t *n)
{
	uint32_t len;

	if (w->left < 4)
		return false;
	len = (uint32_t)w->p[0] << 24 | (uint32_t)w->p[1] << 16 |
	      (uint32_t)w->p[2] << 8 | w->p[3];
	if (len > w->left - 4)
		return false;
	*s = w->p + 4;
	*n = len;
	w->p += 4 + len;
	w->left -= 4 + len;
	return true;
}

static bool
wire_is(struct wire *w, const char *text)
{
	const unsigned char *s;
	size_t n;

	return wire_string(w, &s, &n) && n == strlen(text) &&
	       memcmp(s, text, n) == 0;
}

static const char *
check_ed25519(struct wire *w, const char *type)
{
	const unsigned char *s;
	size_t n;

	(void)type;
	if (!wire_string(w, &s, &n) || n != 32 || w->left != 0)
		return "the key is damaged";
	return NULL;
}

/* RFC 5656 section 3.1: the curve's name and an uncompressed point. */
static const char *
check_ecdsa(struct wire *w, const char *type)
{
	const char *curve = type + strlen("ecdsa-sha2-");
	const unsigned char *s;
	size_t n, want;

	want = strcmp(curve, "nistp256") == 0	? 32
	       : strcmp(curve, "nistp384") == 0 ? 48
						: 66;
	if (!wire_is(w, curve) || !wire_string(w, &s, &n) ||
	    n != 1 + 2 * want || s[0] != 4 || w->left != 0)
		return "the key is damaged";
	return NULL;
}

static const char *
check_rsa(struct wire *w, const char *type)
{
	const unsigned char *e, *n;
	size_t e_len, n_len, bits;
	unsigned char top;

	(void)type;
	if (!wire_string(w, &e, &e_len) || !wire_string(w, &n, &n_len) ||
	    e_len == 0 || n_len == 0 || w->left != 0)
		return "the key is damaged";
	while (n_len > 0 && n[0] == 0) {
		n++;
		n_len--;
	}
	bits = n_len * 8;
	for (top = n_len ? n[0] : 0; bits > 0 && !(top & 0x80); bits--)
		top = (unsigned char)(top << 1);
	if (bits < AUTHKEY_RSA_BITS_MIN)
		return "an RSA key needs at least 2048 bits";
	return NULL;
}

static const struct key_type {
	const char *name;
	const char *(*check)(struct wire *w, const char *type);
} key_types[] = {
	{ "ssh-ed25519", check_ed25519 },
	{ "ecdsa-sha2-nistp256", check_ecdsa },
	{ "ecdsa-sha2-nistp384", check_ecdsa },
	{ "ecdsa-sha2-nistp521", check_ecdsa },
	{ "ssh-rsa", check_rsa },
};

static const struct key_type *
key_type_find(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++) {
		if (strlen(key_types[i].name) == n &&
		    memcmp(key_types[i].name, s, n) == 0)
			return &key_types[i];
	}
	return NULL;
}

/* What these forbid is never offered, so a line with them is held to. */
static const char *const harmless[] = {
	"restrict", "no-agent-forwarding", "no-port-forwarding",
	"no-pty",   "no-user-rc",	   "no-X11-forwarding",
};

static bool
option_harmless(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (strlen(harmless[i]) == n &&
		    strncasecmp(harmless[i], s, n) == 0)
			return true;
	}
	return false;
}

/* The length of an option: up to a comma or space that is not quoted. */
static size_t
option_len(const char *s)
{
	bool quoted = false;
	size_t n;

	for (n = 0; s[n] && (quoted || !strchr("," SPACE, s[n])); n++) {
		if (s[n] == '\\' && s[n + 1] == '"')
			n++;
		else if (s[n] == '"')
			quoted = !quoted;
	}
	return quoted ? 0 : n;
}

static enum err
option_from(const char *s, size_t n, struct authkey *key, char *why)
{
	if (n < 2 || s[0] != '"' || s[n - 1] != '"') {
		str_copy(why, AUTHKEY_WHY_MAX, "from= needs \"quotes\"");
		return ERR_INVALID;
	}
	free(key->from);
	key->from = mem_strndup(s + 1, n - 2);
	if (address_list_valid(key->from))
		return ERR_OK;
	str_copy(why, AUTHKEY_WHY_MAX,
		 "from= takes addresses, networks and wildcards; host names "
		 "are not looked up");
	return ERR_INVALID;
}

static enum err
option_parse(const char *s, size_t n, struct authkey *key, char *why)
{
	if (n > 5 && strncasecmp(s, "from=", 5) == 0)
		return option_from(s + 5, n - 5, key, why);
	if (option_harmless(s, n))
		return ERR_OK;
	snprintf(why, AUTHKEY_WHY_MAX,
		 "the option or key type \"%.*s\" is not supported; options: "
		 "from=, restrict, no-pty, no-port-forwarding",
		 n > 40 ? 40 : (int)n, s);
	return ERR_INVALID;
}

/* Leaves *line behind the options, at the type. */
static enum err
options_parse(const char **line, struct authkey *key, char *why)
{
	const char *s = *line;
	size_t n;
	enum err err;

	for (;;) {
		n = option_len(s);
		if (n == 0) {
			str_copy(why, AUTHKEY_WHY_MAX,
				 "a quote is not closed or an option is "
				 "empty");
			return ERR_INVALID;
		}
		err = option_parse(s, n, key, why);
		if (err)
			return err;
		s += n;
		if (*s != ',')
			break;
		s++;
	}
	*line = s + strspn(s, SPACE);
	return ERR_OK;
}

static const char *
blob_parse(const char *text, size_t n, const struct key_type *type,
	   struct authkey *key)
{
	struct wire w;
	long len;

	key->blob = mem_alloc(3 * (n / 4) + 3);
	len = base64_decode(text, n, key->blob);
	if (len <= 0)
		return "the key is not base64";
	key->len = (size_t)len;
	w = (struct wire){ key->blob, key->len };
	if (!wire_is(&w, type->name))
		return "the key is of another type than its line says";
	return type->check(&w, type->name);
}

static enum err
line_parse(const char *line, struct authkey *key, char *why)
{
	const struct key_type *type;
	const char *fault;
	enum err err;
	size_t n;

	type = key_type_find(line, strcspn(line, SPACE));
	if (!type) {
		err = options_parse(&line, key, why);
		if (err)
			return err;
		type = key_type_find(line, strcspn(line, SPACE));
	}
	if (!type) {
		str_copy(why, AUTHKEY_WHY_MAX,
			 "expected ssh-ed25519, ecdsa-sha2-nistp256, -384 or "
			 "-521, or ssh-rsa, then the key in base64");
		return ERR_INVALID;
	}
	line += strlen(type->name);
	line += strspn(line, SPACE);
	n = strcspn(line, SPACE);
	fault = blob_parse(line, n, type, key);
	if (!fault)
		return ERR_OK;
	str_copy(why, AUTHKEY_WHY_MAX, fault);
	return ERR_INVALID;
}

enum err
authkey_parse(const char *line, struct authkey **out, char why[AUTHKEY_WHY_MAX])
{
	struct authkey *key;
	enum err err;

	*out = NULL;
	line += strspn(line, SPACE);
	if (*line == '\0' || *line == '#')
		return ERR_OK;
	if (strlen(line) > AUTHKEY_LINE_MAX) {
		str_copy(why, AUTHKEY_WHY_MAX, "the line is too long");
		return ERR_INVALID;
	}
	key = mem_alloc(sizeof(*key));
	err = line_parse(line, key, why);
	if (err)
		authkey_free(key);
	else
		*out = key;
	return err;
}

/* Whoever may write the file may log in: so nobody but its owner and root. */
static enum err
file_open(const char *path, FILE **out, char *why)
{
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		snprintf(why, AUTHKEY_WHY_MAX, "cannot be read: %s",
			 log_errno(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > AUTHKEY_FILE_MAX) {
		str_copy(why, AUTHKEY_WHY_MAX,
			 "not a regular file of at most 1 MiB");
	} else if (st.st_mode & 022) {
		str_copy(why, AUTHKEY_WHY_MAX,
			 "group or others may write to it (chmod go-w)");
	} else {
		*out = fdopen(fd, "r");
		if (*out)
			return ERR_OK;
	}
	if (fd >= 0)
		close(fd);
	return ERR_INVALID;
}

static enum err
lines_read(FILE *f, struct authkey **tail, char *why)
{
	char text[AUTHKEY_WHY_MAX];
	char *line = NULL;
	size_t size = 0;
	unsigned no = 0, keys = 0;
	enum err err = ERR_OK;

	while (!err && getline(&line, &size, f) >= 0) {
		no++;
		line[strcspn(line, "\r\n")] = '\0';
		err = authkey_parse(line, tail, text);
		if (!err && *tail) {
			tail = &(*tail)->next;
			if (++keys <= AUTHKEY_KEYS_MAX)
				continue;
			str_copy(text, sizeof(text), "more than 1000 keys");
			err = ERR_INVALID;
		}
	}
	if (err) {
		why[0] = '\0';
		str_printf(why, AUTHKEY_WHY_MAX, "line %u: %s", no, text);
	}
	free(line);
	return err;
}

enum err
authkey_read(const char *path, struct authkey **out, char why[AUTHKEY_WHY_MAX])
{
	enum err err;
	FILE *f;

	*out = NULL;
	err = file_open(path, &f, why);
	if (err)
		return err;
	err = lines_read(f, out, why);
	fclose(f);
	if (err) {
		authkey_free(*out);
		*out = NULL;
	}
	return err;
}

void
authkey_free(struct authkey *list)
{
	struct authkey *next;

	for (; list; list = next) {
		next = list->next;
		free(list->blob);
		free(list->from);
		free(list);
	}
}
