/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/reply.h"

#include <string.h>

int
reply_code(enum err err)
{
	switch (err) {
	case ERR_OK:
		return 250;
	case ERR_IN_USE:
	case ERR_PUBLISHING:
	case ERR_CONFLICT:
		return 450;
	case ERR_AGAIN:
	case ERR_IO:
	case ERR_CORRUPT:
	case ERR_CANCELED:
	case ERR_INCOMPLETE:
		return 451;
	case ERR_NO_SPACE:
		return 452;
	case ERR_UNSUPPORTED:
		return 504;
	case ERR_NOT_FOUND:
	case ERR_EXISTS:
	case ERR_DENIED:
	case ERR_NOT_EMPTY:
	case ERR_NOT_DIR:
	case ERR_IS_DIR:
		return 550;
	case ERR_QUOTA:
	case ERR_TOO_LARGE:
		return 552;
	case ERR_INVALID:
		return 553;
	}
	return 451;
}

int
reply_transfer_code(enum err err)
{
	switch (err) {
	case ERR_OK:
		return 226;
	case ERR_CANCELED:
		return 426;
	case ERR_UNSUPPORTED:
		return 550;
	default:
		return reply_code(err);
	}
}

void
reply_line(struct buf *b, int code, const char *text)
{
	size_t i, len = strnlen(text, REPLY_TEXT_MAX);

	buf_printf(b, "%d ", code);
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		buf_add_u8(b, c < 0x20 || c == 0x7f || c == 0xff ? '?' : c);
	}
	buf_add_text(b, "\r\n");
}

void
reply_quote(struct buf *b, const char *path)
{
	buf_add_u8(b, '"');
	for (; *path; path++) {
		if (*path == '"')
			buf_add_u8(b, '"');
		buf_add_u8(b, (unsigned char)*path);
	}
	buf_add_u8(b, '"');
}
