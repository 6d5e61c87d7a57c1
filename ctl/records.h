/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal as sluicectl reads it: a connection of its own that never
 * writes, whether or not a daemon runs.
 */
#ifndef CTL_RECORDS_H
#define CTL_RECORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/journal_ops.h"
#include "ctl/ctl.h"
#include "ctl/offset.h"

struct records;

/* NULL after saying what is wrong. */
struct records *records_open(struct ctl *c);
/* NULL with *err where it cannot be read; the configuration was loaded. */
struct records *records_try(struct ctl *c, enum err *err);
/* Why a journal cannot be used, in words. */
const char *records_why(enum err err);
const char *records_path(const struct records *r);
void records_close(struct records *r);

/* Whether there is a journal at all; without, it is empty. */
bool records_exist(const struct records *r);

/* One page; false after saying what is wrong. The caller frees rows. */
bool records_list(struct records *r, const struct journal_query *q,
		  struct journal_rows *rows);

/* Page by page, until fn is false; false then, and after saying what is wrong. */
typedef bool records_page_fn(void *arg, struct journal_rows *rows);
bool records_pages(struct records *r, struct journal_query q,
		   records_page_fn *fn, void *arg);

/*
 * The upload with its parts and events, by its id or by at least 4 characters
 * from the beginning or the end of it. False after saying what is wrong.
 */
bool records_find(struct records *r, const char *word,
		  struct journal_rows *rows);

/* One upload with its parts, or none in rows; false after saying why. */
bool records_get(struct records *r, const char *id, struct journal_rows *rows);

/* As the journal's driver; false after saying that it cannot be read. */
bool records_check(struct records *r, journal_fault_fn *fn, void *arg);
bool records_moved(struct records *r, const struct journal_upload *u,
		   bool *out);
bool records_owner(struct records *r, const char *store, const char *key,
		   const char *backend_id, int *state);
enum err records_backup(struct records *r, const char *path);

/* What a home holds; zeroes where nobody knows. */
bool records_usage(struct records *r, const char *store, const char *home,
		   struct journal_usage *usage);

/* Events and sinks, as the journal's driver. */
bool records_events(struct records *r, const struct journal_event_query *q,
		    struct journal_rows *rows);
bool records_sinks(struct records *r, enum journal_sinks_what what,
		   struct journal_rows *rows);

/* What was found of an object last: rows->media, its body NULL if nothing. */
bool records_media(struct records *r, const char *store, const char *key,
		   struct journal_rows *rows);

/* Bytes of a live upload that the store has confirmed. */
bool records_stored(struct records *r, const struct journal_upload *u,
		    uint64_t *bytes);

/* How uploads are called: the last 8 characters, the random ones. */
const char *records_short_id(const struct journal_upload *u);

/* An upload as JSON, times as RFC 3339 or null, so is an unknown offset. */
json_t *records_json(const struct journal_upload *u, const struct offset *at);
/* A string, or null where it is not UTF-8. */
json_t *records_text(const char *s);
json_t *records_time(int64_t unix_ms);
bool records_ended(const struct journal_upload *u);

#endif
