/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/sftp_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sftpd/sftp_reply.h"

#define STREAM_MAX (4u << 20)

/* What the parser said, as text: "p<type>:<len> w<id>@<off> d<len> e". */
struct heard {
	struct buf text, data;
	bool bad;
	size_t piece;
};

static void
heard_init(struct heard *h)
{
	memset(h, 0, sizeof(*h));
	buf_init(&h->text, STREAM_MAX);
	buf_init(&h->data, STREAM_MAX);
}

static void
heard_free(struct heard *h)
{
	buf_free(&h->text);
	buf_free(&h->data);
}

static void
flush_pieces(struct heard *h)
{
	if (h->piece > 0)
		buf_printf(&h->text, "d%zu ", h->piece);
	h->piece = 0;
}

/* Feeds a copy that is exactly as long, so that a sanitizer sees its end. */
static void
feed(struct sftp_parser *p, const uint8_t *bytes, size_t len, struct heard *h)
{
	uint8_t *copy = mem_alloc(len == 0 ? 1 : len);
	const uint8_t *in = copy;
	enum sftp_event e;

	memcpy(copy, bytes, len);
	while ((e = sftp_parser_next(p, &in, &len)) != SFTP_EV_MORE) {
		if (e != SFTP_EV_WRITE_DATA)
			flush_pieces(h);
		if (e == SFTP_EV_PACKET) {
			buf_printf(&h->text, "p%u:%zu ", p->packet.type,
				   p->packet.len);
			buf_add(&h->data, p->packet.body, p->packet.len);
		} else if (e == SFTP_EV_WRITE_BEGIN) {
			buf_printf(&h->text, "w%u@%llu ", p->write.id,
				   (unsigned long long)p->write.off);
		} else if (e == SFTP_EV_WRITE_DATA) {
			h->piece += p->data_len;
			buf_add(&h->data, p->data, p->data_len);
		} else if (e == SFTP_EV_WRITE_END) {
			buf_add_text(&h->text, "e ");
		} else {
			h->bad = true;
			break;
		}
	}
	free(copy);
}

/* What a WRITE says, which may be wrong. */
struct write {
	uint32_t id;
	const char *handle;
	uint64_t off;
	const char *data;
	uint32_t told; /* as its length */
	uint32_t tail; /* bytes behind it */
};

static void
put_write(struct buf *b, struct write w)
{
	buf_add_u32(b, (uint32_t)(1 + 4 + 4 + strlen(w.handle) + 8 + 4 +
				  strlen(w.data) + w.tail));
	buf_add_u8(b, SFTP_WRITE);
	buf_add_u32(b, w.id);
	buf_add_string(b, w.handle);
	buf_add_u64(b, w.off);
	buf_add_u32(b, w.told);
	buf_add_text(b, w.data);
	while (w.tail-- > 0)
		buf_add_u8(b, 0xee);
}

static void
put_packet(struct buf *b, uint8_t type, const char *body)
{
	buf_add_u32(b, (uint32_t)strlen(body) + 1);
	buf_add_u8(b, type);
	buf_add_text(b, body);
}

static void
make_stream(struct buf *b)
{
	buf_init(b, STREAM_MAX);
	put_packet(b, SFTP_INIT, "abcd");
	put_packet(b, SFTP_STAT, "a body of some length");
	put_write(b, (struct write){ 7, "handle00", 0x100000002ull,
				     "0123456789", 10, 0 });
	put_write(b, (struct write){ 8, "h", 3, "", 0, 0 });
	put_write(b, (struct write){ 9, "", 4, "xyz", 3, 5 });
	put_packet(b, SFTP_CLOSE, "");
	put_packet(b, 99, "q");
}

static const char stream_text[] = "p1:4 p17:21 w7@4294967298 d10 e w8@3 e "
				  "w9@4 d3 e p4:0 p99:1 ";
static const char stream_data[] = "abcda body of some length0123456789xyzq";

static void
check_stream(struct heard *h)
{
	flush_pieces(h);
	assert_false(h->bad);
	assert_string_equal(buf_cstr(&h->text), stream_text);
	assert_string_equal(buf_cstr(&h->data), stream_data);
}

