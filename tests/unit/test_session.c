/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and log-ins against a real ledger, loop, pool and users.ini. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/session_private.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mem.h"

/* Of the password "secret". */
#define BCRYPT "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define KEY \
	"AAAAC3NzaC1lZDI1NTE5AAAAIDoiCcUxWNT4aRbgYtLoR1Bnu7qR5KATfN0K+uwPleEP"

struct world {
	char users[64];
	struct bridge bridge;
	struct sockaddr_in peer;
	struct session *s;
	bool done;
	enum err err;
};

static const char *const stores[] = { "main", NULL };

static void
auth_start(struct world *w)
{
	struct auth_config cfg = {
		.users_file = w->users,
		.stores = stores,
		.default_store = "main",
		.loop = w->bridge.loop,
		.pool = w->bridge.pool,
	};
	FILE *f = fopen(w->users, "w");

	assert_non_null(f);
	fputs("[ann]\npassword = " BCRYPT "\nkey1 = ssh-ed25519 " KEY "\n"
	      "[one]\npassword = " BCRYPT "\nmax_sessions = 1\n",
	      f);
	fclose(f);
	assert_int_equal(auth_open(&w->bridge.auth, &cfg), ERR_OK);
}

static int
setup(void **state)
{
	struct ledger_limits limits = {
		.spool_max = 1 << 30,
		.user_sessions = 10,
		.addr_unauth = 3,
		.unauth_max = 10,
		.failure_max = 4,
		.failure_window_ms = 60000,
	};
	struct world *w = mem_alloc(sizeof(*w));
	int fd;

	strcpy(w->users, "/tmp/sluice-session-XXXXXX");
	fd = mkstemp(w->users);
	if (fd < 0)
		return -1;
	close(fd);
	w->bridge.loop = loop_new();
	w->bridge.pool = work_pool_new(w->bridge.loop, 1);
	w->bridge.ledger = ledger_new(&limits);
	ledger_enter(w->bridge.ledger, 0, getpid());
	auth_start(w);
	w->peer.sin_family = AF_INET;
	inet_pton(AF_INET, "192.0.2.7", &w->peer.sin_addr);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	session_free(w->s);
	auth_close(w->bridge.auth);
	work_pool_free(w->bridge.pool);
	loop_turn(w->bridge.loop, 0);
	loop_free(w->bridge.loop);
	ledger_free(w->bridge.ledger);
	unlink(w->users);
	free(w);
	return 0;
}

static struct session *
begin(struct world *w)
{
	struct session *s;

	assert_int_equal(session_new(&s, &w->bridge, "sftp",
				     (struct sockaddr *)&w->peer),
			 ERR_OK);
	return s;
}

static void
on_login(void *arg, enum err err)
{
	struct world *w = arg;

	assert_false(w->done);
	w->done = true;
	w->err = err;
}

static enum err
wait_done(struct world *w)
{
	/* Never from inside the call. */
	assert_false(w->done);
	while (!w->done)
		loop_turn(w->bridge.loop, 10000);
	w->done = false;
	return w->err;
}

static enum err
password(struct world *w, struct session *s, const char *name, const char *text)
{
	session_login_password(s, name, text, on_login, w);
	return wait_done(w);
}

static enum err
pubkey(struct world *w, struct session *s, const char *name, bool verified)
{
	unsigned char blob[256];
	struct auth_key key = { .blob = blob };

	key.len = (size_t)base64_decode(KEY, strlen(KEY), blob);
	session_login_pubkey(s, name, &key, verified, on_login, w);
	return wait_done(w);
}

static struct ledger_worker
counted(struct world *w)
{
	struct ledger_worker out;

	ledger_worker(w->bridge.ledger, 0, &out);
	return out;
}

static void
test_session_knows_its_peer(void **state)
{
	struct world *w = *state;

	w->s = begin(w);
	assert_string_equal(session_peer(w->s), "192.0.2.7");
	assert_string_equal(session_protocol(w->s), "sftp");
	assert_int_equal(strlen(session_id(w->s)), 8);
	assert_null(session_user(w->s));
	assert_int_equal(counted(w).connections, 1);
	session_set_protocol(w->s, "ftps");
	assert_string_equal(session_protocol(w->s), "ftps");
}

