/* SPDX-License-Identifier: Apache-2.0 */
/* The SFTP front end's connections: log-in, limits, time-outs, rekeying,
 * tampering, draining. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mem.h"
#include "tests/unit/patience.h"
#include "tests/unit/sftp_client.h"

static int
set_up(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	world_make(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	world_free(*state);
	free(*state);
	return 0;
}

/* Turns until the server has ended the connection. */
static void
wait_for_end(struct client *c)
{
	const uint64_t end = clock_ms() + PATIENCE_MS;

	while (sftpd_sessions(c->w->sftpd) > 0) {
		world_turn(c->w);
		assert_true(clock_ms() < end);
	}
}

static void
test_password_lets_in_and_keeps_out(void **state)
{
	struct world *w = *state;
	struct client *c;

	world_open(w);
	c = client_new(w);
	assert_int_equal(client_login(c, "ann", "wrong"), SSH_AUTH_DENIED);
	assert_int_equal(client_login(c, "bob", "secret"), SSH_AUTH_DENIED);
	assert_int_equal(client_login(c, "ann", "secret"), SSH_AUTH_SUCCESS);
}

static void
test_nothing_is_read_while_a_login_is_checked(void **state)
{
	struct world *w = *state;
	struct client *c;
	int i;

	world_open(w);
	c = client_new(w);
	w->fake->hold = true;
	for (i = 0; i < 10; i++) {
		assert_int_equal(ssh_userauth_password(c->ssh, "ann", "secret"),
				 SSH_AUTH_AGAIN);
		world_turn(w);
	}
	assert_int_equal(fake_waiting(w->fake), 1);
	fake_release(w->fake);
	assert_int_equal(client_login(c, "ann", "secret"), SSH_AUTH_SUCCESS);
}

static void
test_a_client_that_leaves_during_its_login_is_forgotten(void **state)
{
	struct world *w = *state;
	struct client *c;

	w->config.login_grace_ms = 100;
	world_open(w);
	c = client_new(w);
	w->fake->hold = true;
	while (fake_waiting(w->fake) == 0) {
		ssh_userauth_password(c->ssh, "ann", "secret");
		world_turn(w);
	}
	wait_for_end(c);
	assert_int_equal(fake_waiting(w->fake), 0);
}

static void
test_too_many_failures_end_the_connection(void **state)
{
	struct world *w = *state;
	struct client *c;

	w->config.max_auth_tries = 2;
	world_open(w);
	c = client_new(w);
	assert_int_equal(client_login(c, "ann", "a"), SSH_AUTH_DENIED);
	client_login(c, "ann", "b"); /* the reply may be lost in the end */
	wait_for_end(c);
	assert_int_not_equal(client_login(c, "ann", "secret"),
			     SSH_AUTH_SUCCESS);
}

static void
test_grace_ends_a_connection_without_login(void **state)
{
	struct world *w = *state;

	w->config.login_grace_ms = 50;
	world_open(w);
	wait_for_end(client_new(w));
}

static void
test_idle_connections_are_ended(void **state)
{
	struct world *w = *state;

	/* Tells the timer to look at once, whatever comes later. */
	w->config.idle_timeout_ms = 50;
	w->config.login_grace_ms = 1000;
	world_open(w);
	wait_for_end(client_sftp(w));
}

static void
test_a_connection_that_waits_for_us_is_not_idle(void **state)
{
	struct world *w = *state;
	struct client *c;
	uint64_t end;
	uint32_t id;

	w->config.idle_timeout_ms = 50;
	w->config.login_grace_ms = 1000;
	world_open(w);
	c = client_sftp(w);
	w->fake->hold = true;
	id = ask_path(c, SFTP_STAT, "/");
	end = clock_ms() + 1300; /* beyond the first look and the limit */
	while (clock_ms() < end)
		world_turn(w);
	fake_release(w->fake);
	expect_size(c, id);
}

static int
login_with_key(struct client *c, ssh_key key)
{
	int rc;

	const uint64_t end = clock_ms() + PATIENCE_MS;

	while ((rc = ssh_userauth_publickey(c->ssh, "ann", key)) ==
	       SSH_AUTH_AGAIN) {
		world_turn(c->w);
		assert_true(clock_ms() < end);
	}
	return rc;
}

