/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/line.h"

#include "lib/mem.h"

enum {
	TEL_SE = 240,
	TEL_SB = 250,
	TEL_WILL = 251,
	TEL_DONT = 254,
	TEL_IAC = 255
};

void
line_init(struct line_reader *r)
{
	*r = (struct line_reader){ .telnet = TELNET_NONE };
}

void
line_wipe(struct line_reader *r)
{
	mem_wipe(r->text, sizeof(r->text));
}

static void
line_restart(struct line_reader *r)
{
	r->len = 0;
	r->skipped = 0;
	r->done = r->cr = r->bad = false;
}

/* A CR is kept back: it belongs to the line's end, or spoils the line. */
static void
line_put(struct line_reader *r, unsigned char c)
{
	if (r->cr || ((c < 0x20 || c == 0x7f) && c != '\r'))
		r->bad = true;
	r->cr = c == '\r';
	if (r->cr)
		return;
	if (r->len == FTP_LINE_MAX)
		r->skipped++;
	else
		r->text[r->len++] = (char)c;
}

/*
 * The byte behind IAC. Urgent data may have torn the sequence apart, so that
 * what follows is not a Telnet command at all but text.
 */
static bool
line_iac(struct line_reader *r, unsigned char c)
{
	r->telnet = TELNET_NONE;
	if (c == TEL_SB)
		r->telnet = TELNET_SUB;
	else if (c >= TEL_WILL && c <= TEL_DONT)
		r->telnet = TELNET_OPTION;
	return c < TEL_SE || c == TEL_IAC;
}

/* True when c is text. */
static bool
line_telnet(struct line_reader *r, unsigned char c)
{
	switch (r->telnet) {
	case TELNET_NONE:
		if (c == TEL_IAC) {
			r->telnet = TELNET_IAC;
			return false;
		}
		/* A Synch's data mark whose IAC came as urgent data. */
		return r->len > 0 || c < TEL_SE;
	case TELNET_IAC:
		return line_iac(r, c);
	case TELNET_OPTION:
		r->telnet = TELNET_NONE;
		return false;
	case TELNET_SUB:
		if (c == TEL_IAC)
			r->telnet = TELNET_SUB_IAC;
		return false;
	case TELNET_SUB_IAC:
		r->telnet = c == TEL_SE ? TELNET_NONE : TELNET_SUB;
		return false;
	}
	return true;
}

static enum line_status
line_end(struct line_reader *r)
{
	r->done = true;
	r->text[r->len] = '\0';
	if (r->skipped > 0)
		return LINE_LONG;
	return r->bad ? LINE_BAD : LINE_READY;
}

size_t
line_feed(struct line_reader *r, const void *data, size_t n,
	  enum line_status *status)
{
	const unsigned char *p = data;
	size_t i;

	if (r->done)
		line_restart(r);
	for (i = 0; i < n; i++) {
		if (!line_telnet(r, p[i]))
			continue;
		if (p[i] == '\n') {
			*status = line_end(r);
			return i + 1;
		}
		line_put(r, p[i]);
		if (r->skipped > FTP_SKIP_MAX) {
			r->skipped = 1;
			*status = LINE_LONG;
			return i + 1;
		}
	}
	*status = LINE_MORE;
	return n;
}
