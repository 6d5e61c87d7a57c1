/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tus 1.0.0 over the same uploads as on the other doors. An upload's URL is its
 * path, with its id behind: /tus/show/a.mov?upload=<id>. Without the id it means
 * whatever upload of the user's is under way at that path, over SFTP or FTP
 * too.
 */
#ifndef HTTPD_TUS_H
#define HTTPD_TUS_H

#include "httpd/intake.h"
#include "httpd/tus_stage.h"
#include "lib/id.h"

#define TUS_VERSION "1.0.0"
#define TUS_EXTENSIONS                                         \
	"creation,creation-with-upload,creation-defer-length," \
	"expiration,checksum,termination"
#define TUS_ALGORITHMS "sha1,sha256,crc32c"
#define TUS_PREFIX "/tus/"

/* A request on one upload. */
struct tus {
	struct intake in;    /* first */
	char id[ID_LEN + 1]; /* "": whatever is there */
	bool creates;
	uint64_t offset; /* Upload-Offset */
	bool has_length; /* Upload-Length */
	uint64_t length;
	bool declared; /* known to the upload, or by this request */
	uint64_t total;
	struct tus_stage *stage; /* NULL: no checksum */
	bool verified;
	bool published, again;
};

/* OPTIONS below /tus/: what is offered. */
void tus_options(struct client *c);

/* Whether a reply to this target is one of tus. */
bool tus_target(const char *target);

/* The id in the target's query; false after a reply. */
bool tus_id(struct client *c, char id[ID_LEN + 1]);

/* tus_body.c: the body of POST and PATCH, into a file that is open. */
void tus_receive(struct tus *t);
/* False after a reply: the checksum's field is wrong. */
bool tus_stage_begin(struct tus *t);
extern const struct exchange_ops tus_body_ops;

/* Replies with where the upload stands. */
void tus_reply(struct tus *t, int status);

#endif
