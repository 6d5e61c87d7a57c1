/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/user.h"
#include "ftpd/address.h"
#include "ftpd/command.h"
#include "ftpd/line.h"
#include "ftpd/reply.h"

/* Feeds all bytes, one call for each piece; returns the first line's state. */
static enum line_status
feed(struct line_reader *r, const char *bytes, size_t n, size_t piece)
{
	enum line_status status = LINE_MORE;
	size_t used = 0;

	while (used < n && status == LINE_MORE) {
		size_t left = n - used < piece ? n - used : piece;

		used += line_feed(r, bytes + used, left, &status);
	}
	return status;
}

static void
expect_line(const char *bytes, size_t n, const char *want)
{
	struct line_reader r;

	for (size_t piece = 1; piece <= n; piece++) {
		line_init(&r);
		assert_int_equal(feed(&r, bytes, n, piece), LINE_READY);
		assert_string_equal(r.text, want);
		assert_int_equal(r.len, strlen(want));
	}
}

#define EXPECT_LINE(bytes, want) expect_line(bytes, sizeof(bytes) - 1, want)

static void
test_line_ends_with_crlf_or_lf(void **state)
{
	(void)state;
	EXPECT_LINE("NOOP\r\n", "NOOP");
	EXPECT_LINE("NOOP\n", "NOOP");
	EXPECT_LINE("CWD  two  spaces \r\n", "CWD  two  spaces ");
	EXPECT_LINE("CWD \xc3\xa4\r\n", "CWD \xc3\xa4");
	EXPECT_LINE("\r\n", "");
}

static void
test_line_swallows_telnet_commands(void **state)
{
	(void)state;
	EXPECT_LINE("\xff\xf4\xff\xf2"
		    "ABOR\r\n",
		    "ABOR");
	/* The urgent byte was taken out of the stream: IAC or DM is missing. */
	EXPECT_LINE("\xff\xf4\xff"
		    "ABOR\r\n",
		    "ABOR");
	EXPECT_LINE("\xff\xf4\xf2"
		    "ABOR\r\n",
		    "ABOR");
	EXPECT_LINE("\xff\xfb\x18NOOP\r\n", "NOOP");
	EXPECT_LINE("\xff\xfa\x18\x01xyz\xff\xf0NOOP\r\n", "NOOP");
	EXPECT_LINE("NO\xff\xf1OP\r\n", "NOOP");
}

static void
expect_bad(const char *bytes, size_t n)
{
	struct line_reader r;

	line_init(&r);
	assert_int_equal(feed(&r, bytes, n, n), LINE_BAD);
	assert_int_equal(feed(&r, "PWD\r\n", 5, 5), LINE_READY);
	assert_string_equal(r.text, "PWD");
}

static void
test_line_with_control_bytes_is_refused_whole(void **state)
{
	(void)state;
	expect_bad("DELE a\0b\r\n", 10);
	expect_bad("DELE a\rb\r\n", 10);
	expect_bad("DELE a\x1b\r\n", 9);
	expect_bad("DELE a\x7f\n", 8);
	expect_bad("DELE a\r\r\n", 9);
	expect_bad("DELE a\tb\n", 9);
}

static void
test_line_at_maximum_is_taken_and_one_byte_more_is_not(void **state)
{
	static char line[FTP_LINE_MAX + 3];
	struct line_reader r;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line + FTP_LINE_MAX, "\r\n", 2);
	line_init(&r);
	assert_int_equal(feed(&r, line, FTP_LINE_MAX + 2, 1000), LINE_READY);
	assert_int_equal(r.len, FTP_LINE_MAX);
	memcpy(line + FTP_LINE_MAX, "x\r\n", 3);
	assert_int_equal(feed(&r, line, FTP_LINE_MAX + 3, 1000), LINE_LONG);
	assert_int_equal(feed(&r, "PWD\r\n", 5, 5), LINE_READY);
	assert_string_equal(r.text, "PWD");
}

