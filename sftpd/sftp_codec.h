/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SFTP version 3 (draft-ietf-secsh-filexfer-02) as bytes: a parser that takes
 * a stream in pieces of any size, and a reader for the bodies of packets. Both
 * are pure. The data of a WRITE is never gathered: it is handed on as it
 * comes, by reference. Every other packet is given whole.
 */
#ifndef SFTPD_SFTP_CODEC_H
#define SFTPD_SFTP_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "sftpd/sftp_packet.h"

enum sftp_event {
	SFTP_EV_MORE,	     /* all input is used up */
	SFTP_EV_PACKET,	     /* a whole packet that is not a WRITE */
	SFTP_EV_WRITE_BEGIN, /* a WRITE up to its data */
	SFTP_EV_WRITE_DATA,  /* a piece of it */
	SFTP_EV_WRITE_END,   /* its end: the time to reply */
	SFTP_EV_BAD	     /* no packet can follow: end the channel */
};

struct sftp_packet {
	uint8_t type;
	const uint8_t *body; /* behind the type byte */
	size_t len;
};

struct sftp_write {
	uint32_t id;
	uint8_t handle[SFTP_HANDLE_MAX];
	uint32_t handle_len;
	uint64_t off;
	uint32_t len; /* of the data */
};

struct sftp_parser {
	int state;
	bool spent;	    /* the packet gathered was given out: drop it */
	uint32_t left;	    /* bytes of this packet still to come */
	uint32_t data_left; /* bytes of its data still to come */
	const char *why;    /* after SFTP_EV_BAD: what was wrong */
	struct buf in;	    /* what had to be gathered */
	struct sftp_packet packet;
	struct sftp_write write;
	const uint8_t *data; /* SFTP_EV_WRITE_DATA */
	size_t data_len;
};

void sftp_parser_init(struct sftp_parser *p);
void sftp_parser_free(struct sftp_parser *p);

/*
 * Goes on with the input at *in, *len and moves both. What the event points to
 * is valid until the next call and as long as the input is. Every BEGIN is
 * followed by its data, if any, and one END; after SFTP_EV_BAD nothing comes.
 */
enum sftp_event sftp_parser_next(struct sftp_parser *p, const uint8_t **in,
				 size_t *len);

/*
 * Reads the body of a packet. A field that is not there sets `bad`, and from
 * then on every field reads as 0 or "": check once, at the end.
 */
struct sftp_reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

void sftp_reader_init(struct sftp_reader *r, const uint8_t *body, size_t len);
uint8_t sftp_read_u8(struct sftp_reader *r);
uint32_t sftp_read_u32(struct sftp_reader *r);
uint64_t sftp_read_u64(struct sftp_reader *r);
const uint8_t *sftp_read_string(struct sftp_reader *r, uint32_t *len);
void sftp_read_attrs(struct sftp_reader *r, struct sftp_attrs *a);

#endif
