/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "httpd/httpd.h"
#include "lib/mem.h"

#define SECTION "http"

static void
read_tls(struct conf *conf, struct httpd_config *out)
{
	static const char *const versions[] = { "1.2", "1.3", NULL };

	out->allow_plain = conf_bool(conf, SECTION, "allow_plain", false);
	out->tls_min = conf_choice(conf, SECTION, "tls_min", versions, 0) == 1
			       ? TLS1_3_VERSION
			       : TLS1_2_VERSION;
	out->certificate =
		mem_strdup(conf_str(conf, SECTION, "certificate", NULL));
	out->private_key =
		mem_strdup(conf_str(conf, SECTION, "private_key", NULL));
	if (out->certificate && !out->private_key)
		conf_complain(conf, SECTION, "private_key",
			      "missing; expected the PEM file of the "
			      "certificate's key");
	if (out->private_key && !out->certificate)
		conf_complain(conf, SECTION, "certificate",
			      "missing; expected the PEM file of the key's "
			      "certificate");
}

/* "https://upload.example.com", or "*". */
static bool
origin_valid(const char *s)
{
	const char *host;

	if (strcmp(s, "*") == 0)
		return true;
	if (strncmp(s, "https://", 8) == 0)
		host = s + 8;
	else if (strncmp(s, "http://", 7) == 0)
		host = s + 7;
	else
		return false;
	return *host && host[strcspn(host, "/?# \\\"")] == '\0';
}

static void
read_origins(struct conf *conf, struct httpd_config *out)
{
	const char *text = conf_str(conf, SECTION, "origins", "");
	size_t n, i = 0;

	while (*(text += strspn(text, ", \t"))) {
		n = strcspn(text, ", \t");
		if (i == HTTPD_ORIGINS_MAX) {
			conf_complain(conf, SECTION, "origins",
				      "more than %d origins",
				      HTTPD_ORIGINS_MAX);
			return;
		}
		out->origins[i] = mem_strndup(text, n);
		if (!origin_valid(out->origins[i]))
			conf_complain(conf, SECTION, "origins",
				      "found \"%s\", expected "
				      "https://HOST[:PORT] or *",
				      out->origins[i]);
		text += n;
		i++;
	}
}

static unsigned
read_time(struct conf *conf, const char *key, struct conf_range r)
{
	return (unsigned)conf_time(conf, SECTION, key, r);
}

void
httpd_config_read(struct conf *conf, struct httpd_config *out)
{
	*out = (struct httpd_config){ .allow_plain = false };
	read_tls(conf, out);
	read_origins(conf, out);
	out->header_timeout_ms =
		read_time(conf, "header_timeout",
			  (struct conf_range){ 20000, 1000, 600000 });
	out->body_timeout_ms =
		read_time(conf, "body_timeout",
			  (struct conf_range){ 60000, 1000, 3600000 });
	out->idle_timeout_ms =
		read_time(conf, "idle_timeout",
			  (struct conf_range){ 75000, 1000, 3600000 });
	out->max_auth_tries =
		(unsigned)conf_uint(conf, SECTION, "max_auth_tries",
				    (struct conf_range){ 5, 1, 100 });
}

void
httpd_config_free(struct httpd_config *cfg)
{
	size_t i;

	free(cfg->certificate);
	free(cfg->private_key);
	mem_wipe_free(cfg->chain_pem);
	mem_wipe_free(cfg->key_pem);
	for (i = 0; i < HTTPD_ORIGINS_MAX; i++)
		free(cfg->origins[i]);
	*cfg = (struct httpd_config){ .allow_plain = false };
}