static void
trust(struct fake *f, ssh_key key)
{
	char *text = NULL;
	unsigned char *blob;

	assert_int_equal(ssh_pki_export_pubkey_base64(key, &text), SSH_OK);
	blob = mem_alloc(strlen(text));
	f->key_len = (size_t)base64_decode(text, strlen(text), blob);
	f->key = blob;
	ssh_string_free_char(text);
}

static void
test_a_key_lets_in_when_its_signature_is_good(void **state)
{
	static const enum ssh_keytypes_e types[] = { SSH_KEYTYPE_ED25519,
						     SSH_KEYTYPE_ECDSA_P256 };
	struct world *w = *state;
	size_t i;

	world_open(w);
	for (i = 0; i < 2; i++) {
		struct client *c = client_new(w);
		ssh_key good = NULL, other = NULL;
		int bits = types[i] == SSH_KEYTYPE_ED25519 ? 0 : 256;

		assert_int_equal(ssh_pki_generate(types[i], bits, &good),
				 SSH_OK);
		assert_int_equal(ssh_pki_generate(types[i], bits, &other),
				 SSH_OK);
		trust(w->fake, good);
		assert_int_equal(login_with_key(c, other), SSH_AUTH_DENIED);
		assert_int_equal(login_with_key(c, good), SSH_AUTH_SUCCESS);
		client_channel(c);
		ssh_key_free(good);
		ssh_key_free(other);
		free((void *)(uintptr_t)w->fake->key);
		w->fake->key = NULL;
	}
}

/* Asking whether a key would do is no log-in. */
static void
test_a_probe_lets_nobody_in(void **state)
{
	struct world *w = *state;
	struct client *c;
	ssh_key key = NULL;
	ssh_channel ch;
	uint64_t end;
	int rc, i;

	world_open(w);
	c = client_new(w);
	assert_int_equal(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key),
			 SSH_OK);
	trust(w->fake, key);
	end = clock_ms() + PATIENCE_MS;
	while ((rc = ssh_userauth_try_publickey(c->ssh, "ann", key)) ==
	       SSH_AUTH_AGAIN) {
		world_turn(w);
		assert_true(clock_ms() < end);
	}
	assert_int_equal(rc, SSH_AUTH_SUCCESS);
	ch = ssh_channel_new(c->ssh);
	for (i = 0; i < 100 && ch != NULL; i++) {
		assert_int_not_equal(ssh_channel_open_session(ch), SSH_OK);
		world_turn(w);
	}
	free((void *)(uintptr_t)w->fake->key);
	w->fake->key = NULL;
	ssh_key_free(key);
}

static int
login_interactive(struct client *c, const char *password)
{
	int rc;

	for (;;) {
		rc = ssh_userauth_kbdint(c->ssh, "ann", NULL);
		if (rc == SSH_AUTH_INFO)
			ssh_userauth_kbdint_setanswer(c->ssh, 0, password);
		else if (rc != SSH_AUTH_AGAIN)
			return rc;
		world_turn(c->w);
	}
}

static void
test_keyboard_interactive_asks_for_the_password(void **state)
{
	struct world *w = *state;
	struct client *c;

	world_open(w);
	c = client_new(w);
	assert_int_equal(login_interactive(c, "wrong"), SSH_AUTH_DENIED);
	assert_int_equal(login_interactive(c, "secret"), SSH_AUTH_SUCCESS);
}

static void
test_channels_are_limited(void **state)
{
	struct world *w = *state;
	ssh_channel more;
	struct client *c;
	int rc;

	w->config.max_channels = 2;
	world_open(w);
	c = client_sftp(w);
	client_channel(c);
	more = ssh_channel_new(c->ssh);
	while ((rc = ssh_channel_open_session(more)) == SSH_AGAIN)
		world_turn(w);
	assert_int_equal(rc, SSH_ERROR);
	ssh_channel_close(c->ch);
	ssh_channel_free(c->ch);
	c->ch = NULL;
	world_settle(w);
	client_channel(c);
}

