/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#define HALF_YEAR (365 * 86400 / 2)

static const struct {
	const char *name;
	unsigned bit;
} fact_names[] = {
	{ "type", FACT_TYPE },	    { "size", FACT_SIZE },
	{ "modify", FACT_MODIFY },  { "perm", FACT_PERM },
	{ "UNIX.mode", FACT_MODE },
};

#define FACTS (sizeof(fact_names) / sizeof(fact_names[0]))

static struct tm
utc(int64_t t)
{
	struct tm tm = { .tm_year = 70, .tm_mday = 1 };
	time_t when = (time_t)t;

	if (t < 0 || !gmtime_r(&when, &tm) || tm.tm_year > 9999 - 1900)
		tm = (struct tm){ .tm_year = 70, .tm_mday = 1 };
	return tm;
}

void
listing_time(int64_t t, char out[24])
{
	struct tm tm = utc(t);

	strftime(out, 24, "%Y%m%d%H%M%S", &tm);
}

/* ls(1) shows the time of day for the last half year, else the year. */
static void
list_date(int64_t t, int64_t now, char out[16])
{
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr",
					  "May", "Jun", "Jul", "Aug",
					  "Sep", "Oct", "Nov", "Dec" };
	struct tm tm = utc(t);
	const char *month = months[tm.tm_mon % 12];

	if (t <= now && now - t < HALF_YEAR)
		snprintf(out, 16, "%s %2d %02d:%02d", month, tm.tm_mday % 100,
			 tm.tm_hour % 100, tm.tm_min % 100);
	else
		snprintf(out, 16, "%s %2d  %4d", month, tm.tm_mday % 100,
			 (tm.tm_year + 1900) % 10000);
}

static void
list_mode(const struct vfs_stat *st, char out[11])
{
	static const char bits[] = "rwxrwxrwx";
	int i;

	out[0] = st->is_dir ? 'd' : '-';
	for (i = 0; i < 9; i++)
		out[i + 1] = st->mode & (0400u >> i) ? bits[i] : '-';
	out[10] = '\0';
}

static void
list_line(struct buf *b, const struct listing *l, const struct vfs_entry *e)
{
	char mode[11], date[16];

	list_mode(&e->st, mode);
	list_date(e->st.mtime, l->now, date);
	buf_printf(b, "%s %3d %-8s %-8s %12" PRIu64 " %s ", mode,
		   e->st.is_dir ? 2 : 1, l->owner, l->owner,
		   e->st.is_dir ? 0 : e->st.size, date);
}

/* RFC 3659 section 7.5.5: what the user may try with it. */
static void
fact_perm(struct buf *b, const struct listing *l, const struct vfs_stat *st)
{
	static const struct {
		char letter;
		bool dir, file;
		unsigned right;
	} perms[] = {
		{ 'a', false, true, USER_WRITE },
		{ 'c', true, false, USER_WRITE },
		{ 'd', true, true, USER_DELETE },
		{ 'e', true, false, 0 },
		{ 'f', true, true, USER_RENAME },
		{ 'l', true, false, USER_LIST },
		{ 'm', true, false, USER_MKDIR },
		{ 'p', true, false, USER_DELETE },
		{ 'r', false, true, USER_READ },
		{ 'w', false, true, USER_WRITE },
	};
	size_t i;

	buf_add_text(b, "perm=");
	for (i = 0; i < sizeof(perms) / sizeof(perms[0]); i++)
		if ((st->is_dir ? perms[i].dir : perms[i].file) &&
		    (l->rights & perms[i].right) == perms[i].right)
			buf_add_u8(b, (unsigned char)perms[i].letter);
	buf_add_text(b, ";");
}

void
listing_facts(struct buf *b, const struct listing *l, const struct vfs_stat *st)
{
	char when[24];

	if (l->facts & FACT_TYPE)
		buf_printf(b, "type=%s;", st->is_dir ? "dir" : "file");
	if (l->facts & FACT_SIZE && !st->is_dir)
		buf_printf(b, "size=%" PRIu64 ";", st->size);
	if (l->facts & FACT_MODIFY) {
		listing_time(st->mtime, when);
		buf_printf(b, "modify=%s;", when);
	}
	if (l->facts & FACT_PERM)
		fact_perm(b, l, st);
	if (l->facts & FACT_MODE)
		buf_printf(b, "UNIX.mode=0%03o;", (unsigned)st->mode & 07777);
	buf_add_u8(b, ' ');
}

void
listing_entry(struct buf *b, const struct listing *l, const struct vfs_entry *e)
{
	switch (l->kind) {
	case LISTING_LIST:
		list_line(b, l, e);
		break;
	case LISTING_NLST:
		buf_add_text(b, l->prefix);
		break;
	case LISTING_MLSD:
		listing_facts(b, l, &e->st);
		break;
	}
	buf_add_text(b, e->name);
	buf_add_text(b, "\r\n");
}

void
listing_features(struct buf *b, unsigned facts)
{
	size_t i;

	buf_add_text(b, "MLST ");
	for (i = 0; i < FACTS; i++)
		buf_printf(b, "%s%s;", fact_names[i].name,
			   facts & fact_names[i].bit ? "*" : "");
}

unsigned
listing_choose(const char *words)
{
	unsigned facts = 0;
	size_t i, len;

	for (; *words; words += len + (words[len] == ';')) {
		len = strcspn(words, ";");
		for (i = 0; i < FACTS; i++)
			if (strlen(fact_names[i].name) == len &&
			    strncasecmp(fact_names[i].name, words, len) == 0)
				facts |= fact_names[i].bit;
	}
	return facts;
}

void
listing_chosen(struct buf *b, unsigned facts)
{
	size_t i;

	for (i = 0; i < FACTS; i++)
		if (facts & fact_names[i].bit)
			buf_printf(b, "%s;", fact_names[i].name);
}

const char *
listing_options(const char *arg, bool *recursive)
{
	size_t len;

	*recursive = false;
	for (; *arg == '-'; arg += strspn(arg, " ")) {
		len = strcspn(arg, " ");
		if (memchr(arg, 'R', len))
			*recursive = true;
		arg += len;
	}
	return arg;
}

/* On a mismatch the last '*' takes one byte more: at most |p| * |s| steps. */
bool
listing_match(const char *pattern, const char *name)
{
	const char *star = NULL, *at = name;

	while (*name) {
		if (*pattern == '*') {
			star = pattern++;
			at = name;
		} else if (*pattern == '?' || *pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star + 1;
			name = ++at;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
