/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/authorized_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/authkey_options.h"
#include "auth/key_wire.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SPACE " \t"

static const char *
blob_parse(const char *text, size_t n, const struct key_type *type,
	   struct authkey *key)
{
	long len;

	key->blob = mem_alloc(3 * (n / 4) + 3);
	len = base64_decode(text, n, key->blob);
	if (len <= 0)
		return "the key is not base64";
	key->len = (size_t)len;
	return key_blob_fault(key->blob, key->len, type);
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
		err = authkey_options(&line, key, why);
		if (err)
			return err;
		type = key_type_find(line, strcspn(line, SPACE));
	}
	if (!type) {
		str_copy(why, AUTHKEY_WHY_MAX,
			 "expected ssh-ed25519, ecdsa-sha2-nistp256, -384 or "
			 "-521, ssh-rsa, or an sk- type of OpenSSH, then the "
			 "key in base64");
		return ERR_INVALID;
	}
	line += strlen(type->name);
	line += strspn(line, SPACE);
	n = strcspn(line, SPACE);
	fault = blob_parse(line, n, type, key);
	if (!fault && type->sk && key->ca)
		fault = "a security key cannot be a cert-authority here";
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
		free(list->principals);
		free(list);
	}
}