static void
test_two_channels_do_not_mix(void **state)
{
	struct world *w = *state;
	struct client *c;
	ssh_channel first;
	struct buf a, b;

	world_open(w);
	c = client_sftp(w);
	open_file(c, "/a", FOR_WRITING, &a);
	first = c->ch;
	client_channel(c);
	ask_raw(c, "\0\0\0\5\1\0\0\0\3", 9);
	assert_int_equal(hear(c)->type, SFTP_VERSION);
	/* The handle is the other channel's. */
	expect_status(c, ask_write(c, &a, 0, "x", 1), SFTP_FX_FAILURE);
	open_file(c, "/b", FOR_WRITING, &b);
	ssh_channel_close(c->ch);
	world_settle(w);
	assert_int_equal(w->fake->broken, 1);
	ssh_channel_free(c->ch);
	c->ch = first;
	expect_status(c, ask_write(c, &a, 0, "x", 1), SFTP_FX_OK);
	buf_free(&a);
	buf_free(&b);
}

static void
test_a_shell_is_told_what_this_is(void **state)
{
	static const char text[] = "This service allows sftp and scp only: "
				   "there are no commands here.\r\n";
	struct world *w = *state;
	struct client *c;
	ssh_channel ch;
	int rc;

	world_open(w);
	c = client_new(w);
	assert_int_equal(client_login(c, "ann", "secret"), SSH_AUTH_SUCCESS);
	ch = ssh_channel_new(c->ssh);
	while ((rc = ssh_channel_open_session(ch)) == SSH_AGAIN)
		world_turn(w);
	while ((rc = ssh_channel_request_shell(ch)) == SSH_AGAIN)
		world_turn(w);
	assert_int_equal(rc, SSH_OK);
	/* One request a channel. */
	while ((rc = ssh_channel_request_exec(ch, "scp -t .")) == SSH_AGAIN)
		world_turn(w);
	assert_int_equal(rc, SSH_ERROR);
	c->ch = ch;
	while (!ssh_channel_is_eof(ch) || ssh_channel_is_open(ch))
		world_turn(w);
	assert_int_equal(buf_len(&c->in), strlen(text));
	assert_memory_equal(buf_data(&c->in), text, strlen(text));
	assert_int_equal(ssh_channel_get_exit_status(ch), 1);
}

static void
test_other_commands_are_not_found(void **state)
{
	struct world *w = *state;
	struct client *c;
	char text[100];
	ssh_channel ch;
	int rc, said = 0;

	world_open(w);
	c = client_new(w);
	assert_int_equal(client_login(c, "ann", "secret"), SSH_AUTH_SUCCESS);
	ch = ssh_channel_new(c->ssh);
	while ((rc = ssh_channel_open_session(ch)) == SSH_AGAIN)
		world_turn(w);
	while ((rc = ssh_channel_request_exec(ch, "md5sum /a")) == SSH_AGAIN)
		world_turn(w);
	assert_int_equal(rc, SSH_OK);
	c->ch = ch;
	while (!ssh_channel_is_eof(ch) || ssh_channel_is_open(ch)) {
		world_turn(w);
		rc = ssh_channel_read_nonblocking(ch, text, sizeof(text), 1);
		said += rc > 0 ? rc : 0;
	}
	assert_true(said > 20);
	assert_int_equal(buf_len(&c->in), 0);
	assert_int_equal(ssh_channel_get_exit_status(ch), 127);
}

