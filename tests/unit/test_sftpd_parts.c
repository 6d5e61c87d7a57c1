/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts of sftpd that need no connection. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <libssh/libssh.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "sftpd/algorithms.h"
#include "sftpd/gcm.h"
#include "sftpd/longname.h"
#include "sftpd/req.h"
#include "sftpd/sftpd.h"
#include "sftpd/wire.h"

#define NOW 1700000000 /* 14 Nov 2023, 22:13:20 UTC */

static void
assert_longname(bool is_dir, uint32_t mode, uint64_t size, int64_t mtime,
		const char *expected)
{
	const struct vfs_entry e = {
		"a name",
		{ .is_dir = is_dir, .mode = mode, .size = size, .mtime = mtime }
	};
	char line[LONGNAME_MAX];

	longname_format(line, &e, "ann", NOW);
	assert_string_equal(line, expected);
}

static void
test_longname_is_what_ls_prints(void **state)
{
	(void)state;
	assert_longname(false, S_IFREG | 0644, 1234, NOW - 60,
			"-rw-r--r--    1 ann      ann          1234 "
			"Nov 14 22:12 a name");
	assert_longname(true, S_IFDIR | 0755, 0, NOW - 365 * 86400,
			"drwxr-xr-x    1 ann      ann             0 "
			"Nov 14  2022 a name");
	assert_longname(false, S_IFREG | 0400, 12345678901234ull, NOW + 86400,
			"-r--------    1 ann      ann      12345678901234 "
			"Nov 15 22:13 a name");
}

static void
test_longname_survives_any_time(void **state)
{
	(void)state;
	assert_longname(false, 0, 0, INT64_MAX,
			"----------    1 ann      ann             0 "
			"Jan  1  1970 a name");
	assert_longname(false, 0, 0, -1,
			"----------    1 ann      ann             0 "
			"Dec 31  1969 a name");
}

static void
test_wire_maps_every_error(void **state)
{
	int e;

	(void)state;
	for (e = 1; e < ERR_COUNT; e++)
		assert_int_not_equal(wire_status((enum err)e), SFTP_FX_OK);
	assert_int_equal(wire_status(ERR_OK), SFTP_FX_OK);
	assert_int_equal(wire_status(ERR_NOT_FOUND), SFTP_FX_NO_SUCH_FILE);
	assert_int_equal(wire_status(ERR_DENIED), SFTP_FX_PERMISSION_DENIED);
	assert_int_equal(wire_status(ERR_INCOMPLETE), SFTP_FX_FAILURE);
}

static void
test_wire_reads_open_flags(void **state)
{
	(void)state;
	assert_int_equal(wire_open_flags(0), 0);
	assert_int_equal(wire_open_flags(SFTP_READ_FLAG), VFS_READ);
	assert_int_equal(wire_open_flags(SFTP_READ_FLAG | SFTP_TRUNC_FLAG),
			 VFS_READ); /* truncating needs writing */
	assert_int_equal(wire_open_flags(SFTP_APPEND_FLAG),
			 VFS_APPEND | VFS_WRITE);
	assert_int_equal(wire_open_flags(SFTP_WRITE_FLAG | SFTP_CREAT_FLAG |
					 SFTP_TRUNC_FLAG | SFTP_EXCL_FLAG),
			 VFS_WRITE | VFS_CREAT | VFS_TRUNC | VFS_EXCL);
}

static void
test_wire_keeps_times_in_range(void **state)
{
	struct vfs_stat st = { .mtime = -5 };
	struct sftp_attrs a;

	(void)state;
	wire_attrs(&a, &st);
	assert_int_equal(a.mtime, 0);
	st.mtime = 1ll << 40;
	wire_attrs(&a, &st);
	assert_int_equal(a.mtime, UINT32_MAX);
}

