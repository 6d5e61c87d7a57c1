/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/command.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "auth/user.h"

/* clang-format off */
const struct command_row command_rows[] = {
	{ "ABOR", FTP_ABOR, COMMAND_NOW, 0 },
	{ "ACCT", FTP_ACCT, COMMAND_EARLY | COMMAND_REFUSED, 0 },
	{ "ALLO", FTP_ALLO, COMMAND_ARG, 0 },
	{ "APPE", FTP_APPE, COMMAND_ARG | COMMAND_DATA, USER_WRITE },
	{ "AUTH", FTP_AUTH, COMMAND_EARLY | COMMAND_ARG, 0 },
	{ "CCC", FTP_CCC, COMMAND_EARLY | COMMAND_REFUSED, 0 },
	{ "CDUP", FTP_CDUP, 0, 0 },
	{ "CLNT", FTP_CLNT, COMMAND_EARLY, 0 },
	{ "CWD", FTP_CWD, COMMAND_ARG, 0 },
	{ "DELE", FTP_DELE, COMMAND_ARG, USER_DELETE },
	{ "EPRT", FTP_EPRT, COMMAND_ARG, 0 },
	{ "EPSV", FTP_EPSV, 0, 0 },
	{ "FEAT", FTP_FEAT, COMMAND_EARLY, 0 },
	{ "HELP", FTP_HELP, COMMAND_EARLY, 0 },
	{ "HOST", FTP_HOST, COMMAND_EARLY | COMMAND_REFUSED, 0 },
	{ "LIST", FTP_LIST, COMMAND_DATA, USER_LIST },
	{ "MDTM", FTP_MDTM, COMMAND_ARG, 0 },
	{ "MFMT", FTP_MFMT, COMMAND_ARG, USER_WRITE },
	{ "MKD", FTP_MKD, COMMAND_ARG, USER_MKDIR },
	{ "MLSD", FTP_MLSD, COMMAND_DATA, USER_LIST },
	{ "MLST", FTP_MLST, 0, 0 },
	{ "MODE", FTP_MODE, COMMAND_ARG, 0 },
	{ "NLST", FTP_NLST, COMMAND_DATA, USER_LIST },
	{ "NOOP", FTP_NOOP, COMMAND_EARLY, 0 },
	{ "OPTS", FTP_OPTS, COMMAND_EARLY | COMMAND_ARG, 0 },
	{ "PASS", FTP_PASS, COMMAND_EARLY, 0 },
	{ "PASV", FTP_PASV, 0, 0 },
	{ "PBSZ", FTP_PBSZ, COMMAND_EARLY | COMMAND_ARG, 0 },
	{ "PORT", FTP_PORT, COMMAND_ARG, 0 },
	{ "PROT", FTP_PROT, COMMAND_EARLY | COMMAND_ARG, 0 },
	{ "PWD", FTP_PWD, 0, 0 },
	{ "QUIT", FTP_QUIT, COMMAND_EARLY, 0 },
	{ "REIN", FTP_REIN, COMMAND_EARLY, 0 },
	{ "REST", FTP_REST, COMMAND_ARG, 0 },
	{ "RETR", FTP_RETR, COMMAND_ARG | COMMAND_DATA, USER_READ },
	{ "RMD", FTP_RMD, COMMAND_ARG, USER_DELETE },
	{ "RNFR", FTP_RNFR, COMMAND_ARG, USER_RENAME },
	{ "RNTO", FTP_RNTO, COMMAND_ARG, USER_RENAME },
	{ "SITE", FTP_SITE, COMMAND_ARG, 0 },
	{ "SIZE", FTP_SIZE, COMMAND_ARG, 0 },
	{ "SMNT", FTP_SMNT, COMMAND_EARLY | COMMAND_REFUSED, 0 },
	{ "STAT", FTP_STAT, COMMAND_NOW, 0 },
	{ "STOR", FTP_STOR, COMMAND_ARG | COMMAND_DATA, USER_WRITE },
	{ "STOU", FTP_STOU, COMMAND_DATA, USER_WRITE },
	{ "STRU", FTP_STRU, COMMAND_ARG, 0 },
	{ "SYST", FTP_SYST, COMMAND_EARLY, 0 },
	{ "TYPE", FTP_TYPE, COMMAND_ARG, 0 },
	{ "USER", FTP_USER, COMMAND_EARLY | COMMAND_ARG, 0 },
	{ "XCUP", FTP_CDUP, 0, 0 },
	{ "XCWD", FTP_CWD, COMMAND_ARG, 0 },
	{ "XMKD", FTP_MKD, COMMAND_ARG, USER_MKDIR },
	{ "XPWD", FTP_PWD, 0, 0 },
	{ "XRMD", FTP_RMD, COMMAND_ARG, USER_DELETE },
};
/* clang-format on */