/* Keys are changed by both sides in the middle of everything. */
static void
test_rekeying_loses_nothing(void **state)
{
	enum { SIZE = 6 << 20, CHUNK = 32768 };
	struct world *w = *state;
	unsigned char *data = mem_alloc(SIZE);
	const uint64_t client_rekeys = 700000;
	struct client *c;
	struct buf h;
	uint32_t off;
	size_t i, n;

	for (i = 0; i < SIZE; i++)
		data[i] = (unsigned char)(i * 7 + i / 1000);
	w->config.rekey_bytes = 1 << 20;
	world_open(w);
	c = client_sftp(w);
	ssh_options_set(c->ssh, SSH_OPTIONS_REKEY_DATA, &client_rekeys);
	open_file(c, "/a", FOR_WRITING, &h);
	for (off = 0; off < SIZE; off += CHUNK)
		ask_write(c, &h, off, data + off, CHUNK);
	for (i = 0; i < SIZE / CHUNK; i++)
		expect_status(c, c->id - SIZE / CHUNK + 1 + (uint32_t)i,
			      SFTP_FX_OK);
	buf_free(&h);
	assert_memory_equal(fake_get(w->fake, "/a", &n), data, SIZE);
	assert_int_equal(n, SIZE);
	open_file(c, "/a", SFTP_READ_FLAG, &h);
	for (off = 0; off < SIZE; off += CHUNK)
		ask_read(c, &h, off, CHUNK);
	for (i = 0; i < SIZE / CHUNK; i++)
		expect_data(c, c->id - SIZE / CHUNK + 1 + (uint32_t)i,
			    data + i * CHUNK, CHUNK);
	buf_free(&h);
	free(data);
}

static void
on_drained(void *arg)
{
	struct world *w = arg;

	w->drained = true;
}

static void
test_drain_lets_what_is_under_way_end(void **state)
{
	struct world *w = *state;
	struct client *idle, *busy;
	struct buf h;
	uint32_t id;

	world_open(w);
	idle = client_sftp(w);
	busy = client_sftp(w);
	open_file(busy, "/a", FOR_WRITING, &h);
	sftpd_drain(w->sftpd, on_drained, w);
	world_settle(w);
	assert_false(client_channel_open(idle));
	assert_true(client_channel_open(busy));
	ssh_channel_close(idle->ch); /* as clients do */
	world_settle(w);
	assert_int_equal(sftpd_sessions(w->sftpd), 1);
	assert_false(w->drained);
	expect_status(busy, ask_write(busy, &h, 0, "x", 1), SFTP_FX_OK);
	id = ask_handle(busy, SFTP_CLOSE, &h);
	expect_status(busy, id, SFTP_FX_OK);
	/* This one never closes its end, and is not waited for long. */
	world_wait(w, &w->drained);
	assert_int_equal(sftpd_sessions(w->sftpd), 0);
	buf_free(&h);
}

static void
test_drain_without_connections_is_told_from_the_loop(void **state)
{
	struct world *w = *state;

	world_open(w);
	sftpd_drain(w->sftpd, on_drained, w);
	assert_false(w->drained);
	world_wait(w, &w->drained);
}

static void
test_close_breaks_uploads_off(void **state)
{
	struct world *w = *state;
	struct client *c;
	struct buf h;

	world_open(w);
	c = client_sftp(w);
	open_file(c, "/a", FOR_WRITING, &h);
	w->fake->hold = true;
	ask_path(c, SFTP_STAT, "/");
	world_settle(w);
	sftpd_close(w->sftpd);
	w->sftpd = NULL;
	assert_int_equal(w->fake->broken, 1);
	assert_int_equal(w->fake->sessions, 0);
	buf_free(&h);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_password_lets_in_and_keeps_out),
		T(test_nothing_is_read_while_a_login_is_checked),
		T(test_a_client_that_leaves_during_its_login_is_forgotten),
		T(test_too_many_failures_end_the_connection),
		T(test_grace_ends_a_connection_without_login),
		T(test_idle_connections_are_ended),
		T(test_a_connection_that_waits_for_us_is_not_idle),
		T(test_a_key_lets_in_when_its_signature_is_good),
		T(test_a_probe_lets_nobody_in),
		T(test_keyboard_interactive_asks_for_the_password),
		T(test_channels_are_limited),
		T(test_two_channels_do_not_mix),
		T(test_a_shell_is_told_what_this_is),
		T(test_other_commands_are_not_found),
		T(test_rekeying_loses_nothing),
		T(test_drain_lets_what_is_under_way_end),
		T(test_drain_without_connections_is_told_from_the_loop),
		T(test_close_breaks_uploads_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
