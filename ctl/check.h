/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of "sluicectl check": what journal, spool and stores say, put
 * side by side. What a worker drives is left alone: it changes while it is
 * looked at, and its driver looks after it.
 */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "bridge/keylock.h"
#include "bridge/spool_inspect.h"
#include "ctl/findings.h"
#include "ctl/records.h"
#include "ctl/repair.h"
#include "ctl/stores.h"

#define CHECK_WHERE_MAX 2300 /* bytes: names, and a path */

/* An upload that has not ended. */
struct check_row {
	UT_hash_handle hh; /* by row.id */
	struct journal_upload row;
	struct store_part *parts;
	size_t nparts;
	bool driven;  /* its key was locked when it was looked at */
	uint64_t end; /* contiguous bytes, those in the spool included */
};

struct check_file {
	struct check_file *next;
	struct spool_file file; /* its name is a copy */
};

struct check {
	struct ctl *ctl;
	struct records *records;
	struct stores *stores;
	struct keylock_table *locks; /* NULL: there is no spool */
	struct repair *repair;	     /* NULL: only look */
	bool deep, daemon;
	size_t last; /* published objects to look at */
	struct findings found;
	struct check_row *rows;
	struct check_file *files;
	size_t nrows, nfiles, ndriven, nmultipart, nobjects; /* looked at */
};

/* cmd_check.c. Opens all that a check needs; false after saying why not. */
bool check_open(struct check *k, bool repair);
void check_close(struct check *k);

/* "upload 1a2b3c4d: parked, ann, /show/x.mov" */
const char *check_where(const struct journal_upload *u,
			char out[CHECK_WHERE_MAX]);

/* A finding about an upload; advice and done may be NULL. */
void check_add(struct check *k, const struct journal_upload *u,
	       const struct finding *f);

/* check_journal.c: the journal by itself; loads the rows that live. */
bool check_journal(struct check *k);
/* Rows on their way to an end that nobody carries on; waits for it. */
void check_stuck(struct check *k);

/* The row of an upload that lives, or NULL. */
struct check_row *check_row_of(const struct check *k, const char *id);
bool check_load_rows(struct check *k);

/* check_spool.c: segments against rows, and how far each upload reaches. */
void check_spool(struct check *k);
enum err check_load_files(struct check *k);
void check_files_free(struct check *k);

/* check_store.c: rows against the stores */
void check_rows(struct check *k);
void check_multipart(struct check *k);
/* Of no row (-1), of one that has ended, or of one that lives. */
bool check_owner(const struct check *k, const struct store *st,
		 const struct store_upload *u, int *state);
/* check_published.c */
void check_published(struct check *k);

/* check_repair.c: what was done, or why it could not be; f says the rest. */
void check_publish(struct check *k, const struct check_row *r,
		   const struct store_object *o, struct finding *f);
/* The parts from `no` on are worth nothing. */
void check_drop_parts(struct check *k, const struct check_row *r, uint32_t no,
		      bool gone, struct finding *f);
void check_tell_event(struct check *k, const char *id, struct finding *f);
void check_unlink(struct check *k, const struct journal_upload *row,
		  const char *name, struct finding *f);

#endif
