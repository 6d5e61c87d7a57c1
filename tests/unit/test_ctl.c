/* SPDX-License-Identifier: Apache-2.0 */
/* What sluicectl shares: numbers, names, options, and users.ini as a file. */
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/account.h"
#include "ctl/ctl.h"
#include "ctl/password.h"
#include "ctl/text.h"
#include "ctl/users_file.h"
#include "ctl/users_text.h"
#include "lib/mem.h"

/* Text. */

static void
test_sizes_fit_five_characters(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 999, "999" },
		{ 1000, "0.9K" },
		{ 1024, "1.0K" },
		{ 10239, "9.9K" },
		{ 10240, "10K" },
		{ 1023999, "999K" },
		{ 1024000, "0.9M" },
		{ 1u << 20, "1.0M" },
		{ 3ull << 40, "3.0T" },
		{ UINT64_MAX, "15E" },
	};
	char out[TEXT_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(text_size(cases[i].bytes, out),
				    cases[i].text);
}

static void
test_ages_name_the_largest_units(void **state)
{
	char out[TEXT_MAX];

	(void)state;
	assert_string_equal(text_age(-5, out), "0s");
	assert_string_equal(text_age(59999, out), "59s");
	assert_string_equal(text_age(60000, out), "1m");
	assert_string_equal(text_age(47 * 3600000ll, out), "1d");
	assert_string_equal(text_duration(-1, out), "0s");
	assert_string_equal(text_duration(999, out), "0s");
	assert_string_equal(text_duration(312000, out), "5m 12s");
	assert_string_equal(text_duration(76 * 3600000ll, out), "3d 4h");
	assert_string_equal(text_when(0, out), "-");
}

/* What text_wrap() prints. */
static void
must_wrap(const char *text, size_t indent, size_t columns, const char *wanted)
{
	char out[400] = "";
	FILE *f = fmemopen(out, sizeof(out), "w");

	assert_non_null(f);
	text_wrap(f, text, indent, columns);
	fclose(f);
	assert_string_equal(out, wanted);
}

static void
test_long_texts_are_wrapped_between_words(void **state)
{
	static const char text[] = "what is too long for a line goes on below "
				   "with its words whole";

	(void)state;
	must_wrap("short", 2, 40, "short\n");
	must_wrap("", 2, 40, "\n");
	must_wrap(text, 2, 0,
		  "what is too long for a line goes on below with "
		  "its words whole\n");
	must_wrap(text, 2, 40,
		  "what is too long for a line goes on\n"
		  "  below with its words whole\n");
	must_wrap("/a/path/that/is/longer/than/any/of/the/lines x", 4, 40,
		  "/a/path/that/is/longer/than/any/of/the/lines\n    x\n");
}

static void
test_names_cannot_steer_the_terminal(void **state)
{
	char *s = text_safe("a\033[2Jb\n\tc\x7f");

	(void)state;
	assert_string_equal(s, "a?[2Jb??c?");
	free(s);
	s = text_safe("caf\xc3\xa9 \xe2\x80\xae \xff");
	assert_string_equal(s, "caf\xc3\xa9 ? ?"); /* no right-to-left mark */
	assert_int_equal(text_width(s), 8);
	assert_string_equal(text_tail(s, 5), "\xc3\xa9 ? ?");
	assert_string_equal(text_tail(s, 4), " ? ?");
	free(s);
	assert_string_equal(text_tail("abc", 3), "abc");
	assert_string_equal(text_tail("abc", 0), "");
}

static void
test_nearest_word_is_suggested_if_near(void **state)
{
	const char *words[] = { "uploads", "user add", "status" };

	(void)state;
	assert_string_equal(ctl_nearest("uplods", words, 3), "uploads");
	assert_string_equal(ctl_nearest("user ad", words, 3), "user add");
	assert_string_equal(ctl_nearest("stauts", words, 3), "status");
	assert_null(ctl_nearest("frobnicate", words, 3));
	assert_null(ctl_nearest("", words, 0));
	assert_null(ctl_nearest("a word that is much too long to be near to it",
				words, 3));
}

static void
test_generated_passwords_differ(void **state)
{
	char *a = password_generate(), *b = password_generate();

	(void)state;
	assert_int_equal(strlen(a), 20);
	assert_int_equal(strspn(a, "23456789abcdefghijkmnopqrstuvwxyz"
				   "ABCDEFGHJKLMNPQRSTUVWXYZ"),
			 20);
	assert_string_not_equal(a, b);
	free(a);
	free(b);
}

/* Options. */

struct parsed {
	bool flag;
	const char *value;
	struct ctl ctl;
	int argc, status;
	char *argv[8];
};

static struct parsed *
parse(struct parsed *p, const char *words)
{
	static const struct command cmd = { "test", "", "", "", NULL };
	const struct ctl_option options[] = {
		{ "--flag", &p->flag, NULL },
		{ "--value", NULL, &p->value },
		{ NULL, NULL, NULL },
	};
	static char text[256];
	char *word, *rest;

	memset(p, 0, sizeof(*p));
	p->ctl.command = &cmd;
	str_copy(text, sizeof(text), words);
	for (word = strtok_r(text, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest))
		p->argv[p->argc++] = word;
	p->status = ctl_options(&p->ctl, options, &p->argc, p->argv);
	return p;
}

static void
test_options_stand_anywhere(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "a --flag b --value=x --json c -c file");
	assert_int_equal(p.status, -1);
	assert_int_equal(p.argc, 3);
	assert_string_equal(p.argv[2], "c");
	assert_true(p.flag && p.ctl.json);
	assert_string_equal(p.value, "x");
	assert_string_equal(p.ctl.config_path, "file");
	parse(&p, "--value y -- --flag -");
	assert_string_equal(p.value, "y");
	assert_false(p.flag);
	assert_int_equal(p.argc, 2);
	assert_string_equal(p.argv[0], "--flag");
}