static void
test_login_gives_the_session_its_user(void **state)
{
	struct world *w = *state;

	w->s = begin(w);
	assert_int_equal(password(w, w->s, "ann", "secret"), ERR_OK);
	assert_string_equal(session_user(w->s)->name, "ann");
	assert_int_equal(counted(w).sessions, 1);
	session_free(w->s);
	w->s = NULL;
	assert_int_equal(counted(w).sessions, 0);
	assert_int_equal(counted(w).connections, 0);
}

static void
test_failed_login_is_held_back_and_may_be_repeated(void **state)
{
	struct world *w = *state;
	uint64_t start = clock_ms();
	unsigned delay;

	w->s = begin(w);
	assert_int_equal(password(w, w->s, "ann", "wrong"), ERR_DENIED);
	delay = ledger_login_delay(w->bridge.ledger, session_sockaddr(w->s),
				   "ann");
	assert_true(delay > 0);
	/* The loop's clock is a coarse one: up to 10 ms behind. */
	assert_true(clock_ms() - start + 10 >= delay);
	assert_null(session_user(w->s));
	assert_int_equal(password(w, w->s, "ann", "secret"), ERR_OK);
}

static void
test_unknown_user_is_penalised_as_well(void **state)
{
	struct world *w = *state;

	w->s = begin(w);
	assert_int_equal(password(w, w->s, "eve", "x"), ERR_DENIED);
	assert_true(ledger_login_delay(w->bridge.ledger, session_sockaddr(w->s),
				       "eve") > 0);
}

static void
block(struct world *w)
{
	ledger_login_failed(w->bridge.ledger, (struct sockaddr *)&w->peer,
			    "eve");
	ledger_set_limits(w->bridge.ledger, &(struct ledger_limits){
						    .failure_max = 1,
						    .failure_window_ms = 60000,
					    });
}

static void
test_address_that_fails_too_often_is_refused(void **state)
{
	struct world *w = *state;
	struct session *s;

	block(w);
	assert_int_equal(session_new(&s, &w->bridge, "sftp",
				     (struct sockaddr *)&w->peer),
			 ERR_DENIED);
	assert_null(s);
	inet_pton(AF_INET, "192.0.2.8", &w->peer.sin_addr);
	w->s = begin(w);
}

/* The connection was there already when the address became blocked. */
static void
test_blocked_address_cannot_log_in_even_with_the_password(void **state)
{
	struct world *w = *state;

	w->s = begin(w);
	block(w);
	assert_int_equal(password(w, w->s, "ann", "secret"), ERR_DENIED);
	assert_null(session_user(w->s));
}

static void
test_unauthenticated_connections_are_limited(void **state)
{
	struct world *w = *state;
	struct session *list[3], *s;
	int i;

	for (i = 0; i < 3; i++)
		list[i] = begin(w);
	assert_int_equal(session_new(&s, &w->bridge, "ftp",
				     (struct sockaddr *)&w->peer),
			 ERR_QUOTA);
	/* One that logs in makes room. */
	assert_int_equal(password(w, list[0], "ann", "secret"), ERR_OK);
	w->s = begin(w);
	for (i = 0; i < 3; i++)
		session_free(list[i]);
}

static void
test_sessions_of_a_user_are_limited(void **state)
{
	struct world *w = *state;
	struct session *first = begin(w);

	w->s = begin(w);
	assert_int_equal(password(w, first, "one", "secret"), ERR_OK);
	assert_int_equal(password(w, w->s, "one", "secret"), ERR_QUOTA);
	session_free(first);
	assert_int_equal(password(w, w->s, "one", "secret"), ERR_OK);
}

static void
test_key_that_is_only_asked_for_logs_nobody_in(void **state)
{
	struct world *w = *state;

	w->s = begin(w);
	assert_int_equal(pubkey(w, w->s, "ann", false), ERR_OK);
	assert_null(session_user(w->s));
	assert_int_equal(pubkey(w, w->s, "one", false), ERR_DENIED);
	assert_int_equal(ledger_login_delay(w->bridge.ledger,
					    session_sockaddr(w->s), "one"),
			 0);
	assert_int_equal(pubkey(w, w->s, "ann", true), ERR_OK);
	assert_string_equal(session_user(w->s)->name, "ann");
}

