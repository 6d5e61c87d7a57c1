/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "ftpd/command.h"
#include "ftpd/ftpd.h"
#include "lib/mem.h"

#define SECTION "ftp"
#define PORTS_DEFAULT "40000-40999"
#define BANNER_MAX 200 /* bytes */
#define MOTD_MAX 4096

static void
read_tls(struct conf *conf, struct ftpd_config *out)
{
	static const char *const modes[] = { "required", "optional", "off",
					     NULL };
	static const char *const versions[] = { "1.2", "1.3", NULL };
	bool plain = conf_bool(conf, SECTION, "allow_plain", false);
	bool make;

	out->tls = (enum ftpd_tls)conf_choice(conf, SECTION, "tls", modes, 0);
	if (out->tls != FTPD_TLS_REQUIRED && !plain)
		conf_complain(conf, SECTION, "tls",
			      "%s lets passwords and files cross the network "
			      "unencrypted; expected \"required\", or "
			      "allow_plain = yes beside it",
			      modes[out->tls]);
	out->tls_min = conf_choice(conf, SECTION, "tls_min", versions, 0) == 1
			       ? TLS1_3_VERSION
			       : TLS1_2_VERSION;
	make = conf_bool(conf, SECTION, "make_certificate", false);
	out->make_certificate = make;
	out->certificate =
		mem_strdup(conf_str(conf, SECTION, "certificate", NULL));
	out->private_key =
		mem_strdup(conf_str(conf, SECTION, "private_key", NULL));
	if (out->tls == FTPD_TLS_OFF)
		return;
	if (!out->certificate)
		conf_complain(conf, SECTION, "certificate",
			      "missing; expected a PEM file, or tls = off");
	if (!out->private_key)
		conf_complain(conf, SECTION, "private_key",
			      "missing; expected a PEM file, or tls = off");
}

static void
read_data_tls(struct conf *conf, struct ftpd_config *out)
{
	static const char *const modes[] = { "required", "optional", NULL };
	int mode = conf_choice(conf, SECTION, "data_tls", modes, 0);

	out->data_tls_required = mode == 0 && out->tls != FTPD_TLS_OFF;
	out->require_session_reuse =
		conf_bool(conf, SECTION, "require_session_reuse", false);
	out->require_close_notify =
		conf_bool(conf, SECTION, "require_close_notify", true);
}

/* "40000-40999" */
static bool
parse_ports(const char *s, uint16_t *first, uint16_t *last)
{
	char low[8];
	const char *dash = strchr(s, '-');
	uint64_t a, b;

	if (!dash || (size_t)(dash - s) >= sizeof(low))
		return false;
	memcpy(low, s, (size_t)(dash - s));
	low[dash - s] = '\0';
	if (!command_number(low, &a) || !command_number(dash + 1, &b) ||
	    a < 1024 || b > 65535 || a > b)
		return false;
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return true;
}

static void
read_data(struct conf *conf, struct ftpd_config *out)
{
	const char *ports =
		conf_str(conf, SECTION, "passive_ports", PORTS_DEFAULT);
	const char *address = conf_str(conf, SECTION, "public_address", NULL);
	static const char *const kinds[] = { "public", "local", NULL };

	if (!parse_ports(ports, &out->port_first, &out->port_last)) {
		conf_complain(conf, SECTION, "passive_ports",
			      "found \"%s\"; expected FIRST-LAST, within "
			      "1024-65535",
			      ports);
		parse_ports(PORTS_DEFAULT, &out->port_first, &out->port_last);
	}
	if (address &&
	    !public_address_parse(address, out->public, &out->npublic))
		conf_complain(conf, SECTION, "public_address",
			      "found \"%s\"; expected an IPv4 address, a host "
			      "name, or up to %d times LOCAL=ADDRESS",
			      address, PUBLIC_ADDRESSES_MAX);
	out->private_local =
		conf_choice(conf, SECTION, "private_clients", kinds, 0) == 1;
	out->active = conf_bool(conf, SECTION, "active", true);
	out->convert_ascii = conf_bool(conf, SECTION, "convert_ascii", false);
}

static unsigned
read_time(struct conf *conf, const char *key, struct conf_range r)
{
	return (unsigned)conf_time(conf, SECTION, key, r);
}

static void
read_limits(struct conf *conf, struct ftpd_config *out)
{
	const char *banner =
		conf_str(conf, SECTION, "banner", "Sluice FTP server ready");

	out->idle_timeout_ms =
		read_time(conf, "idle_timeout",
			  (struct conf_range){ 300000, 10000, 86400000 });
	out->data_timeout_ms =
		read_time(conf, "data_timeout",
			  (struct conf_range){ 120000, 5000, 3600000 });
	out->login_grace_ms =
		read_time(conf, "login_grace",
			  (struct conf_range){ 60000, 5000, 600000 });
	out->max_auth_tries =
		(unsigned)conf_uint(conf, SECTION, "max_auth_tries",
				    (struct conf_range){ 5, 1, 100 });
	if (strlen(banner) > BANNER_MAX || strpbrk(banner, "\r\n"))
		conf_complain(conf, SECTION, "banner",
			      "expected one line of at most %d bytes",
			      BANNER_MAX);
	out->banner = mem_strdup(banner);
	out->motd = conf_text(conf, SECTION, "motd_file", MOTD_MAX);
}

void
ftpd_config_read(struct conf *conf, struct ftpd_config *out)
{
	*out = (struct ftpd_config){ .tls = FTPD_TLS_REQUIRED };
	read_tls(conf, out);
	read_data_tls(conf, out);
	read_data(conf, out);
	read_limits(conf, out);
}

void
ftpd_config_free(struct ftpd_config *cfg)
{
	free(cfg->certificate);
	free(cfg->private_key);
	mem_wipe_free(cfg->chain_pem);
	mem_wipe_free(cfg->key_pem);
	free(cfg->banner);
	free(cfg->motd);
	*cfg = (struct ftpd_config){ .tls = FTPD_TLS_REQUIRED };
}
