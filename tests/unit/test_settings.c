/* SPDX-License-Identifier: Apache-2.0 */
/* sluice.ini and users.ini as the daemon reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/filecheck.h"
#include "daemon/settings.h"
#include "daemon/tunables.h"
#include "lib/buf.h"
#include "lib/mem.h"

#define BCRYPT "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define USERS "[ann]\npassword = " BCRYPT "\n"

struct fixture {
	char dir[64];
	char *ini, *users;
	struct buf complaints;
	struct settings *s;
};

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	strcpy(f->dir, "/tmp/sluice-settings-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->ini = mem_printf("%s/sluice.ini", f->dir);
	f->users = mem_printf("%s/users.ini", f->dir);
	buf_init(&f->complaints, 65536);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	settings_unref(f->s);
	unlink(f->ini);
	unlink(f->users);
	rmdir(f->dir);
	buf_free(&f->complaints);
	free(f->ini);
	free(f->users);
	free(f);
	return 0;
}

static void
file_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
on_complaint(void *arg, const char *text)
{
	struct fixture *f = arg;

	buf_printf(&f->complaints, "%s\n", text);
}

/* The smallest configuration, with `daemon` and `rest` added to it. */
static enum err
load(struct fixture *f, const char *daemon, const char *rest)
{
	char *text = mem_printf("[daemon]\nsftp = 127.0.0.1:2022\n"
				"users_file = %s\n%s\n"
				"[store.main]\ntype = local\npath = /srv\n%s\n",
				f->users, daemon, rest);
	enum err err;

	file_write(f->ini, text);
	if (access(f->users, F_OK) != 0)
		file_write(f->users, USERS);
	settings_unref(f->s);
	buf_clear(&f->complaints);
	err = settings_load(&f->s, f->ini, on_complaint, f);
	free(text);
	return err;
}

static void
complains(struct fixture *f, const char *daemon, const char *rest,
	  const char *expected)
{
	assert_int_equal(load(f, daemon, rest), ERR_INVALID);
	assert_null(f->s);
	if (!strstr(buf_cstr(&f->complaints), expected))
		fail_msg("\"%s\" lacks \"%s\"", buf_cstr(&f->complaints),
			 expected);
}

/* One mistake is one complaint. */
static void
complains_once(struct fixture *f, const char *rest, const char *expected)
{
	char *end;

	complains(f, "", rest, expected);
	end = strchr(buf_cstr(&f->complaints), '\n');
	if (end == NULL || end[1] != '\0')
		fail_msg("more than one: %s", buf_cstr(&f->complaints));
}

static void
test_one_mistake_is_one_complaint(void **state)
{
	struct fixture *f = *state;

	complains_once(f,
		       "[store.b]\ntype = tape\nendpoint = x\nbucket = y\n"
		       "[bridge]\ndefault_store = main\n",
		       "[store.b] type: found \"tape\"");
	complains_once(f,
		       "[store.b]\ntype = s3\nendpoint = http://h\n"
		       "bucket = y\naccess_key = a\n"
		       "secret_key = file:/no/such\n"
		       "[bridge]\ndefault_store = main\n",
		       "[store.b] secret_key: file:/no/such: No such file");
	complains_once(f,
		       "[store.b]\ntype = s3\nendpoint = http://h\n"
		       "bucket = y\naccess_key = a\nsecret_key =\n"
		       "[bridge]\ndefault_store = main\n",
		       "[store.b] secret_key: it is empty");
}

#define HOOK                                \
	"[sink.hook]\ntype = webhook\n"     \
	"url = https://hook.example.org/\n" \
	"secret = whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"

static void
test_sinks_are_read_and_checked(void **state)
{
	struct fixture *f = *state;
	const struct outbox_sink_config *s;
	char digest[65];

	if (load(f, "",
		 HOOK "users = ann, b*\npaths = /a b/*\n"
		      "events = published,upload.lost\nretry_for = 1h\n"
		      "from = start\n") != ERR_OK)
		fail_msg("%s", buf_cstr(&f->complaints));
	assert_int_equal(f->s->events.nsinks, 1);
	s = &f->s->events.sinks[0];
	assert_string_equal(s->name, "hook");
	assert_string_equal(s->users[1], "b*");
	assert_null(s->users[2]);
	assert_string_equal(s->paths[0], "/a b/*");
	assert_int_equal(s->kinds, 1u << OUTBOX_PUBLISHED | 1u << OUTBOX_LOST);
	assert_int_equal(s->retry_for_ms, 3600000);
	assert_true(s->from_start);
	strcpy(digest, s->digest);
	assert_int_equal(load(f, "", HOOK), ERR_OK);
	s = &f->s->events.sinks[0];
	assert_int_equal(s->retry_for_ms, 3 * 86400000ll);
	assert_null(s->users[0]);
	assert_false(s->from_start);
	assert_string_not_equal(s->digest, digest);
	complains_once(f, HOOK "events = born\n",
		       "[sink.hook] events: found \"born\"");
	complains_once(f, HOOK "retry_for = 31d\n", "[sink.hook] retry_for");
	complains_once(f, "[sink.x]\ntype = pigeon\nurl = x\n",
		       "[sink.x] type: found \"pigeon\"");
}