static void
test_ciphers_leave_gcm_out_unless_it_works(void **state)
{
	char *list;

	(void)state;
	list = algorithms_ciphers(NULL, false);
	assert_null(strstr(list, "gcm"));
	assert_non_null(strstr(list, "chacha20-poly1305@openssh.com"));
	free(list);
	list = algorithms_ciphers(NULL, true);
	assert_non_null(strstr(list, "aes128-gcm@openssh.com"));
	free(list);
	list = algorithms_ciphers(
		"aes256-gcm@openssh.com,aes128-ctr,aes128-gcm@openssh.com",
		false);
	assert_string_equal(list, "aes128-ctr");
	free(list);
	list = algorithms_ciphers("aes128-ctr,aes256-gcm@openssh.com", true);
	assert_string_equal(list, "aes128-ctr,aes256-gcm@openssh.com");
	free(list);
}

/* The package that this is built on verifies the tag, or is not for us. */
static void
test_gcm_trial_finds_this_library_sound(void **state)
{
	bool offered;

	(void)state;
	assert_true(gcm_works());
	assert_int_equal(gcm_offered(SFTPD_GCM_AUTO, &offered), ERR_OK);
	assert_true(offered);
	assert_int_equal(gcm_offered(SFTPD_GCM_NO, &offered), ERR_OK);
	assert_false(offered);
}

/* An old libssh stores what was changed on the way: nobody may ask for that. */
static void
test_gcm_is_never_offered_where_it_does_not_verify(void **state)
{
	bool offered = true;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR - 1);
	assert_int_equal(gcm_decide(SFTPD_GCM_AUTO, false, &offered), ERR_OK);
	assert_false(offered);
	offered = true;
	assert_int_equal(gcm_decide(SFTPD_GCM_YES, false, &offered),
			 ERR_UNSUPPORTED);
	assert_false(offered);
	assert_int_equal(gcm_decide(SFTPD_GCM_NO, false, &offered), ERR_OK);
	assert_false(offered);
	assert_int_equal(gcm_decide(SFTPD_GCM_YES, true, &offered), ERR_OK);
	assert_true(offered);
}

