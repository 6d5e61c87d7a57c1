/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sftp_client.h"

#include <event2/util.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/unit/patience.h"

#define QUIET_TURNS 20
#define MANY (64u << 20)

void
world_make(struct world *w)
{
	struct conf *conf;
	char *ini;
	FILE *f;

	memset(w, 0, sizeof(*w));
	log_open("test", "stderr", LOG_LEVEL_ERROR);
	strcpy(w->dir, "/tmp/test_sftpd_XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	ini = mem_printf("%s/ini", w->dir);
	f = fopen(ini, "w");
	assert_non_null(f);
	fprintf(f, "[sftp]\nhost_key = %s/key\nmake_host_keys = yes\n", w->dir);
	fclose(f);
	conf = conf_load(ini);
	sftpd_config_read(conf, &w->config);
	assert_int_equal(conf_finish(conf), 0);
	conf_free(conf);
	unlink(ini);
	free(ini);
	w->loop = loop_new();
	w->fake = fake_new(w->loop);
}

void
world_open(struct world *w)
{
	assert_int_equal(sftpd_open(&w->sftpd, &w->config, &w->fake->bridge),
			 ERR_OK);
}

void
world_free(struct world *w)
{
	size_t i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		if (w->clients[i] != NULL)
			client_free(w->clients[i]);
	}
	sftpd_close(w->sftpd);
	assert_int_equal(w->fake->sessions, 0);
	assert_int_equal(w->fake->files, 0);
	assert_int_equal(w->fake->dirs, 0);
	assert_int_equal(fake_waiting(w->fake), 0);
	fake_free(w->fake);
	unlink(w->config.host_key_paths[0]);
	rmdir(w->dir);
	sftpd_config_free(&w->config);
	loop_free(w->loop);
}

static void
take_replies(struct client *c)
{
	uint8_t data[32768];
	int n;

	if (c->ch == NULL || c->deaf)
		return;
	while ((n = ssh_channel_read_nonblocking(c->ch, data, sizeof(data),
						 0)) > 0)
		buf_add(&c->in, data, (size_t)n);
	assert_false(c->in.failed);
}

static void
send_requests(struct client *c)
{
	size_t n = buf_len(&c->out);
	int sent;

	if (c->ch == NULL || n == 0)
		return;
	sent = ssh_channel_write(c->ch, buf_data(&c->out),
				 n > 65536 ? 65536 : (uint32_t)n);
	if (sent > 0)
		buf_consume(&c->out, (size_t)sent);
}

void
world_turn(struct world *w)
{
	size_t i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = w->clients[i];

		if (c == NULL)
			continue;
		send_requests(c);
		if (c->poll != NULL)
			ssh_event_dopoll(c->poll, 0);
		take_replies(c);
	}
	loop_turn(w->loop, 1);
}

void
world_settle(struct world *w)
{
	int i;

	for (i = 0; i < QUIET_TURNS; i++)
		world_turn(w);
}

static uint64_t
patience(void)
{
	return clock_ms() + PATIENCE_MS;
}

void
world_wait(struct world *w, const bool *what)
{
	const uint64_t end = patience();

	while (!*what) {
		world_turn(w);
		assert_true(clock_ms() < end);
	}
}

static struct client *
make_client(struct world *w)
{
	struct client *c = mem_alloc(sizeof(*c));
	size_t i = 0;

	while (w->clients[i] != NULL)
		i++;
	assert_true(i < CLIENTS_MAX);
	c->w = w;
	w->clients[i] = c;
	buf_init(&c->out, MANY);
	buf_init(&c->in, MANY);
	c->ssh = ssh_new();
	assert_non_null(c->ssh);
	return c;
}

struct client *
client_new(struct world *w)
{
	struct sockaddr_in peer = { .sin_family = AF_INET };
	struct client *c = make_client(w);
	const bool no = false;
	const uint64_t end = patience();
	int fd[2], rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = fd[1];
	ssh_options_set(c->ssh, SSH_OPTIONS_PROCESS_CONFIG, &no);
	ssh_options_set(c->ssh, SSH_OPTIONS_SSH_DIR, "/nonexistent");
	ssh_options_set(c->ssh, SSH_OPTIONS_USER, "ann");
	ssh_options_set(c->ssh, SSH_OPTIONS_HOST, "localhost");
	ssh_options_set(c->ssh, SSH_OPTIONS_FD, &c->fd);
	ssh_set_blocking(c->ssh, 0);
	sftpd_accept(w->sftpd, fd[0], (struct sockaddr *)&peer);
	while ((rc = ssh_connect(c->ssh)) == SSH_AGAIN) {
		world_turn(w);
		assert_true(clock_ms() < end);
	}
	assert_int_equal(rc, SSH_OK);
	/* libssh makes a client's descriptor block. */
	evutil_make_socket_nonblocking(c->fd);
	c->poll = ssh_event_new();
	assert_non_null(c->poll);
	ssh_event_add_session(c->poll, c->ssh);
	return c;
}

