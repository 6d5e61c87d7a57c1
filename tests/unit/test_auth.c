/* SPDX-License-Identifier: Apache-2.0 */
/* users.ini, passwords and keys, through a real loop and pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/password.h"
#include "auth/user.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/work.h"

/* All of the password "secret", at the lowest cost there is. */
#define YESCRYPT \
	"$y$j75$abcdefghij./$LneLnGHjIyDgYd1ZhEPP5ac1o6qfSqCkSLkUFCBRhM4"
#define BCRYPT "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define SHA512                                                              \
	"$6$rounds=1000$gUl8Vb8uS.R/xa9I$p/TG74bKzmghTiFnumXhD5PeZ5FsY4.w1" \
	"Rb3tUSU3abvBHMUGoY.9y5qSjizQGMbA7rA/QcmIQouCbZWyn1OQ/"
#define MD5 "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"

#define KEY \
	"AAAAC3NzaC1lZDI1NTE5AAAAIDoiCcUxWNT4aRbgYtLoR1Bnu7qR5KATfN0K+uwPleEP"

static const char *const stores[] = { "main", "cold", NULL };

struct fixture {
	char path[64];
	struct loop *loop;
	struct work_pool *pool;
	struct auth *auth;
	/* What the last completion said. */
	bool done;
	enum err err;
	struct user *user;
};

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	int fd;

	strcpy(f->path, "/tmp/sluice-users-XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0)
		return -1;
	close(fd);
	f->loop = loop_new();
	f->pool = work_pool_new(f->loop, 1);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	auth_close(f->auth);
	user_unref(f->user);
	work_pool_free(f->pool);
	loop_free(f->loop);
	unlink(f->path);
	free(f);
	return 0;
}