static void
test_gcm_trial_leaks_no_descriptor(void **state)
{
	int before, after;

	(void)state;
	gcm_works();
	before = dup(0);
	close(before);
	gcm_works();
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

static const struct op reads = { 0, "reads", 0, 0, NULL, NULL };
static const struct op changes = { 0, "changes", 0, OP_CHANGES, NULL, NULL };

static bool
conflict(const struct op *a, const char *path_a, const struct op *b,
	 const char *path_b)
{
	struct req x = { .op = a, .path = mem_strdup(path_a) };
	struct req y = { .op = b, .path = mem_strdup(path_b) };
	bool result = req_conflict(&x, &y);

	assert_int_equal(result, req_conflict(&y, &x));
	free(x.path);
	free(y.path);
	return result;
}

static void
test_requests_wait_for_others_on_their_path(void **state)
{
	(void)state;
	assert_true(conflict(&reads, "/a", &reads, "/a"));
	assert_true(conflict(&changes, "/a", &reads, "/a"));
	assert_false(conflict(&changes, "/a", &changes, "/b"));
	assert_false(conflict(&changes, "/a", &changes, "/ab"));
}

static void
test_changes_wait_for_changes_above_and_below(void **state)
{
	(void)state;
	assert_true(conflict(&changes, "/a", &changes, "/a/b/c"));
	assert_true(conflict(&changes, "/", &changes, "/a"));
	/* A listing may be taken while a file in it is being closed. */
	assert_false(conflict(&reads, "/a", &changes, "/a/b"));
}

static void
test_a_rename_waits_on_both_names(void **state)
{
	struct req x = { .op = &changes, .path = mem_strdup("/x") };
	struct req y = { .op = &changes,
			 .path = mem_strdup("/tmp"),
			 .path2 = mem_strdup("/x") };

	(void)state;
	assert_true(req_conflict(&x, &y));
	assert_true(req_conflict(&y, &x));
	free(x.path);
	free(y.path);
	free(y.path2);
}

static char *
temp_path(char *dir, const char *name)
{
	strcpy(dir, "/tmp/test_sftpd_XXXXXX");
	assert_non_null(mkdtemp(dir));
	return mem_printf("%s/%s", dir, name);
}

static void
test_host_key_is_made_once_and_private(void **state)
{
	struct sftpd_config c = { 0 };
	char dir[64], *path = temp_path(dir, "key");
	struct stat first, second;

	(void)state;
	assert_int_equal(sftpd_make_host_key(path), ERR_OK);
	assert_int_equal(stat(path, &first), 0);
	assert_int_equal(first.st_mode & 0777, 0600);
	assert_int_equal(sftpd_make_host_key(path), ERR_OK);
	assert_int_equal(stat(path, &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	c.host_key_paths[0] = mem_strdup(path);
	assert_int_equal(sftpd_keys_load(&c), ERR_OK);
	assert_non_null(c.host_keys[0]);
	sftpd_config_free(&c);
	unlink(path);
	rmdir(dir);
	free(path);
}

static void
test_host_key_that_others_may_read_is_refused(void **state)
{
	struct sftpd_config c = { 0 };
	char dir[64], *path = temp_path(dir, "key");

	(void)state;
	assert_int_equal(sftpd_make_host_key(path), ERR_OK);
	assert_int_equal(chmod(path, 0640), 0);
	c.host_key_paths[0] = mem_strdup(path);
	assert_int_equal(sftpd_keys_load(&c), ERR_INVALID);
	unlink(path);
	assert_int_equal(sftpd_keys_load(&c), ERR_NOT_FOUND);
	sftpd_config_free(&c);
	rmdir(dir);
	free(path);
}

static void
test_host_keys_are_of_the_types_that_they_are_named(void **state)
{
	static const char *const names[] = { "rsa_key", "ecdsa_key", "other" };
	static const enum ssh_keytypes_e types[] = { SSH_KEYTYPE_RSA,
						     SSH_KEYTYPE_ECDSA_P256,
						     SSH_KEYTYPE_ED25519 };
	struct sftpd_config c = { .make_host_keys = true };
	char dir[64], *path = temp_path(dir, "key");
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		c.host_key_paths[i] = mem_printf("%s/%s", dir, names[i]);
	assert_int_equal(sftpd_keys_load(&c), ERR_OK);
	for (i = 0; i < 3; i++) {
		assert_int_equal(ssh_key_type(c.host_keys[i]), types[i]);
		unlink(c.host_key_paths[i]);
	}
	sftpd_config_free(&c);
	rmdir(dir);
	free(path);
}

static void
test_default_host_keys_may_miss_but_one(void **state)
{
	struct sftpd_config c = { .default_host_keys = true };
	char dir[64], *path = temp_path(dir, "rsa");

	(void)state;
	c.host_key_paths[0] = mem_printf("%s/none", dir);
	c.host_key_paths[1] = mem_strdup(path);
	assert_int_equal(sftpd_keys_load(&c), ERR_NOT_FOUND);
	assert_int_equal(sftpd_make_host_key(path), ERR_OK);
	assert_int_equal(sftpd_keys_load(&c), ERR_OK);
	assert_int_equal(ssh_key_type(c.host_keys[0]), SSH_KEYTYPE_RSA);
	unlink(path);
	sftpd_config_free(&c);
	rmdir(dir);
	free(path);
}

static size_t
read_config(const char *text, struct sftpd_config *c)
{
	char dir[64], *path = temp_path(dir, "ini");
	struct conf *conf;
	FILE *f = fopen(path, "w");
	size_t n;

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	conf = conf_load(path);
	sftpd_config_read(conf, c);
	n = conf_finish(conf);
	conf_free(conf);
	unlink(path);
	rmdir(dir);
	free(path);
	return n;
}

static void
test_config_has_defaults(void **state)
{
	struct sftpd_config c;

	(void)state;
	assert_int_equal(read_config("[sftp]\n", &c), 0);
	assert_string_equal(c.host_key_paths[0],
			    "/etc/sluice/ssh_host_ed25519_key");
	assert_string_equal(c.host_key_paths[1],
			    "/etc/sluice/ssh_host_ecdsa_key");
	assert_string_equal(c.host_key_paths[2],
			    "/etc/sluice/ssh_host_rsa_key");
	assert_true(c.default_host_keys);
	assert_int_equal(c.window, 8u << 20);
	assert_int_equal(c.max_auth_tries, 6);
	assert_int_equal(c.gcm, SFTPD_GCM_AUTO);
	assert_false(c.make_host_keys);
	sftpd_config_free(&c);
}

static void
test_config_reads_every_setting(void **state)
{
	static const char text[] = "[sftp]\n"
				   "host_key = /a/one, /b/two\n"
				   "make_host_keys = yes\n"
				   "software = Gate_1\n"
				   "banner = Welcome\n"
				   "ciphers = aes128-ctr\n"
				   "gcm = no\n"
				   "login_grace = 20s\n"
				   "idle_timeout = 2m\n"
				   "max_auth_tries = 3\n"
				   "max_channels = 4\n"
				   "window = 4M\n"
				   "rekey_after = 1G\n";
	struct sftpd_config c;

	(void)state;
	assert_int_equal(read_config(text, &c), 0);
	assert_string_equal(c.host_key_paths[1], "/b/two");
	assert_true(c.make_host_keys);
	assert_string_equal(c.software, "Gate_1");
	assert_string_equal(c.banner, "Welcome\r\n");
	assert_string_equal(c.ciphers, "aes128-ctr");
	assert_int_equal(c.gcm, SFTPD_GCM_NO);
	assert_int_equal(c.login_grace_ms, 20000);
	assert_int_equal(c.idle_timeout_ms, 120000);
	assert_int_equal(c.max_auth_tries, 3);
	assert_int_equal(c.max_channels, 4);
	assert_int_equal(c.window, 4u << 20);
	assert_int_equal(c.rekey_bytes, 1u << 30);
	sftpd_config_free(&c);
}

static void
test_config_complains_about_nonsense(void **state)
{
	static const char *const lines[] = {
		"host_key = relative", "host_key = /a /b /c /d",
		"software = a-b",      "kex = two words",
		"gcm = maybe",	       "window = 1K",
		"rekey_after = 5",     "login_grace = 0s",
		"unknown = 1",
	};
	struct sftpd_config c;
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(text, sizeof(text), "[sftp]\n%s\n", lines[i]);
		assert_true(read_config(text, &c) > 0);
		sftpd_config_free(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longname_is_what_ls_prints),
		cmocka_unit_test(test_longname_survives_any_time),
		cmocka_unit_test(test_wire_maps_every_error),
		cmocka_unit_test(test_wire_reads_open_flags),
		cmocka_unit_test(test_wire_keeps_times_in_range),
		cmocka_unit_test(test_ciphers_leave_gcm_out_unless_it_works),
		cmocka_unit_test(test_gcm_trial_finds_this_library_sound),
		cmocka_unit_test(
			test_gcm_is_never_offered_where_it_does_not_verify),
		cmocka_unit_test(test_gcm_trial_leaks_no_descriptor),
		cmocka_unit_test(test_requests_wait_for_others_on_their_path),
		cmocka_unit_test(test_changes_wait_for_changes_above_and_below),
		cmocka_unit_test(test_a_rename_waits_on_both_names),
		cmocka_unit_test(test_host_key_is_made_once_and_private),
		cmocka_unit_test(test_host_key_that_others_may_read_is_refused),
		cmocka_unit_test(
			test_host_keys_are_of_the_types_that_they_are_named),
		cmocka_unit_test(test_default_host_keys_may_miss_but_one),
		cmocka_unit_test(test_config_has_defaults),
		cmocka_unit_test(test_config_reads_every_setting),
		cmocka_unit_test(test_config_complains_about_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