int
client_login(struct client *c, const char *user, const char *password)
{
	const uint64_t end = patience();
	int rc;

	while ((rc = ssh_userauth_password(c->ssh, user, password)) ==
	       SSH_AUTH_AGAIN) {
		world_turn(c->w);
		if (!client_alive(c))
			return SSH_AUTH_ERROR;
		assert_true(clock_ms() < end);
	}
	return rc;
}

void
client_channel(struct client *c)
{
	ssh_channel ch = ssh_channel_new(c->ssh);
	const uint64_t end = patience();
	int rc;

	assert_non_null(ch);
	while ((rc = ssh_channel_open_session(ch)) == SSH_AGAIN) {
		world_turn(c->w);
		assert_true(clock_ms() < end);
	}
	assert_int_equal(rc, SSH_OK);
	while ((rc = ssh_channel_request_subsystem(ch, "sftp")) == SSH_AGAIN) {
		world_turn(c->w);
		assert_true(clock_ms() < end);
	}
	assert_int_equal(rc, SSH_OK);
	c->ch = ch;
}

struct client *
client_sftp(struct world *w)
{
	struct client *c = client_new(w);

	assert_int_equal(client_login(c, "ann", "secret"), SSH_AUTH_SUCCESS);
	client_channel(c);
	ask_raw(c, "\0\0\0\5\1\0\0\0\3", 9);
	assert_int_equal(hear(c)->type, SFTP_VERSION);
	return c;
}

static void
forget(struct client *c)
{
	size_t i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		if (c->w->clients[i] == c)
			c->w->clients[i] = NULL;
	}
	buf_free(&c->out);
	buf_free(&c->in);
	if (c->poll != NULL) {
		ssh_event_remove_session(c->poll, c->ssh);
		ssh_event_free(c->poll);
	}
	ssh_free(c->ssh);
	free(c);
}

void
client_free(struct client *c)
{
	struct world *w = c->w;

	forget(c);
	world_settle(w);
}

bool
client_alive(struct client *c)
{
	return ssh_is_connected(c->ssh) &&
	       !(ssh_get_status(c->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR));
}

bool
client_channel_open(struct client *c)
{
	return client_alive(c) && ssh_channel_is_open(c->ch) &&
	       !ssh_channel_is_eof(c->ch);
}

void
ask_raw(struct client *c, const void *bytes, size_t n)
{
	buf_add(&c->out, bytes, n);
}

uint32_t
ask(struct client *c, uint8_t type, struct buf *body)
{
	buf_add_u32(&c->out, (uint32_t)(5 + buf_len(body)));
	buf_add_u8(&c->out, type);
	buf_add_u32(&c->out, ++c->id);
	buf_add(&c->out, buf_data(body), buf_len(body));
	assert_false(c->out.failed);
	buf_free(body);
	return c->id;
}

static void
put_handle(struct buf *body, const struct buf *handle)
{
	buf_add_u32(body, (uint32_t)buf_len(handle));
	buf_add(body, buf_data(handle), buf_len(handle));
}

uint32_t
ask_path(struct client *c, uint8_t type, const char *path)
{
	struct buf body;

	buf_init(&body, 10000);
	buf_add_string(&body, path);
	if (type == SFTP_MKDIR)
		buf_add_u32(&body, 0);
	return ask(c, type, &body);
}

uint32_t
ask_rename(struct client *c, const char *from, const char *to)
{
	struct buf body;

	buf_init(&body, 10000);
	buf_add_string(&body, from);
	buf_add_string(&body, to);
	return ask(c, SFTP_RENAME, &body);
}

uint32_t
ask_open(struct client *c, const char *path, uint32_t flags)
{
	struct buf body;

	buf_init(&body, 10000);
	buf_add_string(&body, path);
	buf_add_u32(&body, flags);
	buf_add_u32(&body, 0);
	return ask(c, SFTP_OPEN, &body);
}

uint32_t
ask_handle(struct client *c, uint8_t type, const struct buf *handle)
{
	struct buf body;

	buf_init(&body, 1000);
	put_handle(&body, handle);
	return ask(c, type, &body);
}