static void
test_line_without_end_counts_again_and_again(void **state)
{
	static char junk[FTP_LINE_MAX + FTP_SKIP_MAX + 1];
	struct line_reader r;
	enum line_status status;

	(void)state;
	memset(junk, 'x', sizeof(junk));
	line_init(&r);
	assert_int_equal(line_feed(&r, junk, sizeof(junk), &status),
			 sizeof(junk));
	assert_int_equal(status, LINE_LONG);
	line_feed(&r, junk, FTP_SKIP_MAX - 1, &status);
	assert_int_equal(status, LINE_MORE);
	line_feed(&r, junk, 1, &status);
	assert_int_equal(status, LINE_LONG);
}

static void
test_feed_uses_one_line_at_a_time(void **state)
{
	struct line_reader r;
	enum line_status status;

	(void)state;
	line_init(&r);
	assert_int_equal(line_feed(&r, "PWD\r\nNOOP\r\n", 11, &status), 5);
	assert_int_equal(status, LINE_READY);
	assert_string_equal(r.text, "PWD");
}

static void
test_wipe_leaves_no_password(void **state)
{
	struct line_reader r;

	(void)state;
	line_init(&r);
	feed(&r, "PASS secret\r\n", 13, 13);
	line_wipe(&r);
	assert_null(memmem(r.text, sizeof(r.text), "secret", 6));
}

static void
test_parse_finds_verbs_of_any_case(void **state)
{
	struct command c;

	(void)state;
	command_parse("stOr a b ", &c);
	assert_non_null(c.row);
	assert_int_equal(c.row->verb, FTP_STOR);
	assert_string_equal(c.arg, "a b ");
	command_parse("CWD  x", &c);
	assert_string_equal(c.arg, " x");
	command_parse("XPWD", &c);
	assert_int_equal(c.row->verb, FTP_PWD);
	assert_string_equal(c.arg, "");
	command_parse("STO", &c);
	assert_null(c.row);
	command_parse("STORX", &c);
	assert_null(c.row);
	command_parse("", &c);
	assert_null(c.row);
	command_parse(" PWD", &c);
	assert_null(c.row);
}

static void
test_every_verb_has_a_row(void **state)
{
	(void)state;
	for (int v = 0; v < FTP_UNKNOWN; v++) {
		size_t i;

		for (i = 0; i < command_count; i++)
			if ((int)command_rows[i].verb == v)
				break;
		assert_true(i < command_count);
	}
}

/* What changes something, or shows something, is never open to all. */
static void
test_rights_stand_on_the_rows(void **state)
{
	static const struct {
		enum ftp_verb verb;
		unsigned right;
	} want[] = {
		{ FTP_STOR, USER_WRITE },  { FTP_APPE, USER_WRITE },
		{ FTP_RETR, USER_READ },   { FTP_DELE, USER_DELETE },
		{ FTP_RMD, USER_DELETE },  { FTP_MKD, USER_MKDIR },
		{ FTP_RNFR, USER_RENAME }, { FTP_RNTO, USER_RENAME },
		{ FTP_LIST, USER_LIST },   { FTP_NLST, USER_LIST },
		{ FTP_MLSD, USER_LIST },   { FTP_MFMT, USER_WRITE },
	};

	(void)state;
	for (size_t i = 0; i < command_count; i++)
		for (size_t k = 0; k < sizeof(want) / sizeof(want[0]); k++) {
			if (command_rows[i].verb != want[k].verb)
				continue;
			assert_int_equal(command_rows[i].right, want[k].right);
			assert_int_equal(command_rows[i].flags &
						 (COMMAND_EARLY | COMMAND_NOW),
					 0);
		}
}

static void
test_number_takes_digits_alone(void **state)
{
	uint64_t n;

	(void)state;
	assert_true(command_number("18446744073709551615", &n));
	assert_true(n == UINT64_MAX);
	assert_false(command_number("18446744073709551616", &n));
	assert_false(command_number("99999999999999999999", &n));
	assert_false(command_number("", &n));
	assert_false(command_number("-1", &n));
	assert_false(command_number("+1", &n));
	assert_false(command_number("1 ", &n));
	assert_false(command_number("0x1", &n));
}

