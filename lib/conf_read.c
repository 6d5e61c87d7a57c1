/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <iniparser/iniparser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/conf_private.h"
#include "lib/mem.h"

enum { FIRST_LINE_MAX = 65536 };

/* iniparser's callback has no argument: this is whose file it reads. */
static __thread struct conf *reading;

static int __attribute__((format(printf, 1, 2)))
on_iniparser_error(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text[strcspn(text, "\n")] = '\0';
	if (reading)
		conf_complain_line(reading, 0, "%s", text);
	return 0;
}

static int
check_file(int fd, size_t max, size_t *size, const char **why)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		*why = strerror(errno);
		return -1;
	}
	*size = (size_t)st.st_size;
	if (S_ISDIR(st.st_mode))
		*why = "it is a directory; expected a file";
	else if (!S_ISREG(st.st_mode))
		*why = "it is not a regular file";
	else if (*size > max)
		*why = "it is too large";
	else
		return 0;
	return -1;
}

/* The whole file as NUL-ended text; NULL with *why set. The caller frees it. */
static char *
read_text(const char *path, size_t max, size_t *len, const char **why)
{
	/* Non-blocking, so that a FIFO answers at once and is refused. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	size_t size;
	ssize_t n;

	if (check_file(fd, max, &size, why) == 0) {
		text = mem_alloc(size + 1);
		n = pread(fd, text, size, 0);
		*len = n < 0 ? 0 : (size_t)n;
		if (n < 0) {
			*why = strerror(errno);
			free(text);
			text = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return text;
}

char *
conf_first_line(const char *path, const char **why)
{
	size_t len, end;
	char *text = read_text(path, FIRST_LINE_MAX, &len, why);

	if (!text)
		return NULL;
	if (strlen(text) < len) {
		*why = "it holds a NUL byte";
		mem_wipe(text, len);
		free(text);
		return NULL;
	}
	end = strcspn(text, "\r\n");
	mem_wipe(text + end, len - end);
	return text;
}

/* Ends s before its trailing white space and returns its first other byte. */
static char *
trim(char *s)
{
	size_t n = strlen(s);

	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

static struct conf_entry *
insert(struct conf *c, struct conf_entry *section, const char *label,
       unsigned line)
{
	char *name = section ? conf_name(section->label, label)
			     : conf_name(label, NULL);
	struct conf_entry *e;

	HASH_FIND_STR(c->entries, name, e);
	if (e) {
		conf_complain_line(c, line,
				   "\"%s\" stands in line %u already; upper "
				   "and lower case count as the same",
				   label, e->line);
		free(name);
		return e;
	}
	e = mem_alloc(sizeof(*e));
	e->name = name;
	e->label = mem_strdup(label);
	e->section = section;
	e->line = line;
	HASH_ADD_KEYPTR(hh, c->entries, e->name, strlen(e->name), e);
	return e;
}

static struct conf_entry *
scan_section(struct conf *c, char *text, unsigned line)
{
	size_t n = strlen(text);
	struct conf_entry *e;

	if (text[n - 1] != ']') {
		conf_complain_line(c, line, "expected [section] alone");
		return NULL;
	}
	text[n - 1] = '\0';
	text = trim(text + 1);
	if (!*text || strpbrk(text, "[]:")) {
		conf_complain_line(c, line,
				   "expected a name without [ ] and : "
				   "between [ and ]");
		return NULL;
	}
	e = insert(c, NULL, text, line);
	c->sections =
		mem_resize(c->sections, (c->section_count + 1) *
						sizeof(struct conf_entry *));
	c->sections[c->section_count++] = e;
	return e;
}

/* iniparser ends a value silently where a comment may begin. */
static void
check_value(struct conf *c, const char *v, unsigned line)
{
	const char *end;

	if (*v == '"' || *v == '\'') {
		end = strchr(v + 1, *v);
		if (!end) {
			conf_complain_line(c, line, "the quote is not closed");
			return;
		}
		end += 1 + strspn(end + 1, " \t");
		if (*end && *end != ';' && *end != '#')
			conf_complain_line(c, line,
					   "text behind the closing quote");
		return;
	}
	end = strpbrk(v, ";#");
	if (end && end > v && end[-1] != ' ' && end[-1] != '\t')
		conf_complain_line(c, line,
				   "a value with ; or # needs quotes around "
				   "it, a comment a space before it");
}

static void
scan_entry(struct conf *c, struct conf_entry *section, char *text,
	   unsigned line)
{
	char *value = strchr(text, '=');
	char *key;

	if (!value || value == text) {
		conf_complain_line(c, line, "expected key = value");
		return;
	}
	if (!section) {
		conf_complain_line(c, line, "a key before any [section]");
		return;
	}
	*value++ = '\0';
	key = trim(text);
	if (key[strcspn(key, " \t:[]\"'")]) {
		conf_complain_line(c, line,
				   "\"%s\" cannot be a key: expected "
				   "key = value",
				   key);
		return;
	}
	check_value(c, trim(value), line);
	insert(c, section, key, line);
}

/* 0, or -1 where reading on makes no sense. */
static int
check_line(struct conf *c, const char *text, size_t len, unsigned line)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		if ((byte < ' ' && byte != '\t' && byte != '\r') ||
		    byte == 0x7f) {
			conf_complain_line(c, line,
					   "byte 0x%02x; expected text", byte);
			return -1;
		}
	}
	if (len > CONF_LINE_MAX)
		conf_complain_line(c, line, "longer than %d bytes",
				   CONF_LINE_MAX);
	return 0;
}

