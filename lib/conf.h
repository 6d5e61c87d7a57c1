/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an ini file (iniparser) with typed getters. Every getter marks its
 * key as known; conf_finish() then reports each key that nobody asked for, so
 * a misspelt key is an error. All complaints are collected, each naming file,
 * section, key, what was found and what was expected; the caller prints them.
 *
 * Sections and keys match in any case; conf_section() gives a section's name
 * as it is written, and two that differ in nothing but case are a complaint.
 * A value that holds ; or # stands in quotes.
 *
 * Sizes: bytes, with K, M, G, T (powers of 1024). Times: with ms, s, m, h, d.
 * A value "env:NAME" is taken from the environment, "file:/path" is the first
 * line of that file: so secrets need not stand in the configuration.
 */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;

/* Always gives a conf; a file that cannot be read is a complaint in it. */
struct conf *conf_load(const char *path);
void conf_free(struct conf *c);

size_t conf_sections(const struct conf *c);
const char *conf_section(const struct conf *c, size_t i); /* file's order */
/* What a section's name has behind prefix, or NULL: "main" of "store.main". */
const char *conf_section_after(const struct conf *c, size_t i,
			       const char *prefix);
/* 1 to max lower-case letters, digits, '_' and '-'. */
bool conf_name_valid(const char *name, size_t max);

/* Whether the file has the key or, with key NULL, the section. */
bool conf_has(const struct conf *c, const char *section, const char *key);

/*
 * The section's keys that begin with prefix, in the file's order; fn may ask
 * for their values.
 */
typedef void conf_key_fn(void *arg, const char *key);
void conf_keys(const struct conf *c, const char *section, const char *prefix,
	       conf_key_fn *fn, void *arg);

/*
 * The value, or def when the key is absent. def NULL makes conf_str() return
 * NULL; conf_need() complains instead and returns "". Strings live as long as c.
 */
const char *conf_str(struct conf *c, const char *section, const char *key,
		     const char *def);
const char *conf_need(struct conf *c, const char *section, const char *key);
bool conf_bool(struct conf *c, const char *section, const char *key, bool def);

/* As conf_str() with NULL, for who does not know the key: it stays unknown. */
const char *conf_peek(struct conf *c, const char *section, const char *key);

struct conf_range {
	uint64_t def, min, max;
};
uint64_t conf_uint(struct conf *c, const char *section, const char *key,
		   struct conf_range r);
uint64_t conf_size(struct conf *c, const char *section, const char *key,
		   struct conf_range r); /* bytes */
uint64_t conf_time(struct conf *c, const char *section, const char *key,
		   struct conf_range r); /* ms */

/* The keys whose values come from a file ("file:/path"), in its order. */
typedef void conf_file_fn(void *arg, const char *section, const char *key,
			  const char *path);
void conf_files(const struct conf *c, conf_file_fn *fn, void *arg);

/*
 * The text in the file that the value names, at most max bytes without control
 * characters; NULL when the key is absent. The caller frees it.
 */
char *conf_text(struct conf *c, const char *section, const char *key,
		size_t max);

/* Index of the value in a NULL-ended list of words; def_index when absent. */
int conf_choice(struct conf *c, const char *section, const char *key,
		const char *const *words, int def_index);

/* Adds a complaint of the caller's own: "FILE: [section] key: <text>". */
void conf_complain(struct conf *c, const char *section, const char *key,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * Nobody knows this section's other keys, because what decides about them is
 * wrong itself and was complained of: they are not reported as unknown.
 */
void conf_forgive(struct conf *c, const char *section);

/* Reports unknown keys and sections. Returns the number of complaints. */
size_t conf_finish(struct conf *c);
const char *conf_complaint(const struct conf *c, size_t i);

/* The parsers behind, for other users: 0 or -1. */
int conf_parse_size(const char *s, uint64_t *out);
int conf_parse_time(const char *s, uint64_t *out);

#endif
