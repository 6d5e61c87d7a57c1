/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/scp_command.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

#define SPACE " \t"
#define SHELL_ONLY ";|&<>()$`\n\r"
#define WILD "*?["

/* A word that is being read: both of its forms, as far as they have come. */
struct reading {
	const char *p;
	struct buf text, pattern;
	bool wild;
};

static void
put(struct reading *r, char c, bool plain)
{
	if (!plain && strchr(WILD "]-!^", c) != NULL)
		r->wild = r->wild || strchr(WILD, c) != NULL;
	else if (strchr(WILD "]-!^\\", c) != NULL)
		buf_add_u8(&r->pattern, '\\');
	buf_add_u8(&r->pattern, (uint8_t)c);
	buf_add_u8(&r->text, (uint8_t)c);
}

/* Behind an opening quote; false: there is no closing one. */
static bool
read_quoted(struct reading *r, char quote)
{
	for (; *r->p != quote; r->p++) {
		if (*r->p == '\0' ||
		    (quote == '"' && strchr("$`", *r->p) != NULL))
			return false;
		if (quote == '"' && *r->p == '\\' && r->p[1] != '\0' &&
		    strchr("\"\\$`", r->p[1]) != NULL)
			r->p++;
		put(r, *r->p, true);
	}
	r->p++;
	return true;
}

static bool
read_char(struct reading *r)
{
	const char c = *r->p++;

	if (c == '\'' || c == '"')
		return read_quoted(r, c);
	if (strchr(SHELL_ONLY, c) != NULL)
		return false;
	if (c != '\\') {
		put(r, c, false);
		return true;
	}
	if (*r->p == '\0')
		return false;
	put(r, *r->p++, true);
	return true;
}

/* "~" and "~/x" are in the home, which is "/". */
static void
skip_home(struct reading *r)
{
	if (r->p[0] == '~' &&
	    (r->p[1] == '\0' || r->p[1] == '/' || strchr(SPACE, r->p[1]))) {
		r->p++;
		if (*r->p != '/')
			put(r, '/', true);
	}
}

static bool
read_word(const char **text, struct scp_word *out)
{
	struct reading r = { .p = *text };
	bool good = true;

	buf_init(&r.text, SCP_COMMAND_MAX);
	buf_init(&r.pattern, 2 * SCP_COMMAND_MAX);
	skip_home(&r);
	while (good && *r.p != '\0' && strchr(SPACE, *r.p) == NULL)
		good = read_char(&r);
	if (good) {
		out->text = mem_strdup(buf_cstr(&r.text));
		out->pattern = r.wild ? mem_strdup(buf_cstr(&r.pattern)) : NULL;
	}
	buf_free(&r.text);
	buf_free(&r.pattern);
	*text = r.p + strspn(r.p, SPACE);
	return good;
}

static bool
is_scp(const char *word)
{
	const char *slash = strrchr(word, '/');

	return strcmp(slash == NULL ? word : slash + 1, "scp") == 0;
}

/* The letters behind a '-'. */
static bool
take_letters(struct scp_command *c, const char *s, bool *source)
{
	for (; *s != '\0'; s++) {
		switch (*s) {
		case 't':
			c->sink = true;
			break;
		case 'f':
			*source = true;
			break;
		case 'r':
			c->recursive = true;
			break;
		case 'p':
			c->times = true;
			break;
		case 'd':
			c->directory = true;
			break;
		case 'v':
		case 'q':
			break;
		default:
			return false;
		}
	}
	return true;
}

static void
drop_first(struct scp_command *c)
{
	free(c->paths[0].text);
	free(c->paths[0].pattern);
	c->npaths--;
	memmove(c->paths, c->paths + 1, c->npaths * sizeof(*c->paths));
}

/* All words into c->paths. */
static bool
read_words(struct scp_command *c, const char *text)
{
	text += strspn(text, SPACE);
	while (*text != '\0') {
		if (c->npaths == SCP_WORDS_MAX ||
		    !read_word(&text, &c->paths[c->npaths]))
			return false;
		c->npaths++;
	}
	return true;
}

static bool
take_options(struct scp_command *c, bool *source)
{
	const char *s;

	while (c->npaths > 0 && c->paths[0].text[0] == '-') {
		s = c->paths[0].text;
		if (strcmp(s, "--") == 0) {
			drop_first(c);
			return true;
		}
		if (s[1] == '\0' || !take_letters(c, s + 1, source))
			return false;
		drop_first(c);
	}
	return true;
}

static bool
parse(struct scp_command *c, const char *text)
{
	bool source = false;

	if (strlen(text) >= SCP_COMMAND_MAX || !read_words(c, text) ||
	    c->npaths == 0 || !is_scp(c->paths[0].text))
		return false;
	drop_first(c);
	if (!take_options(c, &source) || c->sink == source)
		return false;
	return c->sink ? c->npaths == 1 : c->npaths > 0;
}

bool
scp_command_parse(struct scp_command *out, const char *text)
{
	memset(out, 0, sizeof(*out));
	out->paths = mem_array(SCP_WORDS_MAX, sizeof(*out->paths));
	return parse(out, text);
}

void
scp_command_free(struct scp_command *c)
{
	size_t i;

	for (i = 0; i < c->npaths; i++) {
		free(c->paths[i].text);
		free(c->paths[i].pattern);
	}
	free(c->paths);
	memset(c, 0, sizeof(*c));
}

/* One character of a pattern, which may be escaped; moves behind it. */
static unsigned char
literal(const char **p)
{
	if (**p == '\\' && (*p)[1] != '\0')
		(*p)++;
	return (unsigned char)*(*p)++;
}

/*
 * The set behind a '[' against c. Moves *p behind its ']'; without one the '['
 * stands for itself, and *p is left alone.
 */
static bool
in_set(const char **p, unsigned char c)
{
	const char *s = *p;
	const bool inverse = *s == '!' || *s == '^';
	unsigned char low, high;
	bool found = false, first = true;

	for (s += inverse; *s != '\0' && (*s != ']' || first); first = false) {
		low = high = literal(&s);
		if (s[0] == '-' && s[1] != '\0' && s[1] != ']') {
			s++;
			high = literal(&s);
		}
		found = found || (c >= low && c <= high);
	}
	if (*s != ']')
		return c == '[';
	*p = s + 1;
	return found != inverse;
}

/* One item of the pattern that is no '*'; moves behind it. */
static bool
one_matches(const char **p, unsigned char c)
{
	if (**p == '?') {
		(*p)++;
		return true;
	}
	if (**p == '[') {
		(*p)++;
		return in_set(p, c);
	}
	return literal(p) == c;
}

bool
scp_match(const char *pattern, const char *name)
{
	const char *p = pattern, *s = name, *next;
	const char *star = NULL, *from = NULL; /* where the last '*' may grow */

	if (*name == '.' && *pattern != '.' && strncmp(pattern, "\\.", 2) != 0)
		return false;
	while (*s != '\0') {
		if (*p == '*') {
			star = ++p;
			from = s;
			continue;
		}
		next = p;
		if (*p != '\0' && one_matches(&next, (unsigned char)*s)) {
			p = next;
			s++;
			continue;
		}
		if (star == NULL)
			return false;
		p = star;
		s = ++from;
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}
