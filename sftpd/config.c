/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/sftpd.h"

#include <libssh/libssh.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sftpd/algorithms.h"

#define SECTION "sftp"
#define SOFTWARE_MAX 64 /* RFC 4253 section 4.2: the line is 255 in all */
#define BANNER_MAX 4096

#define KIB 1024u
#define MIB (1024u * KIB)
#define GIB (1024ull * MIB)
#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static const char default_keys[] = "/etc/sluice/ssh_host_ed25519_key,"
				   "/etc/sluice/ssh_host_ecdsa_key,"
				   "/etc/sluice/ssh_host_rsa_key";

/* Paths with commas or spaces between them. */
static void
read_host_keys(struct conf *conf, struct sftpd_config *c)
{
	const char *s = conf_str(conf, SECTION, "host_key", default_keys);
	size_t n, i = 0;

	c->default_host_keys = !conf_has(conf, SECTION, "host_key");
	for (;;) {
		s += strspn(s, ", \t");
		n = strcspn(s, ", \t");
		if (n == 0)
			break;
		if (i == SFTPD_HOST_KEYS) {
			conf_complain(conf, SECTION, "host_key",
				      "expected at most %d files",
				      SFTPD_HOST_KEYS);
			return;
		}
		if (s[0] != '/')
			conf_complain(conf, SECTION, "host_key",
				      "expected absolute paths");
		c->host_key_paths[i++] = mem_strndup(s, n);
		s += n;
	}
	if (i == 0)
		conf_complain(conf, SECTION, "host_key",
			      "expected the path of a private key");
}

static char *
read_list(struct conf *conf, const char *key, const char *def)
{
	const char *s = conf_str(conf, SECTION, key, def);

	if (s == NULL)
		return NULL;
	if (s[0] == '\0' ||
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789"
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZ@.,_-") != strlen(s))
		conf_complain(conf, SECTION, key,
			      "expected names with commas between them");
	return mem_strdup(s);
}

static char *
read_software(struct conf *conf)
{
	const char *s = conf_str(conf, SECTION, "software", "Sluice");
	const char *p;

	for (p = s; *p > ' ' && *p < 0x7f && *p != '-'; p++)
		;
	if (p == s || *p != '\0' || p - s > SOFTWARE_MAX)
		conf_complain(conf, SECTION, "software",
			      "expected 1 to %d printable characters "
			      "without space or '-'",
			      SOFTWARE_MAX);
	return mem_strdup(s);
}

/* RFC 4252 section 5.4: lines end in CR LF. Takes text. */
static char *
with_crlf(char *text)
{
	char *out = mem_alloc(2 * strlen(text) + 3), *at = out;
	const char *s;

	for (s = text; *s; s++) {
		if (*s == '\r')
			continue;
		if (*s == '\n')
			*at++ = '\r';
		*at++ = *s;
	}
	if (at > out && at[-1] != '\n')
		memcpy(at, "\r\n", 2);
	free(text);
	return out;
}

static char *
read_banner(struct conf *conf)
{
	const char *s = conf_str(conf, SECTION, "banner", NULL);
	char *text = conf_text(conf, SECTION, "banner_file", BANNER_MAX);

	if (text != NULL && s != NULL)
		conf_complain(conf, SECTION, "banner_file",
			      "expected this or banner, not both");
	if (text != NULL)
		return with_crlf(text);
	if (s == NULL || s[0] == '\0')
		return NULL;
	if (strlen(s) > BANNER_MAX)
		conf_complain(conf, SECTION, "banner",
			      "expected at most %d characters", BANNER_MAX);
	return mem_printf("%s\r\n", s);
}

static void
read_limits(struct conf *conf, struct sftpd_config *c)
{
	c->login_grace_ms = (unsigned)conf_time(
		conf, SECTION, "login_grace",
		(struct conf_range){ MINUTE, SECOND, HOUR });
	c->idle_timeout_ms = (unsigned)conf_time(
		conf, SECTION, "idle_timeout",
		(struct conf_range){ 15 * MINUTE, 10 * SECOND, 24 * HOUR });
	c->max_auth_tries =
		(unsigned)conf_uint(conf, SECTION, "max_auth_tries",
				    (struct conf_range){ 6, 1, 100 });
	c->max_channels =
		(unsigned)conf_uint(conf, SECTION, "max_channels",
				    (struct conf_range){ 10, 1, 100 });
	c->window = (uint32_t)conf_size(conf, SECTION, "window",
					(struct conf_range){ 8 * MIB, 2 * MIB,
							     64 * MIB });
	c->rekey_bytes = conf_size(conf, SECTION, "rekey_after",
				   (struct conf_range){ 0, 0, 64 * GIB });
	if (c->rekey_bytes > 0 && c->rekey_bytes < MIB)
		conf_complain(conf, SECTION, "rekey_after",
			      "expected 0 or at least 1M");
}

void
sftpd_config_read(struct conf *conf, struct sftpd_config *out)
{
	static const char *const words[] = { "auto", "yes", "no", NULL };

	memset(out, 0, sizeof(*out));
	read_host_keys(conf, out);
	out->make_host_keys = conf_bool(conf, SECTION, "make_host_keys", false);
	out->software = read_software(conf);
	out->banner = read_banner(conf);
	out->kex = read_list(conf, "kex", algorithms_kex);
	out->ciphers = read_list(conf, "ciphers", NULL);
	out->macs = read_list(conf, "macs", algorithms_macs);
	out->host_algorithms =
		read_list(conf, "host_algorithms", algorithms_host);
	out->key_algorithms = read_list(conf, "key_algorithms", algorithms_key);
	out->gcm = (enum sftpd_gcm)conf_choice(conf, SECTION, "gcm", words,
					       SFTPD_GCM_AUTO);
	read_limits(conf, out);
}

void
sftpd_config_free(struct sftpd_config *c)
{
	size_t i;

	for (i = 0; i < SFTPD_HOST_KEYS; i++) {
		free(c->host_key_paths[i]);
		ssh_key_free(c->host_keys[i]);
	}
	free(c->software);
	free(c->banner);
	free(c->kex);
	free(c->ciphers);
	free(c->macs);
	free(c->host_algorithms);
	free(c->key_algorithms);
	memset(c, 0, sizeof(*c));
}
