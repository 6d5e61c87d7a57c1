/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the control connection: a table of verbs with the phase and
 * the right that each needs, and pure parsers for lines and arguments.
 */
#ifndef FTPD_COMMAND_H
#define FTPD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ftp_verb {
	FTP_ABOR,
	FTP_ACCT,
	FTP_ALLO,
	FTP_APPE,
	FTP_AUTH,
	FTP_CCC,
	FTP_CDUP,
	FTP_CLNT,
	FTP_CWD,
	FTP_DELE,
	FTP_EPRT,
	FTP_EPSV,
	FTP_FEAT,
	FTP_HELP,
	FTP_HOST,
	FTP_LIST,
	FTP_MDTM,
	FTP_MFMT,
	FTP_MKD,
	FTP_MLSD,
	FTP_MLST,
	FTP_MODE,
	FTP_NLST,
	FTP_NOOP,
	FTP_OPTS,
	FTP_PASS,
	FTP_PASV,
	FTP_PBSZ,
	FTP_PORT,
	FTP_PROT,
	FTP_PWD,
	FTP_QUIT,
	FTP_REIN,
	FTP_REST,
	FTP_RETR,
	FTP_RMD,
	FTP_RNFR,
	FTP_RNTO,
	FTP_SITE,
	FTP_SIZE,
	FTP_SMNT,
	FTP_STAT,
	FTP_STOR,
	FTP_STOU,
	FTP_STRU,
	FTP_SYST,
	FTP_TYPE,
	FTP_USER,
	FTP_UNKNOWN /* also the number of verbs */
};

enum {
	COMMAND_EARLY = 1,   /* allowed before the log-in */
	COMMAND_NOW = 2,     /* carried out while a transfer is under way */
	COMMAND_ARG = 4,     /* must have an argument */
	COMMAND_REFUSED = 8, /* known, and not offered here */
	COMMAND_DATA = 16    /* uses up what REST and ALLO said */
};

struct command_row {
	const char *name;
	enum ftp_verb verb;
	unsigned flags; /* COMMAND_* */
	unsigned right; /* enum user_right, 0: none */
};

extern const struct command_row command_rows[];
extern const size_t command_count;

struct command {
	const struct command_row *row; /* NULL: unknown verb */
	const char *arg; /* behind the one space; "" when there is none */
};

/* Looks into line, which outlives *out. Spaces in the argument are kept. */
void command_parse(const char *line, struct command *out);

/* Decimal digits alone, no overflow. */
bool command_number(const char *s, uint64_t *out);

/* "20260131120000[.sss]" (RFC 3659 section 2.3), UTC, as Unix seconds. */
bool command_time(const char *s, size_t len, int64_t *out);

/*
 * SITE UTIME's two forms: "YYYYMMDDhhmm[ss] path", and "path ATIME MTIME CTIME
 * UTC" as ncftp and lftp send it. *path looks into arg.
 */
bool command_utime(const char *arg, const char **path, size_t *path_len,
		   int64_t *mtime);

/* A word up to the next space; returns what follows the spaces. */
const char *command_word(const char *s, size_t *len);

#endif