static void
test_parser_takes_a_stream_whole(void **state)
{
	struct sftp_parser p;
	struct heard h;
	struct buf b;

	(void)state;
	make_stream(&b);
	heard_init(&h);
	sftp_parser_init(&p);
	feed(&p, buf_data(&b), buf_len(&b), &h);
	check_stream(&h);
	sftp_parser_free(&p);
	heard_free(&h);
	buf_free(&b);
}

static void
test_parser_takes_a_stream_cut_anywhere(void **state)
{
	struct buf b;
	size_t cut, step, at, n;

	(void)state;
	make_stream(&b);
	for (cut = 0; cut <= buf_len(&b); cut++) {
		struct sftp_parser p;
		struct heard h;

		heard_init(&h);
		sftp_parser_init(&p);
		feed(&p, buf_data(&b), cut, &h);
		feed(&p, buf_data(&b) + cut, buf_len(&b) - cut, &h);
		check_stream(&h);
		sftp_parser_free(&p);
		heard_free(&h);
	}
	for (step = 1; step < 40; step++) {
		struct sftp_parser p;
		struct heard h;

		heard_init(&h);
		sftp_parser_init(&p);
		for (at = 0; at < buf_len(&b); at += n) {
			n = buf_len(&b) - at < step ? buf_len(&b) - at : step;
			feed(&p, buf_data(&b) + at, n, &h);
		}
		check_stream(&h);
		sftp_parser_free(&p);
		heard_free(&h);
	}
	buf_free(&b);
}

/* What is said of the bytes, fed whole and one by one. */
static void
assert_bad(const struct buf *b, const char *before)
{
	int one_by_one;
	size_t i;

	for (one_by_one = 0; one_by_one < 2; one_by_one++) {
		struct sftp_parser p;
		struct heard h;

		heard_init(&h);
		sftp_parser_init(&p);
		for (i = 0; one_by_one && i < buf_len(b) && !h.bad; i++)
			feed(&p, buf_data(b) + i, 1, &h);
		if (!one_by_one)
			feed(&p, buf_data(b), buf_len(b), &h);
		assert_true(h.bad);
		assert_non_null(p.why);
		assert_string_equal(buf_cstr(&h.text), before);
		h.bad = false;
		feed(&p, (const uint8_t *)"\0\0\0\1\1", 5, &h);
		assert_true(h.bad); /* there is no way back */
		sftp_parser_free(&p);
		heard_free(&h);
	}
}

static void
test_parser_refuses_an_empty_packet(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	put_packet(&b, SFTP_STAT, "x");
	buf_add_u32(&b, 0);
	buf_add_u8(&b, SFTP_STAT);
	assert_bad(&b, "p17:1 ");
	buf_free(&b);
}

static void
test_parser_refuses_a_packet_above_the_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_add_u32(&b, SFTP_PACKET_MAX + 1);
	buf_add_u8(&b, SFTP_STAT);
	assert_bad(&b, "");
	buf_clear(&b);
	buf_add_u32(&b, 0xffffffff);
	buf_add_u8(&b, SFTP_WRITE);
	assert_bad(&b, "");
	buf_free(&b);
}

static void
test_parser_takes_the_largest_packet(void **state)
{
	const size_t len = SFTP_PACKET_MAX - 1;
	struct sftp_parser p;
	struct heard h;
	struct buf b;

	(void)state;
	buf_init(&b, STREAM_MAX);
	buf_add_u32(&b, SFTP_PACKET_MAX);
	buf_add_u8(&b, SFTP_SETSTAT);
	memset(buf_reserve(&b, len), 'x', len);
	buf_commit(&b, len);
	put_packet(&b, SFTP_STAT, "y");
	heard_init(&h);
	sftp_parser_init(&p);
	feed(&p, buf_data(&b), 1000, &h);
	feed(&p, buf_data(&b) + 1000, buf_len(&b) - 1000, &h);
	assert_string_equal(buf_cstr(&h.text), "p9:263167 p17:1 ");
	assert_int_equal(buf_len(&p.in), 0);
	assert_true(p.in.size <= 16384); /* so much is not kept */
	sftp_parser_free(&p);
	heard_free(&h);
	buf_free(&b);
}

static void
test_parser_refuses_a_write_longer_than_its_packet(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	put_write(&b, (struct write){ 1, "h", 0, "abc", 4, 0 });
	buf_add_text(&b, "more to come");
	assert_bad(&b, "");
	buf_free(&b);
}

