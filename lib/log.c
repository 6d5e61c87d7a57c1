/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/clock.h"

/* A pipe takes up to PIPE_BUF (4096) bytes in one piece, and so does a line. */
enum { LINE_MAX_BYTES = 4096 };

/* A longer value is cut, as it will be written, and ends in "...". */
enum { VALUE_MAX_BYTES = 1024 };

static const char cut_mark[] = " cut=true";

static struct {
	enum log_level level;
	int syslog;
	const char *plain; /* what lines for a person begin with, or NULL */
} settings = { .level = LOG_LEVEL_INFO };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

/* Fields that do not fit are left out, and the line says so at its end. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	size_t room; /* len never grows beyond it */
	int full;    /* the field under way does not fit */
	int cut;     /* some field did not */
};

void
log_open(const char *ident, const char *target, enum log_level level)
{
	settings.level = level;
	settings.syslog = target && strcmp(target, "syslog") == 0;
	settings.plain = target && strcmp(target, "plain") == 0 ? ident : NULL;
	if (settings.syslog)
		openlog(ident, LOG_NDELAY, LOG_DAEMON);
}

void
log_set_level(enum log_level level)
{
	__atomic_store_n(&settings.level, level, __ATOMIC_RELAXED);
}

int
log_enabled(enum log_level level)
{
	return level <= __atomic_load_n(&settings.level, __ATOMIC_RELAXED);
}

int
log_level_parse(const char *name, enum log_level *out)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcasecmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

const char *
log_errno(int errnum)
{
	static __thread char text[128];

	/* GNU's strerror_r() may answer with a constant of its own. */
	return strerror_r(errnum, text, sizeof(text));
}

static void
put(struct line *l, const char *s, size_t n)
{
	if (l->full || n > l->room - l->len) {
		l->full = 1;
		return;
	}
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void __attribute__((format(printf, 2, 3)))
putf(struct line *l, const char *fmt, ...)
{
	char text[64];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		put(l, text, (size_t)n < sizeof(text) ? (size_t)n : 0);
}

/*
 * The code point at s and its length in *n (RFC 3629); malformed bytes are
 * given one by one as code point 0.
 */
static uint32_t
decode(const unsigned char *s, size_t *n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t code = s[0] & (len == 1 ? 0x7f : 0xff >> (len + 1));

	*n = 1;
	if (len > 1 && (s[0] < 0xc2 || s[0] > 0xf4))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[len] || (code >= 0xd800 && code <= 0xdfff) ||
	    code > 0x10ffff)
		return 0;
	*n = len;
	return code;
}

/*
 * Not the control characters, which a terminal might obey, nor what breaks
 * lines or reorders the text around it (U+2028 to 202E, U+2066 to 2069).
 */
static int
printable(uint32_t code)
{
	return code >= 0x20 && (code < 0x7f || code >= 0xa0) &&
	       (code < 0x2028 || code > 0x202e) &&
	       (code < 0x2066 || code > 0x2069);
}

static int
needs_quotes(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	if (!*p)
		return 1;
	for (; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("\"=\\", *p))
			return 1;
	return 0;
}

/* Writes the character at p, escaped where it needs it; returns its end. */
static const unsigned char *
put_char(struct line *l, const unsigned char *p)
{
	size_t n;
	uint32_t code = decode(p, &n);

	if (code == '"' || code == '\\')
		putf(l, "\\%c", *p);
	else if (code == '\n')
		put(l, "\\n", 2);
	else if (printable(code))
		put(l, (const char *)p, n);
	else
		for (size_t i = 0; i < n; i++)
			putf(l, "\\x%02x", p[i]);
	return p + n;
}

static void
put_text(struct line *l, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t end = l->len + VALUE_MAX_BYTES;

	if (!needs_quotes(s) && strlen(s) <= VALUE_MAX_BYTES) {
		put(l, s, strlen(s));
		return;
	}
	put(l, "\"", 1);
	while (*p && !l->full && l->len < end)
		p = put_char(l, p);
	if (*p)
		put(l, "...", 3);
	put(l, "\"", 1);
}

static void
put_field(struct line *l, const struct log_field *f)
{
	size_t before = l->len;

	put(l, " ", 1);
	put(l, f->key, strlen(f->key));
	put(l, "=", 1);
	switch (f->type) {
	case LOG_STR:
		put_text(l, f->v.s ? f->v.s : "");
		break;
	case LOG_INT:
		putf(l, "%" PRId64, f->v.i);
		break;
	case LOG_UINT:
		putf(l, "%" PRIu64, f->v.u);
		break;
	case LOG_DOUBLE:
		putf(l, "%.6g", f->v.d);
		break;
	case LOG_END:
		break;
	}
	if (l->full) {
		l->len = before;
		l->full = 0;
		l->cut = 1;
	}
}

static void
put_str_field(struct line *l, const char *key, const char *value)
{
	const struct log_field f = KV_S(key, value);

	put_field(l, &f);
}

static void
emit(const struct line *l, enum log_level level)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO,
					  LOG_DEBUG };
	ssize_t n;

	if (settings.syslog) {
		/* Without the newline at its end. */
		syslog(priorities[level], "%.*s", (int)l->len - 1, l->text);
		return;
	}
	/* A log that cannot be written has nobody to complain to. */
	n = write(STDERR_FILENO, l->text, l->len);
	(void)n;
}

static void
put_head(struct line *l, enum log_level level)
{
	char now[40];

	if (settings.plain) {
		putf(l, "%s:", settings.plain);
		return;
	}
	if (!settings.syslog) {
		clock_rfc3339(clock_wall_ms(), now, sizeof(now));
		putf(l, "time=%s ", now);
	}
	putf(l, "level=%s pid=%ld", level_names[level], (long)getpid());
}

void
log_write(enum log_level level, const char *part, const char *session,
	  const char *event, const struct log_field *fields)
{
	struct line l;

	l.len = 0;
	l.full = 0;
	l.cut = 0;
	l.room = sizeof(l.text) - sizeof(cut_mark); /* its NUL: the newline */
	put_head(&l, level);
	put_str_field(&l, "part", part);
	put_str_field(&l, "event", event);
	if (session)
		put_str_field(&l, "session", session);
	for (; fields && fields->type != LOG_END; fields++)
		put_field(&l, fields);
	if (l.cut) {
		memcpy(l.text + l.len, cut_mark, sizeof(cut_mark) - 1);
		l.len += sizeof(cut_mark) - 1;
	}
	l.text[l.len++] = '\n';
	emit(&l, level);
}
