/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How entries of a folder are written: LIST as `ls -l` does, NLST, and the
 * facts of MLSD and MLST (RFC 3659 section 7). Pure. Times are UTC.
 */
#ifndef FTPD_LISTING_H
#define FTPD_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/vfs.h"
#include "lib/buf.h"

enum listing_kind { LISTING_LIST, LISTING_NLST, LISTING_MLSD };

enum {
	FACT_TYPE = 1,
	FACT_SIZE = 2,
	FACT_MODIFY = 4,
	FACT_PERM = 8,
	FACT_MODE = 16, /* UNIX.mode */
	FACT_ALL = 31
};

#define LISTING_LINE_MAX 1600 /* bytes that one entry can take, all kinds */

struct listing {
	enum listing_kind kind;
	unsigned facts;	    /* FACT_*, for MLSD and MLST */
	unsigned rights;    /* the user's, for the fact perm */
	int64_t now;	    /* Unix seconds: how LIST writes a time */
	const char *owner;  /* shown as owner and group */
	const char *prefix; /* put before NLST's names: "" or "dir/" */
};

/* One line with its CR LF. */
void listing_entry(struct buf *b, const struct listing *l,
		   const struct vfs_entry *e);

/* "type=file;size=1;...; " without the name. */
void listing_facts(struct buf *b, const struct listing *l,
		   const struct vfs_stat *st);

/* "MLST type*;size*;...": a '*' marks the facts that are chosen. */
void listing_features(struct buf *b, unsigned facts);

/* "Type;Size;" of OPTS MLST; unknown facts are left out, as RFC 3659 says. */
unsigned listing_choose(const char *words);

/* Writes the chosen facts as OPTS MLST's reply shows them. */
void listing_chosen(struct buf *b, unsigned facts);

/* "20260131120000". */
void listing_time(int64_t t, char out[24]);

/* What is behind the words that begin with '-'; has any of them an R? */
const char *listing_options(const char *arg, bool *recursive);

/* '*', '?' and everything else for itself; no other wildcards. */
bool listing_match(const char *pattern, const char *name);

#endif
