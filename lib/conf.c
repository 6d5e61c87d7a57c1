/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/conf_number.h"
#include "lib/conf_private.h"
#include "lib/mem.h"

static void __attribute__((format(printf, 3, 0)))
complain(struct conf *c, const char *where, const char *fmt, va_list ap)
{
	char text[512];

	if (c->complaint_count == CONF_COMPLAINTS_MAX)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	c->complaints[c->complaint_count++] =
		mem_printf("%s%s: %s", c->path, where, text);
}

void
conf_complain(struct conf *c, const char *section, const char *key,
	      const char *fmt, ...)
{
	char *where = mem_printf(": [%s]%s%s", section, key ? " " : "",
				 key ? key : "");
	va_list ap;

	/* Of a broken file only what breaks it is of interest. */
	va_start(ap, fmt);
	if (!c->broken)
		complain(c, where, fmt, ap);
	va_end(ap);
	free(where);
}

void
conf_complain_line(struct conf *c, unsigned line, const char *fmt, ...)
{
	char where[16] = "";
	va_list ap;

	if (line > 0)
		snprintf(where, sizeof(where), ":%u", line);
	va_start(ap, fmt);
	complain(c, where, fmt, ap);
	va_end(ap);
}

char *
conf_name(const char *section, const char *key)
{
	char *name =
		key ? mem_printf("%s:%s", section, key) : mem_strdup(section);

	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

struct conf *
conf_load(const char *path)
{
	struct conf *c = mem_alloc(sizeof(*c));

	c->path = mem_strdup(path);
	c->complaints = mem_array(CONF_COMPLAINTS_MAX, sizeof(char *));
	conf_read_file(c);
	return c;
}

void
conf_free(struct conf *c)
{
	struct conf_entry *e, *next;

	if (!c)
		return;
	e = c->entries;
	HASH_CLEAR(hh, c->entries);
	for (; e; e = next) {
		next = e->hh.next;
		mem_wipe_free(e->value);
		free(e->origin);
		free(e->label);
		free(e->name);
		free(e);
	}
	for (size_t i = 0; i < c->complaint_count; i++)
		free(c->complaints[i]);
	free(c->complaints);
	free(c->sections);
	free(c->path);
	free(c);
}

size_t
conf_sections(const struct conf *c)
{
	return c->section_count;
}

const char *
conf_section(const struct conf *c, size_t i)
{
	return i < c->section_count ? c->sections[i]->label : NULL;
}

const char *
conf_section_after(const struct conf *c, size_t i, const char *prefix)
{
	const char *section = conf_section(c, i);
	size_t n = strlen(prefix);

	return section && strncmp(section, prefix, n) == 0 ? section + n : NULL;
}

bool
conf_name_valid(const char *name, size_t max)
{
	size_t n = strlen(name);

	return n > 0 && n <= max &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] ==
		       '\0';
}

static struct conf_entry *
peek(const struct conf *c, const char *section, const char *key)
{
	char *name = conf_name(section, key);
	struct conf_entry *e;

	HASH_FIND_STR(c->entries, name, e);
	free(name);
	return e;
}

static struct conf_entry *
find(const struct conf *c, const char *section, const char *key)
{
	struct conf_entry *e = peek(c, section, key);

	if (e)
		e->known = true;
	return e;
}

/* Marks the key as known, and its section even where the key is absent. */
static struct conf_entry *
lookup(const struct conf *c, const char *section, const char *key)
{
	struct conf_entry *s = find(c, section, NULL);

	if (!key)
		return s;
	return s ? find(c, section, key) : NULL;
}

bool
conf_has(const struct conf *c, const char *section, const char *key)
{
	return lookup(c, section, key) != NULL;
}

void
conf_keys(const struct conf *c, const char *section, const char *prefix,
	  conf_key_fn *fn, void *arg)
{
	const struct conf_entry *s = lookup(c, section, NULL), *e;
	size_t n = strlen(prefix);

	for (e = c->entries; s && e; e = e->hh.next)
		if (e->section == s && strncasecmp(e->label, prefix, n) == 0)
			fn(arg, e->label);
}

static void
complain_entry(struct conf *c, const struct conf_entry *e, const char *expected)
{
	/* What env: and file: gave may be a secret, so it is not shown. */
	if (e->origin)
		conf_complain(c, e->section->label, e->label,
			      "what %s gives is not valid; expected %s",
			      e->origin, expected);
	else
		conf_complain(c, e->section->label, e->label,
			      "found \"%.80s\", expected %s", e->value,
			      expected);
}

static void
read_env(struct conf *c, struct conf_entry *e)
{
	const char *value = getenv(e->origin + strlen("env:"));

	e->value = mem_strdup(value);
	if (!value)
		conf_complain(c, e->section->label, e->label,
			      "%s: no such variable in the environment",
			      e->origin);
}

static void
read_file(struct conf *c, struct conf_entry *e)
{
	const char *why = NULL;

	e->value = conf_first_line(e->origin + strlen("file:"), &why);
	if (!e->value)
		conf_complain(c, e->section->label, e->label, "%s: %s",
			      e->origin, why);
}