static bool
parse_time(const char *s, int64_t *t)
{
	return command_time(s, strlen(s), t);
}

static void
test_time_is_utc_and_checked(void **state)
{
	int64_t t = 0;

	(void)state;
	assert_true(parse_time("20260131120000", &t));
	assert_int_equal(t, 1769860800);
	assert_true(parse_time("19700101000000.123", &t));
	assert_int_equal(t, 0);
	assert_true(parse_time("20240229235960", &t));
	assert_int_equal(t, 1709251199);
	assert_false(parse_time("20230229000000", &t));
	assert_false(parse_time("20231301000000", &t));
	assert_false(parse_time("20230101240000", &t));
	assert_false(parse_time("2023010112000", &t));
	assert_false(parse_time("20230101120000.", &t));
	assert_false(parse_time("2023010112000x", &t));
	assert_false(parse_time("20230101120000 x", &t));
}

static void
expect_utime(const char *arg, const char *want, int64_t when)
{
	const char *path;
	size_t len;
	int64_t t;

	assert_true(command_utime(arg, &path, &len, &t));
	assert_int_equal(len, strlen(want));
	assert_memory_equal(path, want, len);
	assert_int_equal(t, when);
}

static void
test_utime_has_two_forms(void **state)
{
	const char *path;
	size_t len;
	int64_t t;

	(void)state;
	expect_utime("197001010001 a b", "a b", 60);
	expect_utime("19700101000001 a", "a", 1);
	expect_utime("a b 19700101000001 19700101000002 19700101000003 UTC",
		     "a b", 2);
	expect_utime("19700101000001 1 2 3 UTC", "1 2 3 UTC", 1);
	assert_false(command_utime("", &path, &len, &t));
	assert_false(command_utime("19700101000001", &path, &len, &t));
	assert_false(command_utime("1970010100000 a", &path, &len, &t));
	assert_false(command_utime("1970010100000100 a", &path, &len, &t));
	assert_false(command_utime("a 1 2 3 UTC", &path, &len, &t));
}

static void
test_port_is_six_bytes(void **state)
{
	struct sockaddr_storage ss;
	unsigned char ip[4];

	(void)state;
	assert_true(address_parse_port("192,0,2,7,156,64", &ss));
	assert_int_equal(address_port((struct sockaddr *)&ss), 40000);
	assert_true(address_ipv4((struct sockaddr *)&ss, ip));
	assert_memory_equal(ip, "\xc0\x00\x02\x07", 4);
	assert_false(address_parse_port("192,0,2,7,156", &ss));
	assert_false(address_parse_port("192,0,2,7,156,64,1", &ss));
	assert_false(address_parse_port("192,0,2,256,1,1", &ss));
	assert_false(address_parse_port("192,0,2,,1,1", &ss));
	assert_false(address_parse_port("0001,0,2,7,1,1", &ss));
	assert_false(address_parse_port("", &ss));
}

static void
test_eprt_knows_both_families(void **state)
{
	struct sockaddr_storage ss;

	(void)state;
	assert_int_equal(address_parse_eprt("|1|192.0.2.7|6275|", &ss),
			 EPRT_OK);
	assert_int_equal(ss.ss_family, AF_INET);
	assert_int_equal(address_port((struct sockaddr *)&ss), 6275);
	assert_int_equal(address_parse_eprt("!2!2001:db8::1!5282!", &ss),
			 EPRT_OK);
	assert_int_equal(ss.ss_family, AF_INET6);
	assert_int_equal(address_parse_eprt("|3|x|1|", &ss), EPRT_FAMILY);
	assert_int_equal(address_parse_eprt("|1|192.0.2.7|0|", &ss), EPRT_BAD);
	assert_int_equal(address_parse_eprt("|1|192.0.2.7|65536|", &ss),
			 EPRT_BAD);
	assert_int_equal(address_parse_eprt("|1|2001:db8::1|1|", &ss),
			 EPRT_BAD);
	assert_int_equal(address_parse_eprt("|1|192.0.2.7|6275", &ss),
			 EPRT_BAD);
	assert_int_equal(address_parse_eprt("|1|192.0.2.7|6275|x", &ss),
			 EPRT_BAD);
	assert_int_equal(address_parse_eprt("", &ss), EPRT_BAD);
}

