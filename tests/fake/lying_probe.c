/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child in sluice-probe's place that does what tests/unit/test_probe.c asks
 * for: the size of the object says which of the lies it is. It knows where it
 * is asked by nothing else, as the real one.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/probe_wire.h"
#include "tests/fake/lying_probe.h"

static uint64_t size;

static void
out(const void *data, size_t n)
{
	if (write(STDOUT_FILENO, data, n) != (ssize_t)n)
		_exit(9);
}

static void
send_frame(enum probe_frame_type type, const void *data, size_t n)
{
	struct buf b;

	buf_init(&b, PROBE_WIRE_MAX);
	probe_wire_put(&b, type, data, n);
	out(buf_data(&b), buf_len(&b));
	buf_free(&b);
}

static void
ask(uint64_t off, uint32_t len)
{
	struct probe_read r = { off, len };
	struct buf b;

	buf_init(&b, 64);
	probe_wire_put_read(&b, &r);
	out(buf_data(&b), buf_len(&b));
	buf_free(&b);
}

/* Both at once, so that the second is there before the first's answer. */
static void
ask_twice(void)
{
	struct probe_read r = { 0, 10 };
	struct buf b;

	buf_init(&b, 64);
	probe_wire_put_read(&b, &r);
	probe_wire_put_read(&b, &r);
	out(buf_data(&b), buf_len(&b));
	buf_free(&b);
}

static void
in(void *data, size_t n)
{
	char *p = data;
	ssize_t got;

	for (; n > 0; n -= (size_t)got, p += got) {
		got = read(STDIN_FILENO, p, n);
		if (got <= 0)
			_exit(8);
	}
}

/* The type of the answer; its bytes go to data. */
static unsigned char
answer(void *data, size_t *len)
{
	unsigned char h[PROBE_WIRE_HEADER];

	in(h, sizeof(h));
	*len = (size_t)h[1] << 24 | (size_t)h[2] << 16 | (size_t)h[3] << 8 |
	       h[4];
	in(data, *len);
	return h[0];
}

/* As a program without a sanitizer's handler would. */
static void
crash(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void
result(const char *text)
{
	send_frame(PROBE_RESULT, text, strlen(text));
}

static void
ask_forever(uint32_t len)
{
	unsigned char *data = mem_alloc(PROBE_WIRE_READ_MAX);
	size_t n;

	for (;;) {
		ask(0, len);
		if (answer(data, &n) == PROBE_DENIED)
			break;
	}
	free(data);
}

static void
honest(void)
{
	unsigned char data[1000];
	size_t n;

	ask(size - 1000, 1000);
	if (answer(data, &n) != PROBE_DATA || n != sizeof(data))
		_exit(7);
	send_frame(PROBE_RESULT, LYING_HONEST, strlen(LYING_HONEST));
}

static void
long_result(void)
{
	struct buf b;

	buf_init(&b, 64);
	buf_add_u8(&b, PROBE_RESULT);
	buf_add_u32(&b, PROBE_WIRE_RESULT_MAX + 1);
	out(buf_data(&b), buf_len(&b));
	buf_free(&b);
	pause();
}

static void
lie_with_ranges(enum lie lie)
{
	switch (lie) {
	case LIE_BEYOND_END:
		ask(size - 10, 11);
		break;
	case LIE_NEGATIVE:
		ask((uint64_t)-10, 20);
		break;
	case LIE_NOTHING:
		ask(0, 0);
		break;
	case LIE_TOO_LONG:
		ask(0, PROBE_WIRE_READ_MAX + 1);
		break;
	case LIE_TWICE:
		ask_twice();
		break;
	case LIE_ENDLESS:
		ask_forever(1);
		break;
	case LIE_GREEDY:
		ask_forever(PROBE_WIRE_READ_MAX);
		result("{\"status\":\"ok\"}");
		_exit(0);
	case LIE_ASKS_ON:
		ask_forever(PROBE_WIRE_READ_MAX);
		ask(0, 1);
		break;
	default:
		return;
	}
	pause();
}

static void
lie_with_results(enum lie lie)
{
	static char huge[PROBE_WIRE_RESULT_MAX];

	switch (lie) {
	case LIE_LONG_RESULT:
		long_result();
		break;
	case LIE_TWO_RESULTS:
		result("{\"status\":\"ok\"}");
		result("{\"status\":\"ok\"}");
		pause();
		break;
	case LIE_NO_JSON:
		result("status: ok");
		break;
	case LIE_OTHER_JSON:
		result("[\"status\", \"ok\"]");
		break;
	case LIE_DEEP_JSON:
		memset(huge, '[', sizeof(huge));
		send_frame(PROBE_RESULT, huge, sizeof(huge));
		break;
	case LIE_FAILED:
		result("{\"status\":\"failed\",\"reason\":\"it is cut off\"}");
		break;
	case LIE_THUMB_FIRST:
		send_frame(PROBE_THUMB, "jpeg", 4);
		pause();
		break;
	case LIE_THUMB:
		result(LYING_HONEST);
		send_frame(PROBE_THUMB, "jpeg", 4);
		break;
	case LIE_CRASH_AFTER:
		result(LYING_HONEST);
		crash();
		break;
	case LIE_HANG_AFTER:
		result(LYING_HONEST);
		pause();
		break;
	default:
		break;
	}
}

static void
lie_with_its_life(enum lie lie)
{
	switch (lie) {
	case LIE_GARBAGE:
		out("GET / HTTP/1.1\r\n\r\n", 18);
		pause();
		break;
	case LIE_SPEAKS_AS_WE_DO:
		send_frame(PROBE_DATA, "x", 1);
		pause();
		break;
	case LIE_CRASH:
		crash();
		break;
	case LIE_FORBIDDEN:
		raise(SIGSYS);
		break;
	case LIE_EXIT:
		_exit(7);
	case LIE_CLOSED_BUT_ALIVE:
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		pause();
		break;
	case LIE_HANG:
		pause();
		break;
	default:
		break;
	}
}

int
main(void)
{
	unsigned char data[64];
	struct probe_frame f = { .data = data };
	struct probe_order o;
	enum lie lie;

	f.type = (enum probe_frame_type)answer(data, &f.len);
	if (probe_wire_order(&f, &o) != ERR_OK)
		_exit(6);
	size = o.size;
	lie = (enum lie)(size - LYING_SIZE);
	if (lie == LIE_HONEST)
		honest();
	lie_with_ranges(lie);
	lie_with_results(lie);
	lie_with_its_life(lie);
	return 0;
}
