/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a logged-in client sends to scp: the first byte sets knobs, the second
 * the size of the pieces; then the command up to a newline, and the stream. No
 * SSH below it, and a file system in memory.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "sftpd/channel_io.h"
#include "sftpd/conn.h"
#include "sftpd/req.h"
#include "sftpd/scp.h"
#include "tests/fake/fake_fs.h"

enum { HOLD = 1, WRITES_FAIL = 2, CUT = 4, SHORT_READS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_login(void *arg, enum err err)
{
	bool *done = arg;

	*done = err == ERR_OK;
}

static struct session *
log_in(struct fake *f)
{
	struct session *s;
	bool done = false;

	if (session_new(&s, &f->bridge, "sftp", NULL) != ERR_OK)
		return NULL;
	session_login_password(s, "ann", "secret", on_login, &done);
	while (!done)
		loop_turn(f->bridge.loop, 0);
	return s;
}

static void
settle(struct fake *f, struct chan *ch)
{
	int i;

	for (i = 0; i < 1000; i++) {
		loop_turn(f->bridge.loop, 0);
		scp_run(ch->scp);
		reqs_run(ch);
		assert(ch->ended || !ch->out.failed);
		buf_consume(&ch->out, buf_len(&ch->out));
		if (fake_waiting(f) == 0 && i > 3)
			return;
	}
}

static void
feed(struct fake *f, struct chan *ch, const uint8_t *p, size_t n)
{
	unsigned idle = 0;
	size_t taken;

	while (n > 0 && ch->bad == NULL) {
		taken = (size_t)chan_take(ch, p, (uint32_t)n, false);
		assert(taken <= n);
		idle = taken > 0 ? 0 : idle + 1;
		assert(idle < 1000);
		p += taken;
		n -= taken;
		assert(n == 0 || chan_stalled(ch));
		fake_release(f);
		settle(f, ch);
	}
}

static void
set_knobs(struct fake *f, uint8_t knobs)
{
	f->hold = knobs & HOLD;
	f->read_max = knobs & SHORT_READS ? 3 : 0;
	f->write_err = knobs & WRITES_FAIL ? ERR_NO_SPACE : ERR_OK;
	f->write_err_from = 5;
	f->discard = true;
	f->page_max = 2;
	fake_put(f, "/a", "0123456789", 10);
	fake_put_dir(f, "/d");
	fake_put(f, "/d/x", "", 0);
	fake_put(f, "/d/y.mov", "abc", 3);
	fake_put_dir(f, "/d/e");
	fake_put(f, "/d/e/z", "", 0);
}

static void
serve(struct conn *c, struct fake *f, const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data + 2, '\n', size - 2);
	const size_t piece = 1 + data[1];
	struct chan *ch = chan_new(c);
	char *command;
	size_t at, n;

	if (end == NULL)
		end = data + size;
	command = mem_strndup((const char *)data + 2, (size_t)(end - data) - 2);
	ch->scp = scp_new(ch, command);
	free(command);
	if (ch->scp == NULL) {
		chan_end(ch);
	} else {
		ch->kind = CHAN_SCP;
		settle(f, ch);
		for (at = (size_t)(end - data) + 1; at < size; at += n) {
			n = size - at < piece ? size - at : piece;
			feed(f, ch, data + at, n);
		}
	}
	if (!(data[0] & CUT) && ch->scp != NULL) {
		fake_release(f);
		settle(f, ch);
		chan_end(ch);
		settle(f, ch);
		assert(ch->nreqs == 0 && ch->handles.used == 0);
	}
	chan_close_dirs(ch);
	session_free(c->session);
	chan_free(ch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	struct sftpd_config config = { .window = 8u << 20 };
	struct sftpd d = { .config = &config };
	struct conn c = { .d = &d, .busy = true };
	struct fake *f;

	if (size < 3)
		return 0;
	if (loop == NULL) {
		log_open("fuzz_scp", "stderr", LOG_LEVEL_ERROR);
		loop = loop_new();
	}
	f = fake_new(loop);
	d.bridge = &f->bridge;
	c.session = log_in(f);
	set_knobs(f, data[0]);
	serve(&c, f, data, size);
	assert(c.chans == NULL && c.paused == 0);
	assert(f->files == 0 && f->dirs == 0 && f->sessions == 0);
	assert(fake_waiting(f) == 0);
	fake_free(f);
	return 0;
}