static void
test_defaults_hold_for_a_small_file(void **state)
{
	struct fixture *f = *state;

	if (load(f, "", "") != ERR_OK)
		fail_msg("%s", buf_cstr(&f->complaints));
	assert_int_equal(f->s->nlisten, 1);
	assert_true(f->s->workers >= 1);
	assert_int_equal(f->s->drain_timeout_ms, 30000);
	assert_int_equal(f->s->stall_timeout_ms, 30000);
	assert_false(f->s->core_dumps);
	assert_true(f->s->has_sftp);
	assert_false(f->s->has_ftp);
	assert_int_equal(f->s->limits.spool_max, 4ull << 30);
	assert_int_equal(f->s->limits.spool_reserve, 16u << 20);
	assert_string_equal(f->s->bridge.default_store, "main");
	assert_string_equal(f->s->bridge.state_dir, "/var/lib/sluice");
	assert_string_equal(f->s->bridge.temp_patterns[0], "*.filepart");
	assert_null(f->s->bridge.temp_patterns[4]);
}

static void
test_addresses_are_listed_by_protocol(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "ftp = 127.0.0.1:21, [::1]:21\n",
			      "[ftp]\ntls = off\nallow_plain = yes\n"),
			 ERR_OK);
	assert_int_equal(f->s->nlisten, 3);
	assert_string_equal(f->s->listen[2].text, "[::1]:21");
	assert_true(settings_listens(f->s, LISTENER_FTP));
	assert_false(settings_listens(f->s, LISTENER_FTPS));
}

static void
test_complaints_name_file_section_and_key(void **state)
{
	struct fixture *f = *state;

	complains(f, "workers = 0\n", "", "/sluice.ini: [daemon] workers: ");
	complains(f, "sftp2 = x\n", "", "[daemon] sftp2: unknown key");
	complains(f, "ftp = nowhere\n", "", "found \"nowhere\", expected ADD");
	complains(f, "user = no-such-account\n", "", "[daemon] user: ");
	complains(f, "drain_timeout = 30\n", "", "[daemon] drain_timeout: ");
	complains(f, "pid_file = x.pid\n", "", "absolute path");
	complains(f, "", "[bridge]\nspool_max = lots\n", "[bridge] spool_max");
	complains(f, "", "[bridge]\nspool_dir = spool\n", "[bridge] spool_dir");
	complains(f, "", "[bridge]\ntemp_patterns = x\n", "temp_patterns");
	complains(f, "", "[bridge]\ndefault_store = x\n", "default_store");
	complains(f, "", "[store.B]\ntype = local\n", "[store.B]");
	complains(f, "", "[nonsense]\na = b\n", "[nonsense]");
	complains(f, "", "[events]\nsource = a b\n", "[events] source");
	complains(f, "", "[events]\nkeep = 1s\n", "[events] keep");
	complains(f, "", "[events]\npublish_wait = x\n", "publish_wait");
	complains(f, "", "[sink.A]\ntype = webhook\n", "[sink.A]");
	complains(f, "", "[limits]\nunauth = -1\n", "[limits] unauth");
	complains(f, "", "[sftp]\nwindow = 1\n", "[sftp] window");
	complains(f, "ftps = 127.0.0.1:990\n",
		  "[ftp]\ntls = off\nallow_plain = yes\n", "[daemon] ftps: ");
}

static void
test_http_is_off_until_it_has_an_address(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "", ""), ERR_OK);
	assert_false(f->s->has_http);
	assert_int_equal(load(f, "", "[http]\n"), ERR_OK);
	assert_false(settings_listens(f->s, LISTENER_HTTP));
	assert_int_equal(load(f, "http = 127.0.0.1:80\n",
			      "[http]\nallow_plain = yes\n"
			      "origins = https://a.example, http://b:81\n"),
			 ERR_OK);
	assert_true(settings_listens(f->s, LISTENER_HTTP));
	assert_string_equal(f->s->http.origins[1], "http://b:81");
	assert_null(f->s->http.origins[2]);
}