static void
test_mapped_address_is_the_same_host(void **state)
{
	struct sockaddr_storage v4, mapped, other;

	(void)state;
	address_parse_port("192,0,2,7,4,1", &v4);
	address_parse_eprt("|2|::ffff:192.0.2.7|99|", &mapped);
	address_parse_eprt("|2|::ffff:192.0.2.8|99|", &other);
	assert_true(address_same_host((struct sockaddr *)&v4,
				      (struct sockaddr *)&mapped));
	assert_false(address_same_host((struct sockaddr *)&v4,
				       (struct sockaddr *)&other));
	assert_int_equal(address_family((struct sockaddr *)&mapped), AF_INET);
	address_parse_eprt("|2|2001:db8::1|99|", &other);
	assert_false(address_same_host((struct sockaddr *)&v4,
				       (struct sockaddr *)&other));
	assert_true(address_same_host((struct sockaddr *)&other,
				      (struct sockaddr *)&other));
}

static void
test_reply_cannot_be_broken_up_by_its_text(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	reply_line(&b, 550, "a\r\n226 done\xff");
	assert_string_equal(buf_cstr(&b), "550 a??226 done?\r\n");
	buf_clear(&b);
	reply_quote(&b, "/a\"b");
	assert_string_equal(buf_cstr(&b), "\"/a\"\"b\"");
	buf_free(&b);
}

/* Clients retry on 4xx and give up on 5xx. */
static void
test_reply_codes_tell_temporary_from_final(void **state)
{
	static const enum err temporary[] = { ERR_AGAIN,      ERR_IN_USE,
					      ERR_PUBLISHING, ERR_CONFLICT,
					      ERR_NO_SPACE,   ERR_CORRUPT,
					      ERR_INCOMPLETE, ERR_IO,
					      ERR_CANCELED };

	(void)state;
	for (int e = 1; e < ERR_COUNT; e++) {
		bool is = false;

		for (size_t i = 0; i < sizeof(temporary) / sizeof(*temporary);
		     i++)
			is = is || (int)temporary[i] == e;
		assert_int_equal(reply_code((enum err)e) / 100, is ? 4 : 5);
		assert_int_equal(reply_transfer_code((enum err)e) / 100,
				 is ? 4 : 5);
	}
	assert_int_equal(reply_code(ERR_OK), 250);
	assert_int_equal(reply_transfer_code(ERR_OK), 226);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_ends_with_crlf_or_lf),
		cmocka_unit_test(test_line_swallows_telnet_commands),
		cmocka_unit_test(test_line_with_control_bytes_is_refused_whole),
		cmocka_unit_test(
			test_line_at_maximum_is_taken_and_one_byte_more_is_not),
		cmocka_unit_test(test_line_without_end_counts_again_and_again),
		cmocka_unit_test(test_feed_uses_one_line_at_a_time),
		cmocka_unit_test(test_wipe_leaves_no_password),
		cmocka_unit_test(test_parse_finds_verbs_of_any_case),
		cmocka_unit_test(test_every_verb_has_a_row),
		cmocka_unit_test(test_rights_stand_on_the_rows),
		cmocka_unit_test(test_number_takes_digits_alone),
		cmocka_unit_test(test_time_is_utc_and_checked),
		cmocka_unit_test(test_utime_has_two_forms),
		cmocka_unit_test(test_port_is_six_bytes),
		cmocka_unit_test(test_eprt_knows_both_families),
		cmocka_unit_test(test_mapped_address_is_the_same_host),
		cmocka_unit_test(test_reply_cannot_be_broken_up_by_its_text),
		cmocka_unit_test(test_reply_codes_tell_temporary_from_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
