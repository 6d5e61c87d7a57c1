/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between conf.c (getters, complaints) and conf_read.c, which reads a file:
 * iniparser parses it, after a pass of our own has refused what iniparser
 * would take silently (duplicates, cut values and lines, control bytes).
 */
#ifndef LIB_CONF_PRIVATE_H
#define LIB_CONF_PRIVATE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

/* iniparser reads lines into 1024 bytes. */
#define CONF_LINE_MAX 1000
#define CONF_FILE_MAX (4U << 20)
/* More complaints than that are of no use to anybody. */
#define CONF_COMPLAINTS_MAX 100

/* A section or a key. */
struct conf_entry {
	char *name;		    /* "section" or "section:key", lower case */
	char *label;		    /* section or key as written */
	struct conf_entry *section; /* NULL for a section */
	unsigned line;
	bool known;    /* somebody asked for it */
	bool resolved; /* `value` is final: env: and file: are read */
	char *value;   /* NULL for a section; NULL if it cannot be had */
	char *origin;  /* "env:X" or "file:X" if the value came from one */
	UT_hash_handle hh;
};

struct conf {
	char *path;
	bool broken; /* the file is unreadable or malformed: no values */
	struct conf_entry *entries; /* by name; in the file's order */
	struct conf_entry **sections;
	size_t section_count;
	char **complaints;
	size_t complaint_count;
};

void conf_read_file(struct conf *c);

/* Adds "FILE: text" or, for a line above 0, "FILE:LINE: text". */
void conf_complain_line(struct conf *c, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "section" or "section:key" in lower case; the caller frees it. */
char *conf_name(const char *section, const char *key);

/*
 * The first line of a file, without its end; NULL with *why set. The caller
 * frees it with mem_wipe_free().
 */
char *conf_first_line(const char *path, const char **why);

#endif