/*
 * A syntax error spoils the section it stands in: its keys are then scanned
 * as if they belonged to the last good one, but no value is ever used.
 */
static void
scan(struct conf *c, char *text, size_t len)
{
	struct conf_entry *section = NULL, *opened;
	char *next, *end = text + len;
	unsigned line = 1;

	for (; text < end; text = next + 1, line++) {
		next = memchr(text, '\n', (size_t)(end - text));
		if (!next)
			next = end;
		*next = '\0';
		if (check_line(c, text, (size_t)(next - text), line) < 0)
			return;
		text = trim(text);
		if (!*text || *text == '#' || *text == ';')
			continue;
		if (text[strlen(text) - 1] == '\\') {
			conf_complain_line(c, line,
					   "a line must not end in \\");
		} else if (*text == '[') {
			opened = scan_section(c, text, line);
			section = opened ? opened : section;
		} else {
			scan_entry(c, section, text, line);
		}
	}
}

static void
take_values(struct conf *c, dictionary *d)
{
	struct conf_entry *e;

	for (ssize_t i = 0; i < d->size; i++) {
		if (!d->key[i] || !d->val[i])
			continue;
		HASH_FIND_STR(c->entries, d->key[i], e);
		if (e && e->section && !e->value)
			e->value = mem_strdup(d->val[i]);
		mem_wipe(d->val[i], strlen(d->val[i]));
	}
	for (e = c->entries; e; e = e->hh.next)
		if (e->section && !e->value)
			conf_complain_line(c, e->line,
					   "\"%s\" changed while the file "
					   "was read",
					   e->label);
}

static void
load(struct conf *c)
{
	dictionary *d;

	reading = c;
	iniparser_set_error_callback(on_iniparser_error);
	d = iniparser_load(c->path);
	iniparser_set_error_callback(NULL);
	reading = NULL;
	if (!d) {
		if (c->complaint_count == 0)
			conf_complain_line(c, 0, "it cannot be parsed");
		return;
	}
	take_values(c, d);
	iniparser_freedict(d);
}

void
conf_read_file(struct conf *c)
{
	const char *why = NULL;
	size_t len = 0;
	char *text = read_text(c->path, CONF_FILE_MAX, &len, &why);

	if (!text) {
		conf_complain_line(c, 0, "%s", why);
		c->broken = true;
		return;
	}
	scan(c, text, len);
	mem_wipe(text, len);
	free(text);
	if (c->complaint_count == 0)
		load(c);
	c->broken = c->complaint_count > 0;
}
