/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/authkey_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "auth/address.h"
#include "lib/mem.h"

#define SPACE " \t"

/* What these forbid is never offered, so a line with them is held to. */
static const char *const harmless[] = {
	"restrict", "no-agent-forwarding", "no-port-forwarding",
	"no-pty",   "no-user-rc",	   "no-X11-forwarding",
};

static bool
word_is(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(word, s, n) == 0;
}

static bool
option_harmless(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (word_is(s, n, harmless[i]))
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
take_from(struct authkey *key, char *value, char *why)
{
	free(key->from);
	key->from = value;
	if (address_list_valid(value))
		return ERR_OK;
	str_copy(why, AUTHKEY_WHY_MAX,
		 "from= takes addresses, networks and wildcards; host names "
		 "are not looked up");
	return ERR_INVALID;
}

static enum err
take_principals(struct authkey *key, char *value, char *why)
{
	free(key->principals);
	key->principals = value;
	if (value[0] != '\0')
		return ERR_OK;
	str_copy(why, AUTHKEY_WHY_MAX, "principals= takes names");
	return ERR_INVALID;
}

/* Two digits at s, or -1. */
static int
two_digits(const char *s)
{
	if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
		return -1;
	return (s[0] - '0') * 10 + (s[1] - '0');
}

/* Two digits each for century, year, month, day, hour, minute, second. */
static bool
parse_fields(const char *s, size_t n, struct tm *tm)
{
	int f[7] = { 0 };
	size_t i;

	for (i = 0; i < n / 2; i++) {
		f[i] = two_digits(s + 2 * i);
		if (f[i] < 0)
			return false;
	}
	tm->tm_year = f[0] * 100 + f[1] - 1900;
	tm->tm_mon = f[2] - 1;
	tm->tm_mday = f[3];
	tm->tm_hour = f[4];
	tm->tm_min = f[5];
	tm->tm_sec = f[6];
	tm->tm_isdst = -1;
	return f[2] >= 1 && f[2] <= 12 && f[3] >= 1 && f[3] <= 31 &&
	       f[4] <= 23 && f[5] <= 59 && f[6] <= 60;
}

/* YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, in UTC with a Z behind. */
static bool
parse_time(const char *s, int64_t *out)
{
	size_t n = strlen(s);
	struct tm tm = { 0 };
	const bool utc = n > 0 && (s[n - 1] == 'Z' || s[n - 1] == 'z');

	n -= utc;
	if ((n != 8 && n != 12 && n != 14) || !parse_fields(s, n, &tm))
		return false;
	*out = utc ? timegm(&tm) : mktime(&tm);
	return *out > 0;
}

static enum err
take_expiry(struct authkey *key, char *value, char *why)
{
	const bool good = parse_time(value, &key->expires);

	free(value);
	if (good)
		return ERR_OK;
	str_copy(why, AUTHKEY_WHY_MAX,
		 "expiry-time= takes YYYYMMDD[HHMM[SS]], with Z for UTC");
	return ERR_INVALID;
}

/* Nothing but this is offered anyway. */
static enum err
take_command(struct authkey *key, char *value, char *why)
{
	const bool sftp = strcmp(value, "internal-sftp") == 0;

	(void)key;
	free(value);
	if (sftp)
		return ERR_OK;
	str_copy(why, AUTHKEY_WHY_MAX,
		 "command= is not supported: no commands are run here (but "
		 "\"internal-sftp\" may stand there)");
	return ERR_INVALID;
}

/* Those with a value take ownership of it. */
static const struct option {
	const char *name;
	enum err (*take)(struct authkey *key, char *value, char *why);
} with_value[] = {
	{ "from", take_from },
	{ "principals", take_principals },
	{ "expiry-time", take_expiry },
	{ "command", take_command },
};

static enum err
option_value(const struct option *o, const char *s, size_t n,
	     struct authkey *key, char *why)
{
	if (n < 2 || s[0] != '"' || s[n - 1] != '"') {
		snprintf(why, AUTHKEY_WHY_MAX, "%s= needs \"quotes\"", o->name);
		return ERR_INVALID;
	}
	return o->take(key, mem_strndup(s + 1, n - 2), why);
}

static bool
option_flag(const char *s, size_t n, struct authkey *key)
{
	if (word_is(s, n, "cert-authority"))
		key->ca = true;
	else if (word_is(s, n, "no-touch-required"))
		key->no_touch = true;
	else if (word_is(s, n, "verify-required"))
		key->verify_required = true;
	else
		return option_harmless(s, n);
	return true;
}

static enum err
option_parse(const char *s, size_t n, struct authkey *key, char *why)
{
	const char *equals = memchr(s, '=', n);
	const size_t word = equals ? (size_t)(equals - s) : n;
	size_t i;

	for (i = 0; equals && i < sizeof(with_value) / sizeof(with_value[0]);
	     i++) {
		if (word_is(s, word, with_value[i].name))
			return option_value(&with_value[i], equals + 1,
					    n - word - 1, key, why);
	}
	if (option_flag(s, n, key))
		return ERR_OK;
	snprintf(why, AUTHKEY_WHY_MAX,
		 "the option or key type \"%.*s\" is not supported; options: "
		 "from=, restrict, expiry-time=, cert-authority",
		 n > 40 ? 40 : (int)n, s);
	return ERR_INVALID;
}

enum err
authkey_options(const char **line, struct authkey *key,
		char why[AUTHKEY_WHY_MAX])
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
	if (!key->principals || key->ca)
		return ERR_OK;
	str_copy(why, AUTHKEY_WHY_MAX,
		 "principals= belongs to a cert-authority");
	return ERR_INVALID;
}
