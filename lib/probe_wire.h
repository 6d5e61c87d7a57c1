/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the courier and its child sluice-probe say to each other over a stream
 * socket, the child's descriptors 0 and 1. A frame is a byte of type, a length
 * of four bytes and that many bytes; numbers are big endian.
 *
 * The parent sends START. The child asks with READ, one at a time; the parent
 * answers DATA, exactly the bytes asked for, or DENIED, a text that says why
 * not, after which it asks no more. The child sends one RESULT, a JSON object,
 * may ask on and send one THUMB, a JPEG file, and ends. Each side bounds what
 * it takes: neither trusts the other's lengths.
 */
#ifndef LIB_PROBE_WIRE_H
#define LIB_PROBE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

#define PROBE_WIRE_READ_MAX (1u << 20)	   /* bytes of one READ */
#define PROBE_WIRE_THUMB_MAX (1u << 20)	   /* of a thumbnail */
#define PROBE_WIRE_RESULT_MAX (248u << 10) /* of a RESULT */
#define PROBE_WIRE_DENIED_MAX 200	   /* of a text */
#define PROBE_WIRE_HEADER 5
#define PROBE_WIRE_MAX (PROBE_WIRE_HEADER + (1u << 20)) /* of any frame */

enum probe_frame_type {
	PROBE_START = 'S',
	PROBE_DATA = 'D',
	PROBE_DENIED = 'E',
	PROBE_READ = 'R',
	PROBE_THUMB = 'T',
	PROBE_RESULT = 'J'
};

struct probe_frame {
	enum probe_frame_type type;
	const unsigned char *data; /* len bytes, in the buffer */
	size_t len;
};

struct probe_order {
	uint64_t size;	    /* of the file, bytes */
	uint64_t memory;    /* bytes of address space */
	uint32_t cpu_s;	    /* seconds of CPU */
	uint32_t thumbnail; /* longest side, pixels; 0: none is wanted */
};

struct probe_read {
	uint64_t off;
	uint32_t len;
};

void probe_wire_put(struct buf *b, enum probe_frame_type type, const void *data,
		    size_t len);
void probe_wire_put_order(struct buf *b, const struct probe_order *o);
void probe_wire_put_read(struct buf *b, const struct probe_read *r);

/*
 * The first frame in b; its bytes stay there until buf_consume() takes
 * PROBE_WIRE_HEADER + len of them. ERR_AGAIN: not all of it is there yet;
 * ERR_CORRUPT: no such type, or longer than that type may be.
 */
enum err probe_wire_peek(const struct buf *b, struct probe_frame *out);

/* ERR_CORRUPT: not as long as it must be. */
enum err probe_wire_order(const struct probe_frame *f, struct probe_order *o);
enum err probe_wire_read(const struct probe_frame *f, struct probe_read *r);

#endif