static void
test_http_needs_tls_or_a_word(void **state)
{
	struct fixture *f = *state;

	complains(f, "http = 127.0.0.1:80\n", "", "[daemon] http: ");
	complains(f, "https = 127.0.0.1:443\n", "", "[http] certificate: ");
	complains(f, "", "[http]\ncertificate = /a\n", "[http] private_key");
	complains(f, "", "[http]\norigins = example.com\n", "[http] origins");
	complains(f, "", "[http]\norigins = https://a/b\n", "[http] origins");
	complains(f, "", "[http]\nidle_timeout = 5\n", "idle_timeout");
	complains(f, "", "[http]\ntls = off\n", "[http] tls");
}

static void
test_all_complaints_come_at_once(void **state)
{
	struct fixture *f = *state;

	complains(f, "workers = 0\n", "[limits]\nunauth = x\n", "workers");
	assert_non_null(strstr(buf_cstr(&f->complaints), "unauth"));
}

static void
test_spool_must_hold_four_parts(void **state)
{
	struct fixture *f = *state;

	complains(f, "", "part_size = 64M\n[bridge]\nspool_max = 255M\n",
		  "[bridge] spool_max: found 255 MiB");
	assert_int_equal(load(f, "",
			      "part_size = 64M\n[bridge]\nspool_max = 256M\n"),
			 ERR_OK);
	assert_int_equal(f->s->limits.spool_reserve, 64u << 20);
}

static void
test_users_are_checked_against_the_stores(void **state)
{
	struct fixture *f = *state;

	file_write(f->users, USERS "store = tape\n");
	complains(f, "", "", "/users.ini: [ann] store: found \"tape\"");
	file_write(f->users, USERS);
	complains(f, "", "[store.two]\ntype = local\npath = /srv\n",
		  "[ann] store: found nothing");
	assert_int_equal(load(f, "",
			      "[store.two]\ntype = local\npath = /srv\n"
			      "[bridge]\ndefault_store = two\n"),
			 ERR_OK);
}

static void
test_file_that_is_not_there_is_one_complaint(void **state)
{
	struct fixture *f = *state;
	struct settings *s = NULL;

	assert_int_equal(settings_load(&s, "/nonexistent/sluice.ini",
				       on_complaint, f),
			 ERR_INVALID);
	assert_null(s);
	assert_ptr_equal(strchr(buf_cstr(&f->complaints), '\n') + 1,
			 buf_cstr(&f->complaints) + buf_len(&f->complaints));
}

static void
test_fixed_keys_are_noticed(void **state)
{
	struct fixture *f = *state;
	struct settings *old;

	assert_int_equal(load(f, "", ""), ERR_OK);
	old = settings_ref(f->s);
	assert_int_equal(load(f, "workers = 3\n", ""), ERR_OK);
	assert_null(settings_fixed_change(old, f->s));
	assert_int_equal(load(f, "", "[bridge]\nspool_dir = /other\n"), ERR_OK);
	assert_string_equal(settings_fixed_change(old, f->s),
			    "[bridge] spool_dir");
	assert_int_equal(load(f, "run_dir = /other\n", ""), ERR_OK);
	assert_string_equal(settings_fixed_change(old, f->s),
			    "[daemon] run_dir");
	settings_unref(old);
}

/* "; key = value" and "; [section]" as if they stood there. */
static char *
sample_read(const char *path)
{
	FILE *in = fopen(path, "r");
	struct buf text;
	char line[1024];
	char *all;

	assert_non_null(in);
	buf_init(&text, 65536);
	while (fgets(line, sizeof(line), in)) {
		if (line[0] == ';')
			memmove(line, line + 2, strlen(line + 1));
		buf_add_text(&text, line);
	}
	fclose(in);
	all = mem_strdup(buf_cstr(&text));
	buf_free(&text);
	return all;
}

static void
test_probe_has_settings_of_its_own(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "", ""), ERR_OK);
	assert_false(f->s->probe.enabled);
	assert_null(f->s->probe.thumbnails);
	assert_int_equal(load(f, "",
			      "[probe]\nenabled = yes\nprogram = /bin/true\n"
			      "cpu_time = 1500ms\nthumbnails = yes\n"
			      "thumbnail_prefix = small/\n"),
			 ERR_OK);
	assert_int_equal(f->s->probe.cpu_s, 2);
	assert_string_equal(f->s->probe.thumbnails, "small/");
	complains_once(f, "[probe]\nenabled = yes\nprogram = /no/such\n",
		       "[probe] program: found \"/no/such\", expected the "
		       "absolute path of sluice-probe");
	complains_once(f, "[probe]\nthumbnail_prefix = /small/\n",
		       "[probe] thumbnail_prefix: found \"/small/\", expected");
	complains_once(f, "[probe]\nthumbnail_prefix = a/../b/\n",
		       "[probe] thumbnail_prefix: found \"a/../b/\"");
	complains_once(f, "[probe]\nmemory = 1M\n", "[probe] memory: ");
}