static void
users_write(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static enum err
users_open(struct fixture *f, const char *text)
{
	struct auth_config cfg = {
		.users_file = f->path,
		.stores = stores,
		.default_store = "main",
		.loop = f->loop,
		.pool = f->pool,
	};

	users_write(f, text);
	return auth_open(&f->auth, &cfg);
}

static void
on_auth(void *arg, enum err err, struct user *u)
{
	struct fixture *f = arg;

	assert_false(f->done);
	user_unref(f->user);
	f->done = true;
	f->err = err;
	f->user = u;
	assert_true((err == ERR_OK) == (u != NULL));
}

static enum err
wait_done(struct fixture *f)
{
	assert_false(f->done);
	while (!f->done)
		loop_turn(f->loop, 1000);
	f->done = false;
	return f->err;
}

static enum err
password(struct fixture *f, const char *name, const char *text)
{
	auth_password(f->auth, name, text, on_auth, f);
	return wait_done(f);
}

static enum err
pubkey(struct fixture *f, const char *name, const char *base64,
       const char *addr)
{
	unsigned char blob[256];
	struct auth_key key = { .blob = blob, .addr = addr };

	key.len = (size_t)base64_decode(base64, strlen(base64), blob);
	auth_pubkey(f->auth, name, &key, on_auth, f);
	return wait_done(f);
}

/* The first complaint about a users.ini of one section is this. */
static void
complains(struct fixture *f, const char *text, const char *expected)
{
	struct auth_config cfg = { .stores = stores, .default_store = "main" };
	struct conf *conf;

	users_write(f, text);
	conf = conf_load(f->path);
	auth_check(conf, &cfg);
	assert_true(conf_finish(conf) > 0);
	if (!strstr(conf_complaint(conf, 0), expected))
		fail_msg("\"%s\" lacks \"%s\"", conf_complaint(conf, 0),
			 expected);
	conf_free(conf);
}

static void
test_user_has_the_defaults(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(users_open(f, "[ann]\npassword = " YESCRYPT "\n"),
			 ERR_OK);
	assert_int_equal(password(f, "ann", "secret"), ERR_OK);
	assert_string_equal(f->user->name, "ann");
	assert_string_equal(f->user->home, "ann/");
	assert_string_equal(f->user->store, "main");
	assert_int_equal(f->user->rights, USER_READ | USER_WRITE | USER_DELETE |
						  USER_LIST | USER_RENAME |
						  USER_MKDIR);
	assert_int_equal(f->user->publish, PUBLISH_CLOSE);
	assert_int_equal(f->user->quota_bytes, 0);
	assert_int_equal(f->user->max_sessions, 0);
}

static void
test_user_has_what_is_set(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(users_open(f, "[bob]\npassword = " BCRYPT "\n"
				       "home = /partners/bob\nstore = cold\n"
				       "rights = write, list\n"
				       "publish = rename\nquota_bytes = 2G\n"
				       "quota_files = 9\nmax_sessions = 3\n"),
			 ERR_OK);
	assert_int_equal(password(f, "bob", "secret"), ERR_OK);
	assert_string_equal(f->user->home, "partners/bob/");
	assert_string_equal(f->user->store, "cold");
	assert_int_equal(f->user->rights, USER_WRITE | USER_LIST);
	assert_int_equal(f->user->publish, PUBLISH_RENAME);
	assert_int_equal(f->user->quota_bytes, 2ull << 30);
	assert_int_equal(f->user->quota_files, 9);
	assert_int_equal(f->user->max_sessions, 3);
}

static void
test_home_slash_is_the_whole_store(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(users_open(f, "[bob]\npassword = " BCRYPT "\n"
				       "home = /\n"),
			 ERR_OK);
	assert_int_equal(password(f, "bob", "secret"), ERR_OK);
	assert_string_equal(f->user->home, "");
}

static void
test_passwords_of_each_method_are_checked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(users_open(f, "[yes]\npassword = " YESCRYPT "\n"
				       "[bc]\npassword = " BCRYPT "\n"
				       "[sha]\npassword = " SHA512 "\n"),
			 ERR_OK);
	assert_int_equal(password(f, "yes", "secret"), ERR_OK);
	assert_int_equal(password(f, "bc", "secret"), ERR_OK);
	assert_int_equal(password(f, "sha", "secret"), ERR_OK);
	assert_int_equal(password(f, "yes", "Secret"), ERR_DENIED);
	assert_int_equal(password(f, "bc", "secret "), ERR_DENIED);
	assert_int_equal(password(f, "sha", ""), ERR_DENIED);
}

static void
test_unknown_user_is_denied(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(users_open(f, "[ann]\npassword = " YESCRYPT "\n"),
			 ERR_OK);
	assert_int_equal(password(f, "eve", "secret"), ERR_DENIED);
	assert_int_equal(password(f, "", ""), ERR_DENIED);
	assert_int_equal(password(f, "ann:password", "secret"), ERR_DENIED);
	assert_true(auth_knows(f->auth, "ann"));
	assert_false(auth_knows(f->auth, "eve"));
}

static void
test_user_without_password_is_denied_every_password(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(users_open(f, "[ann]\npassword = " YESCRYPT "\n"
				       "[key]\nkey1 = ssh-ed25519 " KEY "\n"),
			 ERR_OK);
	assert_int_equal(password(f, "key", "secret"), ERR_DENIED);
	assert_int_equal(password(f, "key", ""), ERR_DENIED);
}

static void
test_password_beyond_the_ceiling_is_denied(void **state)
{
	struct fixture *f = *state;
	char text[4096];

	assert_int_equal(users_open(f, "[ann]\npassword = " YESCRYPT "\n"),
			 ERR_OK);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(password(f, "ann", text), ERR_DENIED);
}

static void
test_user_outlives_the_reload(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(users_open(f, "[ann]\npassword = " YESCRYPT "\n"),
			 ERR_OK);
	assert_int_equal(password(f, "ann", "secret"), ERR_OK);
	auth_close(f->auth);
	f->auth = NULL;
	assert_string_equal(f->user->home, "ann/");
}

