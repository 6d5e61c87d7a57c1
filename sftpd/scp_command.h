/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line by which an old scp, or one with -O, starts itself on the
 * other side: "scp -t DIR", "scp -r -p -f -- FILE ...". A shell would read it,
 * so quotes, backslashes, "~" and wildcards mean here what they mean there; what
 * else a shell would do makes it no command of ours. Pure.
 */
#ifndef SFTPD_SCP_COMMAND_H
#define SFTPD_SCP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#define SCP_COMMAND_MAX 65536 /* bytes */
#define SCP_WORDS_MAX 1000

struct scp_word {
	char *text;    /* without quotes */
	char *pattern; /* for scp_match(), if it has wildcards, or NULL */
};

struct scp_command {
	bool sink;	/* -t: files come in; else -f: they go out */
	bool recursive; /* -r */
	bool times;	/* -p */
	bool directory; /* -d: the target must be a folder */
	struct scp_word *paths;
	size_t npaths; /* at least one; one for a sink */
};

/* False: this is no scp that we can be. The caller frees *out. */
bool scp_command_parse(struct scp_command *out, const char *text);
void scp_command_free(struct scp_command *c);

/*
 * As a shell matches a file name: * ? [a-z] [!a-z] and a backslash in front of
 * what is meant as it is; none of them matches a '.' at the beginning. Takes
 * at most time proportional to the product of the lengths.
 */
bool scp_match(const char *pattern, const char *name);

#endif