/* What the sample says about keys is true of the code, and not outdated. */
static void
test_keys_of_the_sample_are_known(void **state)
{
	struct fixture *f = *state;
	const char *srcdir = getenv("srcdir");
	char *path = mem_printf("%s/etc/sluice.ini", srcdir ? srcdir : ".");
	char *text = sample_read(path);
	struct settings *s = NULL;
	const char *found;

	file_write(f->ini, text);
	settings_load(&s, f->ini, on_complaint, f);
	settings_unref(s);
	assert_non_null(strstr(text, "\nstall_timeout"));
	found = strstr(buf_cstr(&f->complaints), "unknown");
	if (found)
		fail_msg("%s", buf_cstr(&f->complaints));
	free(text);
	free(path);
}

static void
test_tunables_are_for_old_glibc_on_amd(void **state)
{
	(void)state;
	assert_true(tunables_wanted("AuthenticAMD", "2.36"));
	assert_false(tunables_wanted("AuthenticAMD", "2.40"));
	assert_false(tunables_wanted("AuthenticAMD", "nonsense"));
	assert_false(tunables_wanted("GenuineIntel", "2.36"));
	assert_false(tunables_wanted("", "2.36"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Files and folders. */

static size_t
check_files(struct fixture *f)
{
	struct privileges self = { .uid = geteuid(), .gid = getegid() };

	buf_clear(&f->complaints);
	return filecheck(f->s, &self, on_complaint, f);
}

static char *
bridge_section(const struct fixture *f, const char *state, const char *spool)
{
	return mem_printf("[bridge]\nstate_dir = %s/%s\nspool_dir = %s/%s\n"
			  "[sftp]\nhost_key = %s/key\n",
			  f->dir, state, f->dir, spool, f->dir);
}

static void
must_complain(struct fixture *f, const char *expected)
{
	assert_true(check_files(f) > 0);
	if (!strstr(buf_cstr(&f->complaints), expected))
		fail_msg("\"%s\" lacks \"%s\"", buf_cstr(&f->complaints),
			 expected);
}

static void
test_files_are_looked_at_by_the_account(void **state)
{
	struct fixture *f = *state;
	char *run = mem_printf("run_dir = %s/run", f->dir);
	char *rest = bridge_section(f, "state", "spool");
	char *key = mem_printf("%s/key", f->dir);
	char *spool = mem_printf("%s/spool", f->dir);

	assert_int_equal(load(f, run, rest), ERR_OK);
	must_complain(f, "[sftp] host_key: ");
	assert_int_equal(sftpd_make_host_key(key), ERR_OK);
	if (check_files(f) != 0)
		fail_msg("%s", buf_cstr(&f->complaints));
	assert_int_equal(chmod(key, 0644), 0);
	must_complain(f, "[sftp] host_key: ");
	assert_int_equal(chmod(key, 0600), 0);
	/* What is checked is not made. */
	assert_int_equal(access(spool, F_OK), -1);
	file_write(spool, "");
	must_complain(f, "[bridge] spool_dir: ");
	unlink(spool);
	assert_int_equal(mkdir(spool, 0700), 0);
	assert_int_equal(check_files(f), 0);
	assert_int_equal(chmod(spool, 0750), 0);
	must_complain(f, "expected 0700");
	rmdir(spool);
	unlink(key);
	free(run);
	free(rest);
	free(key);
	free(spool);
}

static void
test_a_spool_on_no_disk_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "",
			      "[bridge]\nspool_dir = /proc/spool\n"
			      "state_dir = /tmp\n"),
			 ERR_OK);
	assert_int_equal(filecheck_folders(f->s, on_complaint, f), 1);
	assert_non_null(strstr(buf_cstr(&f->complaints),
			       "[bridge] spool_dir: /proc/spool lies on a file "
			       "system of type unknown"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_defaults_hold_for_a_small_file),
		TEST(test_addresses_are_listed_by_protocol),
		TEST(test_complaints_name_file_section_and_key),
		TEST(test_http_is_off_until_it_has_an_address),
		TEST(test_http_needs_tls_or_a_word),
		TEST(test_all_complaints_come_at_once),
		TEST(test_spool_must_hold_four_parts),
		TEST(test_users_are_checked_against_the_stores),
		TEST(test_file_that_is_not_there_is_one_complaint),
		TEST(test_fixed_keys_are_noticed),
		TEST(test_probe_has_settings_of_its_own),
		TEST(test_keys_of_the_sample_are_known),
		TEST(test_one_mistake_is_one_complaint),
		TEST(test_sinks_are_read_and_checked),
		TEST(test_files_are_looked_at_by_the_account),
		TEST(test_a_spool_on_no_disk_is_refused),
		cmocka_unit_test(test_tunables_are_for_old_glibc_on_amd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