static void
test_keys_open_to_their_addresses_only(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(users_open(f, "[ann]\nkey1 = ssh-ed25519 " KEY "\n"
				       "[bob]\nkey1 = from=\"10.0.0.0/8\" "
				       "ssh-ed25519 " KEY "\n"),
			 ERR_OK);
	assert_int_equal(pubkey(f, "ann", KEY, "192.0.2.7"), ERR_OK);
	assert_string_equal(f->user->name, "ann");
	assert_int_equal(pubkey(f, "ann", "AAAA", "192.0.2.7"), ERR_DENIED);
	assert_int_equal(pubkey(f, "eve", KEY, "192.0.2.7"), ERR_DENIED);
	assert_int_equal(pubkey(f, "bob", KEY, "192.0.2.7"), ERR_DENIED);
	assert_int_equal(pubkey(f, "bob", KEY, "10.9.9.9"), ERR_OK);
}

static void
test_what_is_wrong_is_complained_about(void **state)
{
	struct fixture *f = *state;

	complains(f, "[ann]\npassword = secret\n", "expected a hash");
	complains(f, "[ann]\npassword = " MD5 "\n", "expected a hash");
	complains(f, "[ann]\npassword = $y$j75$abcdefghij./$short\n",
		  "expected a hash");
	complains(f, "[ann]\n", "nobody could log in");
	complains(f, "[a/b]\npassword = " BCRYPT "\n", "a user name");
	complains(f, "[ann]\nkey1 = ssh-dss AAAA\n", "[ann] key1: ");
	complains(f, "[ann]\nauthorized_keys = keys\n", "absolute path");
	complains(f, "[ann]\nauthorized_keys = /nonexistent\n",
		  "/nonexistent: cannot be read");
#define ANN "[ann]\npassword = " BCRYPT "\n"
	complains(f, ANN "home = a/../b\n", "[ann] home: found \"a/../b\"");
	complains(f, ANN "home = a//b\n", "[ann] home: ");
	complains(f, ANN "store = tape\n", "found \"tape\"");
	complains(f, ANN "rights = read, fly\n", "list of read, write");
	complains(f, ANN "publish = never\n", "[ann] publish: ");
	complains(f, ANN "quota_bytes = lots\n", "[ann] quota_bytes: ");
	complains(f, ANN "passwrod = x\n", "unknown key");
}

static void
test_open_refuses_a_bad_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(users_open(f, "[ann]\npassword = secret\n"),
			 ERR_INVALID);
	assert_null(f->auth);
}

static void
test_hash_is_verified_and_salted(void **state)
{
	char *a, *b;

	(void)state;
	assert_int_equal(auth_hash("correct horse", &a), ERR_OK);
	assert_int_equal(auth_hash("correct horse", &b), ERR_OK);
	assert_true(password_hash_valid(a));
	assert_string_not_equal(a, b);
	assert_true(password_verify("correct horse", a));
	assert_false(password_verify("correct horsf", a));
	free(a);
	free(b);
	assert_int_equal(auth_hash("", &a), ERR_INVALID);
	assert_null(a);
}

static void
test_dummy_matches_no_password(void **state)
{
	char *setting = password_dummy();

	(void)state;
	assert_false(password_verify("", setting));
	assert_false(password_verify("secret", setting));
	free(setting);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_user_has_the_defaults),
		TEST(test_user_has_what_is_set),
		TEST(test_home_slash_is_the_whole_store),
		TEST(test_passwords_of_each_method_are_checked),
		TEST(test_unknown_user_is_denied),
		TEST(test_user_without_password_is_denied_every_password),
		TEST(test_password_beyond_the_ceiling_is_denied),
		TEST(test_user_outlives_the_reload),
		TEST(test_keys_open_to_their_addresses_only),
		TEST(test_what_is_wrong_is_complained_about),
		TEST(test_open_refuses_a_bad_file),
		cmocka_unit_test(test_hash_is_verified_and_salted),
		cmocka_unit_test(test_dummy_matches_no_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
