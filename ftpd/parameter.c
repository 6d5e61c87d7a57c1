/* SPDX-License-Identifier: Apache-2.0 */
/* How the next transfer is made: TYPE, PASV, PORT, REST and their like. */
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "ftpd/address.h"
#include "ftpd/data.h"
#include "ftpd/handler.h"

static void
forget_data(struct control *c)
{
	data_free(c->data);
	c->data = NULL;
}

static struct data_env
data_env(const struct control *c)
{
	const struct ftpd_config *cfg = c->ftpd->config;

	return (struct data_env){
		.loop = c->ftpd->loop,
		.local = (const struct sockaddr *)&c->local,
		.peer = (const struct sockaddr *)&c->peer,
		.session = session_id(c->session),
		.port_first = cfg->port_first,
		.port_last = cfg->port_last,
	};
}

/* False after a reply. */
static bool
listen_port(struct control *c, uint16_t *port)
{
	struct data_env env = data_env(c);

	forget_data(c);
	if (data_listen(&c->data, &env, port) == ERR_OK)
		return true;
	control_reply(c, 425, "No port is free for a data connection.");
	return false;
}

/* In: our own address; out: where the client is to connect to. */
static bool
pasv_address(const struct control *c, unsigned char ip[4])
{
	unsigned char peer[4];

	if (c->ftpd->config->private_local &&
	    address_ipv4((const struct sockaddr *)&c->peer, peer) &&
	    public_address_private(peer))
		return true;
	return public_address(c->ftpd->public, ip);
}

void
handle_pasv(struct control *c, const char *arg)
{
	unsigned char ip[4];
	uint16_t port;

	(void)arg;
	if (c->epsv_all) {
		control_reply(c, 503, "EPSV ALL was agreed upon.");
		return;
	}
	if (!address_ipv4((const struct sockaddr *)&c->local, ip)) {
		control_reply(c, 522, "PASV is for IPv4: use EPSV.");
		return;
	}
	if (!pasv_address(c, ip)) {
		control_reply(c, 425, "The public address is not known yet.");
		return;
	}
	if (listen_port(c, &port))
		control_reply(c, 227,
			      "Entering Passive Mode (%u,%u,%u,%u,%u,%u).",
			      ip[0], ip[1], ip[2], ip[3], port >> 8,
			      port & 255u);
}

void
handle_epsv(struct control *c, const char *arg)
{
	int family = address_family((const struct sockaddr *)&c->local);
	const char *own = family == AF_INET ? "1" : "2";
	uint16_t port;

	if (strcasecmp(arg, "ALL") == 0) {
		c->epsv_all = true;
		control_reply(c, 200, "EPSV ALL it is.");
	} else if (arg[0] != '\0' && strcmp(arg, own) != 0) {
		control_reply(c, 522,
			      "Network protocol not supported, use "
			      "(%s)",
			      own);
	} else if (listen_port(c, &port)) {
		control_reply(c, 229,
			      "Entering Extended Passive Mode "
			      "(|||%u|)",
			      port);
	}
}

/*
 * Only the client itself, and no service of the system's: a server that
 * connects wherever it is told to is a tool for attacks (RFC 2577 section 3).
 */
static void
active(struct control *c, const struct sockaddr_storage *to)
{
	const struct sockaddr *sa = (const struct sockaddr *)to;
	struct data_env env = data_env(c);

	forget_data(c);
	if (!address_same_host(sa, (const struct sockaddr *)&c->peer) ||
	    address_port(sa) < 1024) {
		control_reply(c, 504,
			      "Only your own address, and ports from "
			      "1024.");
		return;
	}
	c->data = data_active(&env, to);
	control_reply(c, 200, "Active mode it is.");
}

static bool
may_be_active(struct control *c)
{
	if (!c->ftpd->config->active)
		control_reply(c, 502,
			      "Active mode is off here: use PASV or "
			      "EPSV.");
	else if (c->epsv_all)
		control_reply(c, 503, "EPSV ALL was agreed upon.");
	else
		return true;
	return false;
}

void
handle_port(struct control *c, const char *arg)
{
	struct sockaddr_storage to;

	if (!may_be_active(c))
		return;
	if (address_parse_port(arg, &to))
		active(c, &to);
	else
		control_reply(c, 501, "PORT is h1,h2,h3,h4,p1,p2.");
}

void
handle_eprt(struct control *c, const char *arg)
{
	struct sockaddr_storage to;

	if (!may_be_active(c))
		return;
	switch (address_parse_eprt(arg, &to)) {
	case EPRT_OK:
		active(c, &to);
		break;
	case EPRT_FAMILY:
		control_reply(c, 522,
			      "Network protocol not supported, use "
			      "(1,2)");
		break;
	case EPRT_BAD:
		control_reply(c, 501, "EPRT is |protocol|address|port|.");
		break;
	}
}

void
handle_type(struct control *c, const char *arg)
{
	bool ascii = strcasecmp(arg, "A") == 0 || strcasecmp(arg, "A N") == 0;
	bool image = strcasecmp(arg, "I") == 0 || strcasecmp(arg, "L 8") == 0;

	if (!ascii && !image) {
		control_reply(c, 504, "TYPE A and TYPE I are offered.");
		return;
	}
	c->ascii = ascii;
	control_reply(c, 200, "Type is %s.", ascii ? "ASCII" : "binary");
}

void
handle_mode(struct control *c, const char *arg)
{
	if (strcasecmp(arg, "S") == 0)
		control_reply(c, 200, "Mode is stream.");
	else
		control_reply(c, 504, "MODE S is offered.");
}

void
handle_stru(struct control *c, const char *arg)
{
	if (strcasecmp(arg, "F") == 0)
		control_reply(c, 200, "Structure is file.");
	else
		control_reply(c, 504, "STRU F is offered.");
}

void
handle_rest(struct control *c, const char *arg)
{
	uint64_t n;

	if (!command_number(arg, &n) || n > INT64_MAX) {
		control_reply(c, 501, "REST is a number of bytes.");
	} else if (n > 0 && control_converts(c)) {
		control_reply(c, 504, "No restart with TYPE A.");
	} else {
		c->rest = n;
		control_reply(c, 350, "Will go on at byte %" PRIu64 ".", n);
	}
}

/* "ALLO size" or "ALLO size R record" (RFC 959 section 4.1.3). */
void
handle_allo(struct control *c, const char *arg)
{
	char word[24];
	size_t len;
	const char *rest = command_word(arg, &len);
	uint64_t n;

	if (len < sizeof(word)) {
		memcpy(word, arg, len);
		word[len] = '\0';
	}
	if (len >= sizeof(word) || !command_number(word, &n) || n > INT64_MAX ||
	    (*rest != '\0' && strncasecmp(rest, "R ", 2))) {
		control_reply(c, 501, "ALLO is a number of bytes.");
		return;
	}
	c->allo = n;
	c->has_allo = true;
	control_reply(c, 200, "A file of %" PRIu64 " bytes is expected.", n);
}
