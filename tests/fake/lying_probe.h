/* SPDX-License-Identifier: Apache-2.0 */
/* What tests/fake/lying_probe does: LYING_SIZE + one of these is the size. */
#ifndef TESTS_FAKE_LYING_PROBE_H
#define TESTS_FAKE_LYING_PROBE_H

#define LYING_SIZE (3u << 20)
#define LYING_HONEST "{\"status\":\"ok\",\"mime\":\"video/mp4\"}"

enum lie {
	LIE_HONEST, /* reads the last 1000 bytes */
	LIE_BEYOND_END,
	LIE_NEGATIVE,
	LIE_NOTHING,
	LIE_TOO_LONG,
	LIE_TWICE,   /* does not wait for the answer */
	LIE_ENDLESS, /* a byte, again and again */
	LIE_GREEDY,  /* as much as it gets, then a result */
	LIE_ASKS_ON, /* after a refusal */
	LIE_LONG_RESULT,
	LIE_TWO_RESULTS,
	LIE_NO_JSON,
	LIE_OTHER_JSON,
	LIE_DEEP_JSON,
	LIE_FAILED, /* an honest failure */
	LIE_THUMB_FIRST,
	LIE_THUMB, /* an honest one */
	LIE_CRASH_AFTER,
	LIE_HANG_AFTER,
	LIE_GARBAGE,
	LIE_SPEAKS_AS_WE_DO,
	LIE_CRASH,
	LIE_FORBIDDEN,
	LIE_EXIT,
	LIE_CLOSED_BUT_ALIVE,
	LIE_HANG,
	LIE_SILENT /* leaves without a word */
};

#endif
