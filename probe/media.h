/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Films, sound and subtitles as libavformat sees them, read through
 * probe/source.h. Demuxers that would open other files (playlists, image
 * sequences) are left out. One file in a process; nothing is ever closed.
 */
#ifndef PROBE_MEDIA_H
#define PROBE_MEDIA_H

#include <jansson.h>
#include <stdbool.h>

/* Before the sandbox closes: tables, and who hears complaints. */
void media_prepare(void);

enum media_found {
	MEDIA_NONE,  /* nothing that libavformat knows */
	MEDIA_FOUND, /* result has container, streams ... */
	MEDIA_BROKEN /* it knows the container, but cannot read it */
};

/* Adds to result what there is. reason: why it is broken. */
enum media_found media_read(json_t *result, const char **reason);

/* Opens a still image that still_read() knows, for a thumbnail only. */
bool media_still(const char *format);

/*
 * A JPEG of what was opened, its longer side at most `side` pixels; false:
 * there is nothing to see. The bytes stay.
 */
bool media_thumbnail(unsigned side, const void **jpeg, size_t *len);

#endif