/* NULL where there is none; a complaint is made if one was promised. */
static const char *
value_of(struct conf *c, struct conf_entry *e)
{
	if (!e || c->broken)
		return NULL;
	if (e->resolved)
		return e->value;
	e->resolved = true;
	if (strncmp(e->value, "env:", 4) == 0) {
		e->origin = e->value;
		read_env(c, e);
	} else if (strncmp(e->value, "file:/", 6) == 0) {
		e->origin = e->value;
		read_file(c, e);
	}
	return e->value;
}

const char *
conf_str(struct conf *c, const char *section, const char *key, const char *def)
{
	const char *value = value_of(c, lookup(c, section, key));

	return value ? value : def;
}

const char *
conf_peek(struct conf *c, const char *section, const char *key)
{
	struct conf_entry *e = peek(c, section, key);

	return value_of(c, e);
}

const char *
conf_need(struct conf *c, const char *section, const char *key)
{
	struct conf_entry *e = lookup(c, section, key);
	const char *value = value_of(c, e);

	if (value && *value)
		return value;
	if (!e || value)
		conf_complain(c, section, key, "%s; it has no default",
			      e ? "it is empty" : "it is missing");
	return "";
}

bool
conf_bool(struct conf *c, const char *section, const char *key, bool def)
{
	/* Even ones are true. */
	static const char *const words[] = { "true", "false", "yes", "no",
					     "on",   "off",   "1",   "0" };
	struct conf_entry *e = lookup(c, section, key);
	const char *value = value_of(c, e);

	if (!value)
		return def;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(value, words[i]) == 0)
			return i % 2 == 0;
	complain_entry(c, e, "true or false");
	return def;
}

struct kind {
	const char *text;
	int (*parse)(const char *s, uint64_t *out);
	void (*show)(uint64_t v, char *dst, size_t size);
};

static uint64_t
number(struct conf *c, struct conf_entry *e, struct conf_range r,
       const struct kind *kind)
{
	const char *value = value_of(c, e);
	char min[24], max[24], expected[128];
	uint64_t v;

	if (!value)
		return r.def;
	if (kind->parse(value, &v) == 0 && v >= r.min && v <= r.max)
		return v;
	kind->show(r.min, min, sizeof(min));
	kind->show(r.max, max, sizeof(max));
	snprintf(expected, sizeof(expected), "%s from %s to %s", kind->text,
		 min, max);
	complain_entry(c, e, expected);
	return r.def;
}

uint64_t
conf_uint(struct conf *c, const char *section, const char *key,
	  struct conf_range r)
{
	static const struct kind kind = { "a whole number", conf_parse_uint,
					  conf_show_uint };

	return number(c, lookup(c, section, key), r, &kind);
}

uint64_t
conf_size(struct conf *c, const char *section, const char *key,
	  struct conf_range r)
{
	static const struct kind kind = { "a size in bytes or with K, M, G, T",
					  conf_parse_size, conf_show_size };

	return number(c, lookup(c, section, key), r, &kind);
}

uint64_t
conf_time(struct conf *c, const char *section, const char *key,
	  struct conf_range r)
{
	static const struct kind kind = { "a time with ms, s, m, h or d",
					  conf_parse_time, conf_show_time };

	return number(c, lookup(c, section, key), r, &kind);
}

int
conf_choice(struct conf *c, const char *section, const char *key,
	    const char *const *words, int def_index)
{
	struct conf_entry *e = lookup(c, section, key);
	const char *value = value_of(c, e);
	char expected[256] = "one of:";

	if (!value)
		return def_index;
	for (int i = 0; words[i]; i++) {
		if (strcasecmp(value, words[i]) == 0)
			return i;
		str_printf(expected, sizeof(expected), " %s", words[i]);
	}
	complain_entry(c, e, expected);
	return def_index;
}

void
conf_files(const struct conf *c, conf_file_fn *fn, void *arg)
{
	const struct conf_entry *e;
	const char *text;

	for (e = c->entries; e; e = e->hh.next) {
		text = e->origin ? e->origin : e->value;
		if (e->section && text && strncmp(text, "file:/", 6) == 0)
			fn(arg, e->section->label, e->label,
			   text + strlen("file:"));
	}
}

void
conf_forgive(struct conf *c, const char *section)
{
	const struct conf_entry *s = find(c, section, NULL);
	struct conf_entry *e;

	for (e = c->entries; s && e; e = e->hh.next)
		if (e->section == s)
			e->known = true;
}

size_t
conf_finish(struct conf *c)
{
	for (struct conf_entry *e = c->entries; e; e = e->hh.next) {
		if (e->known)
			continue;
		if (!e->section)
			conf_complain(c, e->label, NULL,
				      "unknown section (line %u)", e->line);
		else if (e->section->known)
			conf_complain(c, e->section->label, e->label,
				      "unknown key (line %u)", e->line);
	}
	return c->complaint_count;
}

const char *
conf_complaint(const struct conf *c, size_t i)
{
	return i < c->complaint_count ? c->complaints[i] : NULL;
}
