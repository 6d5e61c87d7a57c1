/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks: Basic credentials (RFC 7617), checked as on the other doors. A
 * connection keeps its session as long as its requests bring the same ones.
 */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>
#include <strings.h>

#include "httpd/handler.h"
#include "lib/id.h"
#include "lib/mem.h"

#define CREDENTIALS_MAX (USER_NAME_MAX + 1 + AUTH_PASSWORD_MAX)
#define ENCODED_MAX (4 * ((CREDENTIALS_MAX + 2) / 3))

_Static_assert(CLIENT_DIGEST == SHA256_DIGEST_LENGTH, "a digest is SHA-256");

/* "Basic <base64 of name:password>" into text; false: it is not. */
static bool
decode(const char *value, char text[ENCODED_MAX + 1])
{
	long n;
	size_t len;

	if (strncasecmp(value, "Basic ", 6) != 0)
		return false;
	value += 6;
	value += strspn(value, " ");
	len = strlen(value);
	if (len > ENCODED_MAX)
		return false;
	n = base64_decode(value, len, text);
	if (n < 0 || memchr(text, '\0', (size_t)n))
		return false;
	text[n] = '\0';
	return strchr(text, ':') != NULL;
}

static void
login_done(void *arg, enum err err)
{
	struct client *c = arg;
	bool last = err && ++c->failures >= c->httpd->config->max_auth_tries;

	if (!err) {
		c->logged_in = true;
		route_go(c);
	} else {
		c->close |= last;
		if (err == ERR_DENIED)
			route_problem(c, 401, "Name or password are wrong.");
		else if (err == ERR_QUOTA)
			route_problem(c, 429,
				      "This user has too many sessions.");
		else
			route_problem(c, 503, "Log-in is not possible now.");
	}
	client_soon(c);
}

/* Another user on the same connection, as proxies may send. */
static bool
begin_anew(struct client *c)
{
	struct session *s;

	if (session_new(&s, c->httpd->bridge, session_protocol(c->session),
			(const struct sockaddr *)&c->peer) != ERR_OK)
		return false;
	session_free(c->session);
	c->session = s;
	c->logged_in = false;
	return true;
}

static void
log_in(struct client *c, char *text)
{
	char *password = strchr(text, ':');

	*password++ = '\0';
	c->state = CLIENT_LOGIN;
	session_login_password(c->session, text, password, login_done, c);
}

void
login_request(struct client *c)
{
	const char *value = http_head_get(&c->head, "authorization");
	unsigned char digest[CLIENT_DIGEST];
	char text[ENCODED_MAX + 1];

	if (!value) {
		route_problem(c, 401, "Say who you are.");
		return;
	}
	SHA256((const unsigned char *)value, strlen(value), digest);
	if (c->logged_in &&
	    CRYPTO_memcmp(digest, c->digest, CLIENT_DIGEST) == 0) {
		route_go(c);
		return;
	}
	if (!decode(value, text))
		route_problem(c, 401, "Basic credentials are expected.");
	else if (c->logged_in && !begin_anew(c))
		route_problem(c, 503, "Too many connections; try later.");
	else
		log_in(c, text);
	memcpy(c->digest, digest, CLIENT_DIGEST);
	mem_wipe(text, sizeof(text));
}
