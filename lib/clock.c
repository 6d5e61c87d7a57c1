/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/id.h"

static int64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t
clock_ms(void)
{
	return (uint64_t)read_ms(CLOCK_MONOTONIC);
}

int64_t
clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

void
clock_rfc3339(int64_t wall_ms, char *dst, size_t size)
{
	int64_t sec = wall_ms / 1000, ms = wall_ms % 1000;
	struct tm tm;
	char day[40];
	time_t t;

	if (ms < 0) {
		ms += 1000;
		sec--;
	}
	t = (time_t)sec;
	if (!gmtime_r(&t, &tm) ||
	    !strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm))
		strcpy(day, "0000-00-00T00:00:00");
	snprintf(dst, size, "%s.%03dZ", day, (int)ms);
}

int64_t
clock_parse_rfc3339(const char *s, unsigned *ms)
{
	struct tm tm = { 0 };
	const char *rest = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	unsigned scale = 100;

	if (ms)
		*ms = 0;
	if (!rest)
		return 0;
	if (ms && *rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
			*ms += (unsigned)(*rest - '0') * scale;
			scale /= 10;
		}
	}
	return (int64_t)timegm(&tm);
}

unsigned
clock_backoff(unsigned tries, unsigned base_ms, unsigned cap_ms)
{
	uint64_t top = cap_ms;
	uint32_t r;

	if (tries < 32 && (uint64_t)base_ms << tries < cap_ms)
		top = (uint64_t)base_ms << tries;
	id_random(&r, sizeof(r));
	return (unsigned)(((uint64_t)r * (top + 1)) >> 32);
}
