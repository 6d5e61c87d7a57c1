/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check found, in the order in which it was found: what is wrong,
 * where, and what to do. Printed as it comes for people, at the end as JSON.
 */
#ifndef CTL_FINDINGS_H
#define CTL_FINDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum finding_level {
	FINDING_NOTE,  /* worth knowing; nothing is wrong */
	FINDING_WARN,  /* something is left over, or will mend itself */
	FINDING_ERROR, /* bytes, an event or an object are missing */
	FINDING_FAILED /* it could not be found out */
};

struct findings {
	bool json;
	json_t *list;
	size_t count[FINDING_FAILED + 1]; /* without what was repaired */
	size_t repaired;
};

struct finding {
	enum finding_level level;
	const char *what;  /* a word for scripts: "multipart_gone" */
	const char *where; /* "upload 1a2b3c4d, parked, ann, /x.mov" */
	const char *text;
	const char *advice;   /* what to do; NULL: nothing */
	const char *repaired; /* what was done about it; NULL: nothing */
};

void findings_init(struct findings *f, bool json);
/* Copies what it keeps. */
void findings_add(struct findings *f, const struct finding *one);
void findings_free(struct findings *f);

/* 0: all is well, 1: something is wrong, 2: it could not be found out. */
int findings_status(const struct findings *f);

/* A text for people in lines of the terminal's width, indented. */
void findings_wrap(const char *text, size_t indent);

#endif
