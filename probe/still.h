/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Still images by their headers: a frame of a film has tens of megabytes and
 * says in its first few kilobytes what it is. PNG, JPEG, DPX (SMPTE ST 268),
 * OpenEXR and TIFF; all others are left to libavformat.
 */
#ifndef PROBE_STILL_H
#define PROBE_STILL_H

#include <stdbool.h>
#include <stdint.h>

struct still {
	const char *format; /* "png", "jpeg", "dpx", "exr", "tiff" */
	const char *mime;
	uint32_t width, height;
	unsigned bits;		 /* in a sample; 0: not known */
	unsigned channels;	 /* 0: not known */
	const char *sample_type; /* "uint", "half", "float" or NULL */
	const char *compression; /* NULL: not known */
	double frame_rate;	 /* 0: none */
	char timecode[12];	 /* "01:00:00:00" or "" */
	const char *reason;	 /* why it is broken; NULL: it is not */
};

/* The format by the first bytes; false: none of these. Never fails. */
bool still_read(struct still *s);

/* For still_read(): the file begins as theirs do. */
void still_exr(struct still *s);
void still_tiff(struct still *s, bool big_endian);

#endif
