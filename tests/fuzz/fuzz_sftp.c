/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a logged-in client sends on an SFTP channel, without the SSH below it:
 * parser, requests and handlers on a file system in memory. The first byte of
 * the input sets knobs, the second the size of the pieces; the rest is the
 * stream behind an INIT.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "sftpd/channel_io.h"
#include "sftpd/conn.h"
#include "sftpd/req.h"
#include "tests/fake/fake_fs.h"

enum { HOLD = 1, HOLD_ACKS = 2, WRITES_FAIL = 4, CUT = 8, SHORT_READS = 16 };

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

/* What goes out is whole packets of a kind that a server sends. */
static void
check_replies(struct chan *ch)
{
	struct sftp_reader r;
	uint32_t len;
	uint8_t type;

	if (ch->ended)
		return;
	assert(!ch->out.failed);
	sftp_reader_init(&r, buf_data(&ch->out), buf_len(&ch->out));
	while (r.left > 0) {
		len = sftp_read_u32(&r);
		assert(!r.bad && len >= 5 && len <= r.left);
		type = r.p[0];
		assert(type == SFTP_VERSION ||
		       (type >= SFTP_STATUS && type <= SFTP_ATTRS) ||
		       type == SFTP_EXTENDED_REPLY);
		r.p += len;
		r.left -= len;
	}
	buf_consume(&ch->out, buf_len(&ch->out));
}

static void
settle(struct fake *f, struct chan *ch)
{
	int i;

	for (i = 0; i < 1000 && (i == 0 || fake_waiting(f) > 0); i++) {
		loop_turn(f->bridge.loop, 0);
		reqs_run(ch);
		check_replies(ch);
	}
}

static void
feed(struct fake *f, struct chan *ch, const uint8_t *p, size_t n)
{
	size_t taken;

	while (n > 0 && ch->bad == NULL) {
		taken = (size_t)chan_take(ch, p, (uint32_t)n, false);
		assert(taken <= n);
		p += taken;
		n -= taken;
		check_replies(ch);
		if (n == 0)
			break;
		/* It waits for something: let that come. */
		assert(chan_stalled(ch));
		fake_release(f);
		fake_ready(f, ERR_OK);
		settle(f, ch);
	}
}

static void
set_knobs(struct fake *f, uint8_t knobs)
{
	f->discard = true;
	f->hold = knobs & HOLD;
	f->hold_acks = knobs & HOLD_ACKS;
	f->read_max = knobs & SHORT_READS ? 3 : 0;
	f->write_err = knobs & WRITES_FAIL ? ERR_NO_SPACE : ERR_OK;
	f->write_err_from = 5;
	f->page_max = 2;
	fake_put(f, "/a", "0123456789", 10);
	fake_put_dir(f, "/d");
	fake_put(f, "/d/x", "", 0);
	fake_put(f, "/d/y", "", 0);
	fake_put(f, "/d/z", "", 0);
}

static void
serve(struct conn *c, struct fake *f, const uint8_t *data, size_t size)
{
	static const uint8_t init[] = { 0, 0, 0, 5, 1, 0, 0, 0, 3 };
	struct chan *ch = chan_new(c);
	const size_t piece = 1 + data[1];
	size_t at, n;

	ch->kind = CHAN_SFTP;
	feed(f, ch, init, sizeof(init));
	for (at = 2; at < size; at += n) {
		n = size - at < piece ? size - at : piece;
		feed(f, ch, data + at, n);
	}
	if (!(data[0] & CUT)) {
		fake_release(f);
		fake_ready(f, ERR_OK);
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
		log_open("fuzz_sftp", "stderr", LOG_LEVEL_ERROR);
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
