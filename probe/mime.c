/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/mime.h"

#include <magic.h>
#include <string.h>

#define UNKNOWN "application/octet-stream"

/* What unpacks, and so has no end that we choose, is left out. */
#define FLAGS                                                             \
	(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_ELF | \
	 MAGIC_NO_CHECK_CDF)

static magic_t cookie;

int
mime_load(void)
{
	cookie = magic_open(FLAGS);
	return cookie && magic_load(cookie, NULL) == 0 ? 0 : -1;
}

const char *
mime_of(const void *data, size_t n)
{
	const char *type = magic_buffer(cookie, data, n);

	return type && strchr(type, '/') ? type : UNKNOWN;
}
