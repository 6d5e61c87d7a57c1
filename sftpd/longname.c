/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/longname.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define HALF_A_YEAR (365 * 24 * 60 * 60 / 2)

static void
format_mode(char dst[11], const struct vfs_stat *st)
{
	static const char letters[] = "rwxrwxrwx";
	int i;

	dst[0] = st->is_dir ? 'd' : '-';
	for (i = 0; i < 9; i++)
		dst[1 + i] = st->mode & (0400u >> i) ? letters[i] : '-';
	dst[10] = '\0';
}

/* In UTC: a client cannot know the server's zone. */
static void
format_time(char dst[16], int64_t mtime, int64_t now)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr",
					      "May", "Jun", "Jul", "Aug",
					      "Sep", "Oct", "Nov", "Dec" };
	int64_t age = now - mtime;
	time_t t = (time_t)mtime;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 9999 - 1900 ||
	    tm.tm_year < -1900) {
		snprintf(dst, 16, "Jan  1  1970");
		return;
	}
	if (age > HALF_A_YEAR || age < -HALF_A_YEAR)
		snprintf(dst, 16, "%s %2u  %4u", months[tm.tm_mon % 12],
			 (unsigned)tm.tm_mday % 100,
			 (unsigned)(tm.tm_year + 1900) % 10000);
	else
		snprintf(dst, 16, "%s %2u %02u:%02u", months[tm.tm_mon % 12],
			 (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
			 (unsigned)tm.tm_min % 100);
}

void
longname_format(char dst[LONGNAME_MAX], const struct vfs_entry *e,
		const char *owner, int64_t now)
{
	char mode[11], when[16];

	format_mode(mode, &e->st);
	format_time(when, e->st.mtime, now);
	snprintf(dst, LONGNAME_MAX,
		 "%s    1 %-8.63s %-8.63s %8" PRIu64 " %s %.1024s", mode, owner,
		 owner, e->st.size, when, e->name);
}