uint32_t
ask_read(struct client *c, const struct buf *handle, uint64_t off, uint32_t len)
{
	struct buf body;

	buf_init(&body, 1000);
	put_handle(&body, handle);
	buf_add_u64(&body, off);
	buf_add_u32(&body, len);
	return ask(c, SFTP_READ, &body);
}

uint32_t
ask_write(struct client *c, const struct buf *handle, uint64_t off,
	  const void *data, uint32_t len)
{
	struct buf body;

	buf_init(&body, SFTP_PACKET_MAX);
	put_handle(&body, handle);
	buf_add_u64(&body, off);
	buf_add_u32(&body, len);
	buf_add(&body, data, len);
	return ask(c, SFTP_WRITE, &body);
}

uint32_t
ask_setstat(struct client *c, const char *path, uint32_t mtime)
{
	struct buf body;

	buf_init(&body, 10000);
	buf_add_string(&body, path);
	buf_add_u32(&body, SFTP_ATTR_ACMODTIME);
	buf_add_u32(&body, mtime);
	buf_add_u32(&body, mtime);
	return ask(c, SFTP_SETSTAT, &body);
}

uint32_t
ask_fsetstat(struct client *c, const struct buf *handle, uint64_t size)
{
	struct buf body;

	buf_init(&body, 10000);
	put_handle(&body, handle);
	buf_add_u32(&body, SFTP_ATTR_SIZE);
	buf_add_u64(&body, size);
	return ask(c, SFTP_FSETSTAT, &body);
}

uint32_t
ask_extended(struct client *c, const char *name, const char *text)
{
	struct buf body;

	buf_init(&body, 10000);
	buf_add_string(&body, name);
	if (text != NULL)
		buf_add_string(&body, text);
	return ask(c, SFTP_EXTENDED, &body);
}

bool
heard_any(struct client *c)
{
	struct sftp_reader r;

	sftp_reader_init(&r, buf_data(&c->in), buf_len(&c->in));
	return buf_len(&c->in) >= 4 && sftp_read_u32(&r) <= r.left;
}

struct reply *
hear(struct client *c)
{
	static struct reply reply;
	const uint64_t end = patience();
	uint32_t len;

	while (!heard_any(c)) {
		world_turn(c->w);
		if (clock_ms() >= end)
			fail_msg("no reply; the client %s",
				 client_alive(c) ? "waits" : "is gone");
	}
	sftp_reader_init(&reply.r, buf_data(&c->in), 4);
	len = sftp_read_u32(&reply.r);
	assert_true(len > 4 && len <= sizeof(reply.body));
	memcpy(reply.body, buf_data(&c->in) + 4, len);
	buf_consume(&c->in, 4 + len);
	sftp_reader_init(&reply.r, reply.body, len);
	reply.type = sftp_read_u8(&reply.r);
	reply.id = sftp_read_u32(&reply.r);
	return &reply;
}

void
expect_type(struct client *c, uint32_t id, uint8_t type)
{
	const struct reply *r = hear(c);

	assert_int_equal(r->type, type);
	assert_int_equal(r->id, id);
}

void
expect_status(struct client *c, uint32_t id, uint32_t fx)
{
	struct reply *r = hear(c);

	assert_int_equal(r->type, SFTP_STATUS);
	assert_int_equal(r->id, id);
	assert_int_equal(sftp_read_u32(&r->r), fx);
}

void
expect_data(struct client *c, uint32_t id, const void *data, size_t n)
{
	struct reply *r = hear(c);
	const uint8_t *p;
	uint32_t len;

	assert_int_equal(r->type, SFTP_DATA);
	assert_int_equal(r->id, id);
	p = sftp_read_string(&r->r, &len);
	assert_int_equal(len, n);
	assert_memory_equal(p, data, n);
}

uint64_t
expect_size(struct client *c, uint32_t id)
{
	struct reply *r = hear(c);
	struct sftp_attrs a;

	assert_int_equal(r->type, SFTP_ATTRS);
	assert_int_equal(r->id, id);
	sftp_read_attrs(&r->r, &a);
	assert_false(r->r.bad);
	return a.size;
}

void
open_file(struct client *c, const char *path, uint32_t flags,
	  struct buf *handle)
{
	const uint32_t id = ask_open(c, path, flags);
	struct reply *r = hear(c);
	const uint8_t *p;
	uint32_t len;

	assert_int_equal(r->type, SFTP_HANDLE);
	assert_int_equal(r->id, id);
	p = sftp_read_string(&r->r, &len);
	buf_init(handle, SFTP_HANDLE_MAX);
	buf_add(handle, p, len);
}