static void
test_key_of_another_is_penalised_when_proved(void **state)
{
	struct world *w = *state;

	w->s = begin(w);
	assert_int_equal(pubkey(w, w->s, "one", true), ERR_DENIED);
	assert_true(ledger_login_delay(w->bridge.ledger, session_sockaddr(w->s),
				       "one") > 0);
}

static void
pool_drain(struct world *w)
{
	while (work_pool_pending(w->bridge.pool) > 0)
		loop_turn(w->bridge.loop, 1000);
	loop_turn(w->bridge.loop, 0);
}

static void
test_free_while_the_password_is_checked_delivers_nothing(void **state)
{
	struct world *w = *state;
	struct session *s = begin(w);

	session_login_password(s, "ann", "secret", on_login, w);
	session_free(s);
	pool_drain(w);
	assert_false(w->done);
	assert_int_equal(counted(w).sessions, 0);
	assert_int_equal(counted(w).connections, 0);
}

static void
test_free_while_the_answer_is_held_back_delivers_nothing(void **state)
{
	struct world *w = *state;
	struct session *s = begin(w);

	session_login_password(s, "ann", "wrong", on_login, w);
	pool_drain(w);
	assert_false(w->done);
	session_free(s);
	loop_turn(w->bridge.loop, 0);
	assert_false(w->done);
}

static void
free_session(void *arg, enum err err)
{
	struct world *w = arg;

	w->done = true;
	w->err = err;
	session_free(w->s);
	w->s = NULL;
}

static void
test_callback_may_free_the_session(void **state)
{
	struct world *w = *state;

	w->s = begin(w);
	session_login_password(w->s, "ann", "secret", free_session, w);
	assert_int_equal(wait_done(w), ERR_OK);
	assert_int_equal(counted(w).sessions, 0);
}

/* What the calls below say when their session goes. */
struct call {
	struct session_call call;
	char name;
	char *said;
	struct call *also; /* ends with this one */
};

static void
on_gone(void *arg)
{
	struct call *c = arg;

	assert_null(c->call.session);
	strncat(c->said, &c->name, 1);
	if (c->also)
		session_detach(&c->also->call);
}

static struct call
make_call(char name, char *said)
{
	struct call c = { .name = name, .said = said };

	c.call.gone = on_gone;
	return c;
}

static void
test_calls_end_with_their_session_newest_first(void **state)
{
	struct world *w = *state;
	struct session *s = begin(w);
	char said[8] = "";
	struct call calls[4];
	int i;

	for (i = 0; i < 4; i++) {
		calls[i] = make_call((char)('a' + i), said);
		calls[i].call.arg = &calls[i];
		session_attach(s, &calls[i].call);
	}
	session_detach(&calls[1].call);
	session_detach(&calls[1].call);
	session_free(s);
	assert_string_equal(said, "dca");
}

static void
test_call_may_detach_others_when_its_session_goes(void **state)
{
	struct world *w = *state;
	struct session *s = begin(w);
	char said[8] = "";
	struct call a = make_call('a', said), b = make_call('b', said);

	a.call.arg = &a;
	b.call.arg = &b;
	b.also = &a;
	session_attach(s, &a.call);
	session_attach(s, &b.call);
	session_free(s);
	assert_string_equal(said, "b");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_session_knows_its_peer),
		TEST(test_login_gives_the_session_its_user),
		TEST(test_failed_login_is_held_back_and_may_be_repeated),
		TEST(test_unknown_user_is_penalised_as_well),
		TEST(test_address_that_fails_too_often_is_refused),
		TEST(test_blocked_address_cannot_log_in_even_with_the_password),
		TEST(test_unauthenticated_connections_are_limited),
		TEST(test_sessions_of_a_user_are_limited),
		TEST(test_key_that_is_only_asked_for_logs_nobody_in),
		TEST(test_key_of_another_is_penalised_when_proved),
		TEST(test_free_while_the_password_is_checked_delivers_nothing),
		TEST(test_free_while_the_answer_is_held_back_delivers_nothing),
		TEST(test_callback_may_free_the_session),
		TEST(test_calls_end_with_their_session_newest_first),
		TEST(test_call_may_detach_others_when_its_session_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
