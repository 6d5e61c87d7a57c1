/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bridge/xferlog.h"
#include "lib/log.h"

static const struct transfer_end put = { .session = "s",
					 .user = "ann",
					 .protocol = "sftp",
					 .addr = "192.0.2.7",
					 .path = "/a b.mov",
					 .upload = true,
					 .bytes = 5000000000,
					 .ms = 62500,
					 .outcome = TRANSFER_COMPLETE };

struct world {
	char dir[64], path[96];
	struct loop *loop;
	struct work_pool *pool;
	struct xferlog *log;
};

static int
setup(void **state)
{
	static struct world w;

	log_open("test", "stderr", LOG_LEVEL_ERROR);
	setenv("TZ", "UTC", 1);
	tzset();
	strcpy(w.dir, "/tmp/test-xferlog-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.path, sizeof(w.path), "%s/xferlog", w.dir);
	w.loop = loop_new();
	w.pool = work_pool_new(w.loop, 1);
	w.log = xferlog_new(w.pool, w.path);
	*state = &w;
	return 0;
}

static void
settle(struct world *w)
{
	while (work_pool_pending(w->pool) > 0)
		loop_turn(w->loop, 10);
}

static int
teardown(void **state)
{
	struct world *w = *state;
	char old[128];

	settle(w);
	xferlog_free(w->log);
	work_pool_free(w->pool);
	loop_free(w->loop);
	snprintf(old, sizeof(old), "%s.1", w->path);
	unlink(old);
	unlink(w->path);
	rmdir(w->dir);
	return 0;
}

static unsigned
count_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned n = 0;
	int c;

	if (!f)
		return 0;
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static void
test_line_of_an_upload(void **state)
{
	char line[XFERLOG_LINE_MAX];

	(void)state;
	xferlog_line(line, sizeof(line), &put, 1046765550);
	assert_string_equal(line,
			    "Tue Mar  4 08:12:30 2003 62 192.0.2.7 5000000000 "
			    "/a_b.mov b _ i r ann sftp 0 * c\n");
}

static void
test_line_of_a_download_that_was_cut(void **state)
{
	struct transfer_end get = put;
	char line[XFERLOG_LINE_MAX];

	(void)state;
	get.upload = false;
	get.outcome = TRANSFER_ABORTED;
	get.ms = 3;
	get.bytes = 0;
	get.protocol = "ftps";
	xferlog_line(line, sizeof(line), &get, 1046765550);
	assert_string_equal(line, "Tue Mar  4 08:12:30 2003 1 192.0.2.7 0 "
				  "/a_b.mov b _ o r ann ftps 0 * i\n");
}

/* The longest names there are, and what would forge a line. */
static void
test_line_stays_one_line(void **state)
{
	struct transfer_end t = put;
	char path[1025], line[XFERLOG_LINE_MAX];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	memcpy(path, "/a\nb\x7f", 5);
	t.path = path;
	xferlog_line(line, sizeof(line), &t, 0);
	assert_non_null(strstr(line, " /a_b_xxx"));
	assert_non_null(strstr(line, "x b _ i r ann sftp 0 * c\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void
test_lines_are_appended(void **state)
{
	struct world *w = *state;
	struct stat st;
	int i;

	for (i = 0; i < 100; i++)
		xferlog_add(w->log, &put);
	settle(w);
	assert_int_equal(count_lines(w->path), 100);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void
test_rotated_file_is_made_anew(void **state)
{
	struct world *w = *state;
	char old[128];

	xferlog_add(w->log, &put);
	settle(w);
	snprintf(old, sizeof(old), "%s.1", w->path);
	assert_int_equal(rename(w->path, old), 0);
	xferlog_add(w->log, &put);
	xferlog_add(w->log, &put);
	settle(w);
	assert_int_equal(count_lines(old), 1);
	assert_int_equal(count_lines(w->path), 2);
}

static void
test_last_lines_are_written_at_the_end(void **state)
{
	struct world *w = *state;

	xferlog_add(w->log, &put); /* a job has it */
	xferlog_add(w->log, &put); /* waits for that */
	work_pool_free(w->pool);
	loop_flush(w->loop);
	w->pool = work_pool_new(w->loop, 1);
	settle(w);
	xferlog_free(w->log);
	w->log = NULL;
	assert_int_equal(count_lines(w->path), 2);
}

static void
test_folder_that_is_not_there_costs_lines_only(void **state)
{
	struct world *w = *state;

	xferlog_free(w->log);
	log_open("test", "stderr", LOG_LEVEL_ERROR);
	w->log = xferlog_new(w->pool, "/nonexistent/xferlog");
	xferlog_add(w->log, &put);
	settle(w);
	xferlog_add(w->log, &put);
	settle(w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_line_of_an_upload),
		T(test_line_of_a_download_that_was_cut),
		T(test_line_stays_one_line),
		T(test_lines_are_appended),
		T(test_rotated_file_is_made_anew),
		T(test_last_lines_are_written_at_the_end),
		T(test_folder_that_is_not_there_costs_lines_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