static void
test_wrong_options_are_refused(void **state)
{
	struct parsed p;

	(void)state;
	assert_int_equal(parse(&p, "--flog")->status, CTL_USAGE);
	assert_int_equal(parse(&p, "--flag=1")->status, CTL_USAGE);
	assert_int_equal(parse(&p, "--value")->status, CTL_USAGE);
	assert_int_equal(parse(&p, "-x")->status, CTL_USAGE);
}

/* users.ini */

struct world {
	char dir[64], config[96], users[96];
	struct ctl ctl;
};

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

static char *
read_file(const char *path)
{
	char *text = mem_alloc(65536);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

static int
setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	char *cwd = getcwd(NULL, 0), *text;

	strcpy(w->dir, "ctl-test.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->config, sizeof(w->config), "%s/sluice.ini", w->dir);
	snprintf(w->users, sizeof(w->users), "%s/users.ini", w->dir);
	text = mem_printf("[daemon]\nusers_file = %s/%s\n"
			  "[store.main]\ntype = local\n",
			  cwd, w->users);
	write_file(w->config, text);
	w->ctl.config_path = w->config;
	free(text);
	free(cwd);
	*state = w;
	return ctl_config(&w->ctl) ? 0 : -1;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	ctl_free(&w->ctl);
	unlink(w->config);
	unlink(w->users);
	assert_int_equal(rmdir(w->dir), 0); /* no temporary file is left */
	free(w);
	return 0;
}

#define HASH                                                                \
	"$6$saltsalt$MN1J3BzH8UQEMq2nX0tmtQ0qBU4OEvQpeNdbXAW3s/1rA6BhSzZEi" \
	"Sn0cAWqTtt1p5O3JcQG2Wd6PgMtH0BRn0"

static bool
add(struct world *w, const char *name, const char *hash)
{
	const struct users_line line = { "password", hash };
	struct users_file u;
	char *text;
	bool done;

	if (!users_file_open(&u, &w->ctl))
		return false;
	text = users_text_add(u.text, name, &line, 1);
	done = users_file_replace(&u, &w->ctl, text);
	free(text);
	users_file_close(&u);
	return done;
}

static void
test_users_file_is_made_and_read(void **state)
{
	struct world *w = *state;
	struct account *accounts;
	struct stat st;

	assert_true(add(w, "ann", HASH));
	assert_true(add(w, "bob", HASH));
	assert_int_equal(stat(w->users, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	accounts = users_file_accounts(&w->ctl);
	assert_int_equal(HASH_COUNT(accounts), 2);
	assert_string_equal(accounts->user->name, "ann");
	assert_string_equal(accounts->user->store, "main");
	accounts_free(accounts);
}

static void
test_users_file_keeps_its_mode(void **state)
{
	struct world *w = *state;
	struct stat st;

	write_file(w->users, "# mine\n");
	assert_int_equal(chmod(w->users, 0604), 0);
	assert_true(add(w, "ann", HASH));
	assert_int_equal(stat(w->users, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
}

static void
test_users_file_is_not_made_worse(void **state)
{
	struct world *w = *state;
	char *before, *after;

	assert_true(add(w, "ann", HASH));
	before = read_file(w->users);
	assert_false(add(w, "bob", "not a hash"));
	assert_false(add(w, "Ann", HASH)); /* the same to the reader */
	assert_false(add(w, "ann", HASH));
	after = read_file(w->users);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void
test_users_file_with_an_old_error_may_change(void **state)
{
	struct world *w = *state;

	write_file(w->users, "[old]\npassword = plain\n");
	assert_true(add(w, "ann", HASH));
}

static void
test_users_file_behind_a_link_stays_there(void **state)
{
	struct world *w = *state;
	char *target = mem_printf("%s/target.ini", w->dir);
	struct stat st;

	write_file(target, "# here\n");
	assert_int_equal(symlink("target.ini", w->users), 0);
	assert_true(add(w, "ann", HASH));
	assert_int_equal(lstat(w->users, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(target, &st), 0);
	assert_true(st.st_size > 20);
	unlink(target);
	free(target);
}

/* Each child adds its own users; none undoes another's. */
static void
test_users_file_takes_changes_in_turn(void **state)
{
	struct world *w = *state;
	struct account *accounts;
	char name[32];
	int i, j, status;

	for (i = 0; i < 4; i++) {
		if (fork() != 0)
			continue;
		for (j = 0; j < 5; j++) {
			snprintf(name, sizeof(name), "user-%d-%d", i, j);
			if (!add(w, name, HASH))
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < 4; i++) {
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	accounts = users_file_accounts(&w->ctl);
	assert_int_equal(HASH_COUNT(accounts), 20);
	accounts_free(accounts);
}

#define W(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_fit_five_characters),
		cmocka_unit_test(test_ages_name_the_largest_units),
		cmocka_unit_test(test_long_texts_are_wrapped_between_words),
		cmocka_unit_test(test_names_cannot_steer_the_terminal),
		cmocka_unit_test(test_nearest_word_is_suggested_if_near),
		cmocka_unit_test(test_generated_passwords_differ),
		cmocka_unit_test(test_options_stand_anywhere),
		cmocka_unit_test(test_wrong_options_are_refused),
		W(test_users_file_is_made_and_read),
		W(test_users_file_keeps_its_mode),
		W(test_users_file_is_not_made_worse),
		W(test_users_file_with_an_old_error_may_change),
		W(test_users_file_behind_a_link_stays_there),
		W(test_users_file_takes_changes_in_turn),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
