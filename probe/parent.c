/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/parent.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static char denial[PROBE_WIRE_DENIED_MAX + 1];

static _Noreturn void
give_up(void)
{
	_exit(3);
}

static void
write_all(const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(STDOUT_FILENO, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			give_up();
		p += n;
		len -= (size_t)n;
	}
}

static void
read_all(void *data, size_t len)
{
	char *p = data;
	ssize_t n;

	while (len > 0) {
		n = read(STDIN_FILENO, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			give_up();
		p += n;
		len -= (size_t)n;
	}
}

/* A frame's header alone, as probe_wire_peek() takes it apart. */
static size_t
header_read(unsigned char type[static 1])
{
	unsigned char h[PROBE_WIRE_HEADER];

	read_all(h, sizeof(h));
	type[0] = h[0];
	return (size_t)h[1] << 24 | (size_t)h[2] << 16 | (size_t)h[3] << 8 |
	       h[4];
}

void
parent_order(struct probe_order *out)
{
	struct probe_frame f;
	unsigned char data[64], type;

	f.len = header_read(&type);
	if (f.len > sizeof(data))
		give_up();
	read_all(data, f.len);
	f.type = (enum probe_frame_type)type;
	f.data = data;
	if (probe_wire_order(&f, out) != ERR_OK)
		give_up();
}

int
parent_read(uint64_t off, void *dst, uint32_t len)
{
	struct probe_read r = { off, len };
	struct buf b;
	unsigned char type;
	size_t n;

	if (denial[0])
		return -1;
	buf_init(&b, 64);
	probe_wire_put_read(&b, &r);
	write_all(buf_data(&b), buf_len(&b));
	buf_free(&b);
	n = header_read(&type);
	if (type == PROBE_DATA && n == len) {
		read_all(dst, n);
		return 0;
	}
	if (type != PROBE_DENIED || n == 0 || n >= sizeof(denial))
		give_up();
	read_all(denial, n);
	return -1;
}

const char *
parent_denial(void)
{
	return denial;
}

void
parent_send(enum probe_frame_type type, const void *data, size_t len)
{
	struct buf b;

	buf_init(&b, PROBE_WIRE_MAX);
	probe_wire_put(&b, type, data, len);
	if (b.failed)
		give_up();
	write_all(buf_data(&b), buf_len(&b));
	buf_free(&b);
}
