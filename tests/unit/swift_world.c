/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/swift_world.h"

#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "tests/unit/patience.h"

struct swift_world w;

void
got_answer(void *arg, const struct store_result *r)
{
	struct got *g = arg;

	assert_false(g->done);
	g->done = true;
	g->err = r->err;
	g->ambiguous = r->ambiguous;
	str_copy(g->why, sizeof(g->why), r->why ? r->why : "");
	if (r->data && r->len < sizeof(g->text))
		memcpy(g->text, r->data, r->len);
}

void
got_wait(struct got *g)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	while (!g->done && clock_ms() < end)
		loop_turn(w.loop, 1000);
	assert_true(g->done);
}

static void
who_we_are(char *out, size_t size)
{
	unsigned port = script_port(w.script);

	if (w.credential)
		snprintf(out, size,
			 "auth = application_credential\n"
			 "auth_url = http://127.0.0.1:%u\n"
			 "credential_id = %s\ncredential_secret = secret\n",
			 port, w.credential);
	else
		snprintf(out, size,
			 "auth = v1\nuser = a:u\npassword = secret\n"
			 "auth_url = http://127.0.0.1:%u/auth/v1.0\n",
			 port);
}

void
swift_open_again(const char *daemon)
{
	struct store_env env = { .loop = w.loop, .http = w.http };
	char path[] = "swift.XXXXXX", who[256], text[1024];
	int fd = mkstemp(path);

	store_close(w.store);
	conf_free(w.conf);
	who_we_are(who, sizeof(who));
	snprintf(text, sizeof(text),
		 "%s[store.t]\ntype = swift\n%s"
		 "storage_url = http://127.0.0.1:%u/v1/A\n"
		 "container = c\ntries = 1\n",
		 daemon, who, script_port(w.script));
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	w.conf = conf_load(path);
	unlink(path);
	assert_int_equal(store_open(&w.store, w.conf, "t", &env), ERR_OK);
}

void
swift_open(const struct script_step *steps, size_t n)
{
	w.script = script_new(steps, n);
	swift_open_again("");
}

int
swift_set_up(void **state)
{
	(void)state;
	log_open("test", "stderr", LOG_LEVEL_ERROR);
	w.loop = loop_new();
	w.http = http_new(w.loop);
	w.run_dir[0] = '\0';
	w.credential = NULL;
	return 0;
}

static void
remove_run_dir(void)
{
	char path[128];

	if (!w.run_dir[0])
		return;
	snprintf(path, sizeof(path), "%s/store.t.token", w.run_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/store.t.token.lock", w.run_dir);
	unlink(path);
	rmdir(w.run_dir);
}

int
swift_tear_down(void **state)
{
	(void)state;
	store_close(w.store);
	w.store = NULL;
	loop_turn(w.loop, 0);
	http_free(w.http);
	loop_turn(w.loop, 0);
	loop_free(w.loop);
	script_free(w.script);
	conf_free(w.conf);
	w.conf = NULL;
	remove_run_dir();
	return 0;
}

enum err
head_of_some(void)
{
	struct got g = { 0 };

	store_head(w.store, "key", got_answer, &g);
	got_wait(&g);
	return g.err;
}

bool
swift_heard(unsigned i, const char *text)
{
	return strstr(script_head(w.script, i), text) != NULL;
}