static void
test_parser_refuses_a_write_cut_short(void **state)
{
	uint32_t len;

	(void)state;
	for (len = 1; len < 1 + 4 + 4 + 1 + 8 + 4; len++) {
		struct buf b;

		buf_init(&b, 1000);
		buf_add_u32(&b, len);
		buf_add_u8(&b, SFTP_WRITE);
		buf_add_u32(&b, 1);
		buf_add_string(&b, "h");
		buf_add_u64(&b, 0);
		buf_add_u32(&b, 0);
		assert_bad(&b, "");
		buf_free(&b);
	}
}

static void
test_parser_refuses_a_handle_too_long(void **state)
{
	struct buf b;
	uint32_t i;

	(void)state;
	buf_init(&b, 2000);
	buf_add_u32(&b, 1000);
	buf_add_u8(&b, SFTP_WRITE);
	buf_add_u32(&b, 1);
	buf_add_u32(&b, SFTP_HANDLE_MAX + 1);
	for (i = 0; i < 500; i++)
		buf_add_u8(&b, 0);
	assert_bad(&b, "");
	buf_free(&b);
}

static void
test_parser_hands_data_on_by_reference(void **state)
{
	struct sftp_parser p;
	const uint8_t *in;
	struct buf b;
	size_t len;

	(void)state;
	buf_init(&b, 1000);
	put_write(&b, (struct write){ 1, "h", 0, "abcdef", 6, 0 });
	sftp_parser_init(&p);
	in = buf_data(&b);
	len = buf_len(&b);
	assert_int_equal(sftp_parser_next(&p, &in, &len), SFTP_EV_WRITE_BEGIN);
	assert_int_equal(sftp_parser_next(&p, &in, &len), SFTP_EV_WRITE_DATA);
	assert_ptr_equal(p.data, buf_data(&b) + buf_len(&b) - 6);
	sftp_parser_free(&p);
	buf_free(&b);
}

static void
test_reader_marks_what_is_missing(void **state)
{
	static const uint8_t body[] = { 0, 0, 0, 5, 'a', 'b', 'c' };
	struct sftp_reader r;
	uint32_t len;

	(void)state;
	sftp_reader_init(&r, body, sizeof(body));
	sftp_read_string(&r, &len);
	assert_true(r.bad);
	assert_int_equal(len, 0);
	assert_int_equal(sftp_read_u32(&r), 0); /* bad stays bad */
	sftp_reader_init(&r, body, 3);
	assert_int_equal(sftp_read_u32(&r), 0);
	assert_true(r.bad);
	sftp_reader_init(&r, body, sizeof(body));
	sftp_read_u64(&r);
	assert_true(r.bad);
	sftp_reader_init(&r, body, 0);
	assert_int_equal(sftp_read_u8(&r), 0);
	assert_true(r.bad);
}

static void
test_reader_reads_attributes(void **state)
{
	struct sftp_reader r;
	struct sftp_attrs a;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	buf_add_u32(&b, SFTP_ATTR_SIZE | SFTP_ATTR_UIDGID |
				SFTP_ATTR_PERMISSIONS | SFTP_ATTR_ACMODTIME |
				SFTP_ATTR_EXTENDED);
	buf_add_u64(&b, 1ull << 40);
	buf_add_u32(&b, 10);
	buf_add_u32(&b, 11);
	buf_add_u32(&b, 0100644);
	buf_add_u32(&b, 12);
	buf_add_u32(&b, 13);
	buf_add_u32(&b, 1);
	buf_add_string(&b, "name");
	buf_add_string(&b, "value");
	buf_add_u8(&b, 77);
	sftp_reader_init(&r, buf_data(&b), buf_len(&b));
	sftp_read_attrs(&r, &a);
	assert_int_equal(a.size, 1ull << 40);
	assert_int_equal(a.gid, 11);
	assert_int_equal(a.permissions, 0100644);
	assert_int_equal(a.mtime, 13);
	assert_int_equal(sftp_read_u8(&r), 77);
	assert_false(r.bad);
	buf_free(&b);
}

