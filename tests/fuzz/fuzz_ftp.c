/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client sends over a control connection: cut into lines, then into
 * commands and their arguments.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ftpd/address.h"
#include "ftpd/command.h"
#include "ftpd/line.h"
#include "ftpd/listing.h"
#include "ftpd/public_address.h"
#include "ftpd/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_line(const struct line_reader *r)
{
	assert(r->len <= FTP_LINE_MAX && strlen(r->text) == r->len);
	for (size_t i = 0; i < r->len; i++)
		assert((unsigned char)r->text[i] >= 0x20 && r->text[i] != 0x7f);
}

static void
parse_argument(const char *arg)
{
	static struct public_rule rules[PUBLIC_ADDRESSES_MAX];
	struct sockaddr_storage ss;
	uint64_t n;
	int64_t t;
	size_t len;
	bool recursive;
	const char *rest = command_word(arg, &len), *path;

	assert(rest >= arg + len && rest <= arg + strlen(arg));
	(void)command_number(arg, &n);
	(void)command_time(arg, len, &t);
	if (command_utime(arg, &path, &len, &t))
		assert(path + len <= arg + strlen(arg));
	(void)address_parse_port(arg, &ss);
	(void)address_parse_eprt(arg, &ss);
	if (public_address_parse(arg, rules, &len))
		assert(len > 0 && len <= PUBLIC_ADDRESSES_MAX);
	assert(listing_choose(arg) <= FACT_ALL);
	path = listing_options(arg, &recursive);
	assert(path >= arg && *path != '-' && (!recursive || path > arg));
	(void)listing_match(arg, rest);
}

static void
reply_argument(const char *arg)
{
	struct buf b;
	const char *text;

	buf_init(&b, 4 * FTP_LINE_MAX);
	reply_line(&b, 550, arg);
	text = buf_cstr(&b);
	assert(strcspn(text, "\r\n") + 2 == strlen(text));
	buf_clear(&b);
	reply_quote(&b, arg);
	assert(!b.failed);
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct line_reader r;
	size_t used = 0;

	line_init(&r);
	while (used < size) {
		enum line_status status;
		struct command cmd;
		size_t n = line_feed(&r, data + used, size - used, &status);

		assert(n > 0);
		used += n;
		if (status != LINE_READY)
			continue;
		check_line(&r);
		command_parse(r.text, &cmd);
		parse_argument(cmd.arg);
		reply_argument(cmd.arg);
	}
	return 0;
}