const size_t command_count = sizeof(command_rows) / sizeof(command_rows[0]);

void
command_parse(const char *line, struct command *out)
{
	size_t len = strcspn(line, " "), i;

	*out = (struct command){ .arg = line + len };
	if (*out->arg == ' ')
		out->arg++;
	for (i = 0; i < command_count; i++) {
		const char *name = command_rows[i].name;

		if (strlen(name) == len && strncasecmp(name, line, len) == 0)
			out->row = &command_rows[i];
	}
}

bool
command_number(const char *s, uint64_t *out)
{
	uint64_t v = 0;

	if (*s == '\0')
		return false;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s))
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

static int
digits(const char *s, int n)
{
	int v = 0;

	while (n-- > 0)
		v = v * 10 + (*s++ - '0');
	return v;
}

bool
command_time(const char *s, size_t len, int64_t *out)
{
	struct tm tm = { 0 }, back;
	time_t t;
	size_t i;

	if (len < 14 || len > 24 || (len > 14 && (s[14] != '.' || len == 15)))
		return false;
	for (i = 0; i < len; i++)
		if (i != 14 && !isdigit((unsigned char)s[i]))
			return false;
	tm.tm_year = digits(s, 4) - 1900;
	tm.tm_mon = digits(s + 4, 2) - 1;
	tm.tm_mday = digits(s + 6, 2);
	tm.tm_hour = digits(s + 8, 2);
	tm.tm_min = digits(s + 10, 2);
	tm.tm_sec = digits(s + 12, 2);
	if (tm.tm_sec == 60)
		tm.tm_sec = 59; /* a leap second, which Unix time lacks */
	back = tm;
	t = timegm(&tm);
	/* timegm() normalises; what it had to change was no such time. */
	if (tm.tm_year != back.tm_year || tm.tm_mon != back.tm_mon ||
	    tm.tm_mday != back.tm_mday || tm.tm_hour != back.tm_hour ||
	    tm.tm_min != back.tm_min)
		return false;
	*out = t;
	return true;
}

/* The four words at the end are cut off; names have spaces. */
static bool
utime_behind(const char *arg, size_t *path_len, int64_t *t)
{
	size_t at[4], i, end = strlen(arg);

	for (i = 4; i-- > 0;) {
		size_t start = end;

		while (start > 0 && arg[start - 1] != ' ')
			start--;
		if (start < 2 || start == end)
			return false;
		at[i] = start;
		end = start - 1;
	}
	*path_len = end;
	return strcasecmp(arg + at[3], "UTC") == 0 &&
	       command_time(arg + at[1], at[2] - 1 - at[1], t);
}

bool
command_utime(const char *arg, const char **path, size_t *path_len,
	      int64_t *mtime)
{
	char full[14 + 1] = "00000000000000";
	size_t len = strcspn(arg, " ");

	*path = arg;
	if (utime_behind(arg, path_len, mtime))
		return true;
	if (arg[len] != ' ' || (len != 12 && len != 14))
		return false;
	memcpy(full, arg, len);
	*path = arg + len + 1;
	*path_len = strlen(*path);
	return command_time(full, 14, mtime);
}

const char *
command_word(const char *s, size_t *len)
{
	*len = strcspn(s, " ");
	s += *len;
	return s + strspn(s, " ");
}
