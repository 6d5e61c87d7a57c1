/* SPDX-License-Identifier: Apache-2.0 */
/* Built without libav (configure --without-media). */
#include "probe/media.h"

void
media_prepare(void)
{
}

enum media_found
media_read(json_t *result, const char **reason)
{
	(void)result;
	(void)reason;
	return MEDIA_NONE;
}

bool
media_still(const char *format)
{
	(void)format;
	return false;
}

bool
media_thumbnail(unsigned side, const void **jpeg, size_t *len)
{
	(void)side;
	(void)jpeg;
	(void)len;
	return false;
}
