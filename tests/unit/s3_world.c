/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/s3_world.h"

#include <unistd.h>

#include "bridge/http.h"
#include "lib/clock.h"
#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/unit/patience.h"

struct s3_world w;
struct s3_got got;
const struct store_target target = { .key = "k e/y", .backend_id = "i/d" };

static struct loop *loop;
static struct http *http;
static struct conf *conf;
static char replies[8][4096];

void
on_done(void *arg, const struct store_result *r)
{
	(void)arg;
	got.n++;
	got.err = r->err;
	got.ambiguous = r->ambiguous;
	str_copy(got.why, sizeof(got.why), r->why);
	got.object = r->object;
	got.part = r->part;
	if (r->backend_id)
		str_copy(got.backend_id, sizeof(got.backend_id), r->backend_id);
	got.nparts = r->nparts;
	for (size_t i = 0; i < r->nparts && i < 8; i++)
		got.parts[i] = r->parts[i];
	got.nentries = r->nentries;
	got.nuploads = r->nuploads;
	got.caps = r->caps;
	if (r->next)
		str_copy(got.next, sizeof(got.next), r->next);
	got.len = r->len;
	if (r->len)
		memcpy(got.data, r->data, r->len < 64 ? r->len : 64);
}

void
wait_done(void)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	while (!got.n && clock_ms() < end)
		loop_turn(loop, 1000);
	assert_int_equal(got.n, 1);
	got.n = 0;
}

/* A reply with a body, in one of a few buffers. */
const char *
body(const char *status_line, const char *text)
{
	static unsigned i;
	char *out = replies[i++ % 8];

	snprintf(out, sizeof(replies[0]),
		 "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status_line,
		 strlen(text), text);
	return out;
}

void
knows(bool sha256, bool crc32c)
{
	struct store_caps caps = { .known = true,
				   .checks_sha256 = sha256,
				   .checks_crc32c = crc32c };

	store_set_caps(w.store, &caps);
}

void
open_store(const struct script_step *steps, size_t n, const char *more)
{
	struct store_env env = { .loop = loop, .http = http };
	char path[] = "s3.XXXXXX", text[1024];
	int fd = mkstemp(path);

	w.script = script_new(steps, n);
	snprintf(text, sizeof(text),
		 "[store.t]\ntype = s3\nendpoint = http://%s:%u\n"
		 "bucket = buck\naccess_key = AK\nsecret_key = SK\n"
		 "prefix = pre\ntries = %u\nstall_timeout = 20s\n%s",
		 w.endpoint, script_port(w.script), w.tries, more);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	conf = conf_load(path);
	unlink(path);
	assert_int_equal(store_open(&w.store, conf, "t", &env), ERR_OK);
	if (conf_finish(conf))
		fail_msg("%s", conf_complaint(conf, 0));
	knows(true, false);
}

int
set_up(void **state)
{
	(void)state;
	memset(&got, 0, sizeof(got));
	w.tries = 1;
	w.endpoint = "127.0.0.1";
	log_open("test", "stderr", LOG_LEVEL_ERROR);
	loop = loop_new();
	http = http_new(loop);
	return 0;
}

int
tear_down(void **state)
{
	(void)state;
	store_close(w.store);
	loop_turn(loop, 0);
	http_free(http);
	loop_turn(loop, 0);
	loop_free(loop);
	script_free(w.script);
	conf_free(conf);
	return 0;
}

void
must_say(unsigned request, const char *line)
{
	const char *head = script_head(w.script, request);

	if (!strcasestr(head, line))
		fail_msg("\"%s\" is not in\n%s", line, head);
}

void
must_not_say(unsigned request, const char *text)
{
	assert_null(strcasestr(script_head(w.script, request), text));
}

void
put_part(void)
{
	struct store_body b = { .data = "abc",
				.len = 3,
				.crc32c = crc32c(0, "abc", 3) };

	store_put_part(w.store, target, (struct store_slot){ 7, 100 }, &b,
		       on_done, NULL);
	wait_done();
}

void
put(void)
{
	struct store_meta meta = { .sluice_id = ID,
				   .content_type = "video/mp4",
				   .mtime = 1234 };
	struct store_body b = { .data = "abc",
				.len = 3,
				.crc32c = crc32c(0, "abc", 3) };

	store_put(w.store, "key", &meta, &b, on_done, NULL);
	wait_done();
}