static void
test_reader_bounds_extended_attributes(void **state)
{
	static const uint8_t body[] = { 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
	struct sftp_reader r;
	struct sftp_attrs a;

	(void)state;
	sftp_reader_init(&r, body, sizeof(body));
	sftp_read_attrs(&r, &a);
	assert_true(r.bad);
}

/* The length in front of each reply is the length of what follows. */
static void
test_replies_are_whole_packets(void **state)
{
	static const struct sftp_extension ext[] = { { "a@b", "1" },
						     { "cd@e", "22" } };
	struct sftp_attrs a = { .flags = SFTP_ATTR_SIZE | SFTP_ATTR_UIDGID |
					 SFTP_ATTR_PERMISSIONS |
					 SFTP_ATTR_ACMODTIME,
				.size = 5 };
	struct buf out, entries;
	struct vfs_space space = { .total = UINT64_MAX,
				   .used = 4096,
				   .files_total = UINT64_MAX };
	struct sftp_reader r;
	uint8_t types[16];
	uint32_t len;
	size_t n = 0;

	(void)state;
	buf_init(&out, 10000);
	buf_init(&entries, 1000);
	sftp_put_entry(&entries, "one", "long one", &a);
	assert_int_equal(sftp_entry_len(buf_data(&entries)), buf_len(&entries));
	a.flags = 0;
	sftp_put_entry(&entries, "two", "long two", &a);
	sftp_reply_version(&out, ext, 2);
	sftp_reply_status(&out, 1, SFTP_FX_FAILURE, "why");
	sftp_reply_handle(&out, 2, "handle", 6);
	sftp_reply_data(&out, 3, "data", 4);
	sftp_reply_attrs(&out, 4, &a);
	sftp_reply_name(&out, 5, "/x");
	sftp_reply_entries(&out, 6, 2, buf_data(&entries), buf_len(&entries));
	sftp_reply_limits(&out, 7);
	sftp_reply_statvfs(&out, 8, &space);
	sftp_reader_init(&r, buf_data(&out), buf_len(&out));
	while (r.left > 0) {
		len = sftp_read_u32(&r);
		assert_true(len > 0 && len <= r.left && n < sizeof(types));
		types[n++] = r.p[0];
		r.p += len;
		r.left -= len;
	}
	assert_int_equal(n, 9);
	assert_memory_equal(types, "\x02\x65\x66\x67\x69\x68\x68\xc9\xc9", 9);
	buf_free(&out);
	buf_free(&entries);
}

static void
test_a_reply_that_does_not_fit_leaves_nothing(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 30);
	sftp_reply_data(&out, 1, "0123456789", 10);
	assert_int_equal(buf_len(&out), 23);
	sftp_reply_status(&out, 2, SFTP_FX_OK, "");
	assert_true(out.failed);
	assert_int_equal(buf_len(&out), 23);
	buf_free(&out);
}

static void
test_limits_tell_what_is_taken(void **state)
{
	struct sftp_reader r;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	sftp_reply_limits(&out, 9);
	sftp_reader_init(&r, buf_data(&out) + 9, buf_len(&out) - 9);
	assert_int_equal(sftp_read_u64(&r), 262144);
	assert_int_equal(sftp_read_u64(&r), 261120);
	assert_int_equal(sftp_read_u64(&r), 261120);
	assert_int_equal(sftp_read_u64(&r), 0);
	assert_int_equal(r.left, 0);
	/* A WRITE of that size with the longest handle is not too long. */
	assert_true(1 + 4 + 4 + SFTP_HANDLE_MAX + 8 + 4 + 261120 <=
		    SFTP_PACKET_MAX);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parser_takes_a_stream_whole),
		cmocka_unit_test(test_parser_takes_a_stream_cut_anywhere),
		cmocka_unit_test(test_parser_refuses_an_empty_packet),
		cmocka_unit_test(test_parser_refuses_a_packet_above_the_limit),
		cmocka_unit_test(test_parser_takes_the_largest_packet),
		cmocka_unit_test(
			test_parser_refuses_a_write_longer_than_its_packet),
		cmocka_unit_test(test_parser_refuses_a_write_cut_short),
		cmocka_unit_test(test_parser_refuses_a_handle_too_long),
		cmocka_unit_test(test_parser_hands_data_on_by_reference),
		cmocka_unit_test(test_reader_marks_what_is_missing),
		cmocka_unit_test(test_reader_reads_attributes),
		cmocka_unit_test(test_reader_bounds_extended_attributes),
		cmocka_unit_test(test_replies_are_whole_packets),
		cmocka_unit_test(test_a_reply_that_does_not_fit_leaves_nothing),
		cmocka_unit_test(test_limits_tell_what_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
