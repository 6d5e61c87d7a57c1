/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of sftpd: the server on a file system in memory and SSH clients in
 * the same process, each on a socket pair. Everything moves only while one of
 * these functions waits; each gives up after some seconds and fails the test.
 */
#ifndef TESTS_UNIT_SFTP_CLIENT_H
#define TESTS_UNIT_SFTP_CLIENT_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/loop.h"
#include "sftpd/sftp_codec.h"
#include "sftpd/sftp_reply.h"
#include "sftpd/sftpd.h"
#include "tests/fake/fake_fs.h"

#define CLIENTS_MAX 4

struct client;

struct world {
	struct loop *loop;
	struct fake *fake;
	struct sftpd_config config; /* to be changed before world_open() */
	struct sftpd *sftpd;
	struct client *clients[CLIENTS_MAX];
	char dir[64];
	bool drained;
};

struct client {
	struct world *w;
	ssh_session ssh;
	ssh_event poll;
	ssh_channel ch;
	int fd;
	bool deaf; /* reads no replies */
	struct buf out, in;
	uint32_t id;
};

/* A reply: its fields are read from r. */
struct reply {
	uint8_t type;
	uint32_t id;
	struct sftp_reader r;
	uint8_t body[300000];
};

void world_make(struct world *w);
void world_open(struct world *w);
void world_free(struct world *w);
void world_turn(struct world *w);

/* Turns until nothing moves any more. */
void world_settle(struct world *w);

/* Turns until *what is true. */
void world_wait(struct world *w, const bool *what);

struct client *client_new(struct world *w); /* up to the log-in */
int client_login(struct client *c, const char *user, const char *password);
void client_channel(struct client *c);
struct client *client_sftp(struct world *w); /* all of it, up to VERSION */
void client_free(struct client *c);	     /* it is gone without a word */
bool client_alive(struct client *c);
bool client_channel_open(struct client *c);

/* Builds requests in c->out; each returns its id. Frees body. */
uint32_t ask(struct client *c, uint8_t type, struct buf *body);
uint32_t ask_path(struct client *c, uint8_t type, const char *path);
uint32_t ask_rename(struct client *c, const char *from, const char *to);
uint32_t ask_open(struct client *c, const char *path, uint32_t flags);
uint32_t ask_handle(struct client *c, uint8_t type, const struct buf *handle);
uint32_t ask_read(struct client *c, const struct buf *handle, uint64_t off,
		  uint32_t len);
uint32_t ask_write(struct client *c, const struct buf *handle, uint64_t off,
		   const void *data, uint32_t len);
uint32_t ask_setstat(struct client *c, const char *path, uint32_t mtime);
uint32_t ask_fsetstat(struct client *c, const struct buf *handle, uint64_t n);
uint32_t ask_extended(struct client *c, const char *name, const char *text);
void ask_raw(struct client *c, const void *bytes, size_t n);

/* The next reply, whatever it is. Static memory. */
struct reply *hear(struct client *c);
bool heard_any(struct client *c); /* a whole reply is waiting */

void expect_status(struct client *c, uint32_t id, uint32_t fx);
void expect_type(struct client *c, uint32_t id, uint8_t type);
void expect_data(struct client *c, uint32_t id, const void *data, size_t n);
uint64_t expect_size(struct client *c, uint32_t id); /* of ATTRS */

/* Opens and gives the handle's bytes: the caller frees them. */
void open_file(struct client *c, const char *path, uint32_t flags,
	       struct buf *handle);

#define FOR_WRITING (SFTP_WRITE_FLAG | SFTP_CREAT_FLAG | SFTP_TRUNC_FLAG)

#endif
