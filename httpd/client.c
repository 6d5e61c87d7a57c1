/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/client.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "bridge/ledger.h"
#include "httpd/reply.h"
#include "lib/log.h"
#include "lib/mem.h"

#define STEPS_MAX 32	 /* of one connection, then others */
#define LINGER_MS 3000	 /* for the client to take the last reply */
#define TRICKLE_MS 10000 /* how often a little is read while paused */
#define READ_MAX 16384	 /* bytes at a time while a head is read */
#define INPUT_MAX (HTTP_HEAD_MAX + READ_MAX)
#define ANONYMOUS_MAX 32 /* requests without a log-in */

void
client_serving(const struct client *c, bool begins)
{
	const struct user *u = c->session ? session_user(c->session) : NULL;
	struct ledger *l = c->httpd->bridge->ledger;

	if (begins && c->session)
		ledger_serving(l, session_id(c->session), u ? u->name : "");
	else
		ledger_serving(l, "", "");
}

void
client_soon(struct client *c)
{
	if (!c->dead)
		wire_again(c->wire);
}

void
client_kill(struct client *c)
{
	if (c->dead)
		return;
	c->dead = true;
	wire_watch(c->wire, false, false);
	loop_timer_clear(c->timer);
	loop_timer_set(c->reaper, 0);
}

/* The session goes first: from there on nothing calls the exchange. */
static void
drop_session(struct client *c)
{
	session_free(c->session);
	c->session = NULL;
	c->logged_in = false;
}

static void
drop_request(struct client *c)
{
	struct exchange *x = c->exchange;

	c->exchange = NULL;
	if (x && x->ops->clear)
		x->ops->clear(x);
	free(x);
	if (c->text)
		mem_wipe(c->text, strlen(c->text));
	free(c->text);
	c->text = NULL;
	memset(&c->head, 0, sizeof(c->head));
}

void
client_free(struct client *c)
{
	drop_session(c);
	drop_request(c);
	wire_free(c->wire);
	loop_timer_free(c->timer);
	loop_timer_free(c->reaper);
	mem_wipe(c->in.data, c->in.size);
	buf_free(&c->in);
	buf_free(&c->out);
	DL_DELETE(c->httpd->clients, c);
	c->httpd->count--;
	mem_wipe(c, sizeof(*c));
	free(c);
}

void
client_fail(struct client *c, int status, const char *detail)
{
	if (c->dead || c->state == CLIENT_LINGER)
		return;
	if (c->status) {
		/* A reply that was begun can only be cut. */
		client_kill(c);
		return;
	}
	log_debug("httpd", c->session ? session_id(c->session) : NULL,
		  "refused", KV_I("status", status), KV_S("why", detail));
	drop_session(c);
	c->close = true;
	reply_problem(c, status, detail);
	drop_request(c);
	c->state = CLIENT_LINGER;
	client_soon(c);
}

void *
exchange_new(struct client *c, const struct exchange_ops *ops, size_t size)
{
	struct exchange *x = mem_alloc(size);

	x->c = c;
	x->ops = ops;
	c->exchange = x;
	c->state = CLIENT_REQUEST;
	return x;
}

void
exchange_take(struct exchange *x)
{
	struct client *c = x->c;

	x->taking = true;
	if (c->expects)
		buf_add_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	c->expects = false;
	client_soon(c);
}

void
exchange_pause(struct exchange *x, bool paused)
{
	x->paused = paused;
	client_soon(x->c);
}

bool
exchange_open(const struct exchange *x)
{
	return x->taking && !x->ended && !x->paused &&
	       !(x->ops->full && x->ops->full(x));
}

void
exchange_stop(struct exchange *x)
{
	x->taking = false;
}

void
exchange_end(struct exchange *x)
{
	x->ended = true;
	client_soon(x->c);
}

/* False: the connection is gone. */
static bool
flush(struct client *c)
{
	enum wire_io io = WIRE_OK;
	size_t n;

	while (buf_len(&c->out) > 0 && io == WIRE_OK) {
		io = wire_write(c->wire, buf_data(&c->out), buf_len(&c->out),
				&n);
		buf_consume(&c->out, n);
		c->moved += n;
	}
	if (io != WIRE_BROKEN)
		return true;
	client_kill(c);
	return false;
}

void
client_write(struct client *c, const void *data, size_t n)
{
	size_t done = 0;

	if (buf_len(&c->out) == 0 && n > 0 &&
	    wire_write(c->wire, data, n, &done) == WIRE_BROKEN) {
		client_kill(c);
		return;
	}
	c->moved += done;
	buf_add(&c->out, (const char *)data + done, n - done);
}

/* The request is done: what comes next on this connection? */
static void
next_request(struct client *c)
{
	bool last = c->close || !c->body_done || !c->session ||
		    (!c->logged_in && c->requests >= ANONYMOUS_MAX);

	drop_request(c);
	c->status = 0;
	c->state = last ? CLIENT_LINGER : CLIENT_HEAD;
	c->wait = WAIT_NONE;
}

static void
begin_request(struct client *c, size_t n)
{
	int status;

	c->requests++;
	snprintf(c->id, sizeof(c->id), "%s-%u", session_id(c->session),
		 c->requests);
	c->text = mem_strndup((const char *)buf_data(&c->in), n);
	mem_wipe(c->in.data + c->in.off, n);
	buf_consume(&c->in, n);
	c->scan = 0;
	status = strlen(c->text) == n ? http_head_parse(c->text, n, &c->head)
				      : 400;
	if (status) {
		c->body_done = false;
		client_fail(c, status,
			    "The request's head is malformed, too "
			    "large, or ambiguous.");
		return;
	}
	log_debug("httpd", session_id(c->session), "request",
		  KV_S("request", c->id), KV_S("method", c->head.method_name),
		  KV_S("target", c->head.target));
	c->close = c->head.close;
	c->body_done = c->head.body == HTTP_BODY_NONE;
	c->expects = c->head.expects;
	c->left = c->head.length;
	http_chunk_init(&c->chunk);
	route_request(c);
}

/* Of the head. False: nothing can be done now. */
static bool
read_head(struct client *c)
{
	int status;
	size_t n = http_head_find((const char *)buf_data(&c->in),
				  buf_len(&c->in), &c->scan, &status);
	enum wire_io io;

	if (n > 0) {
		begin_request(c, n);
		return true;
	}
	if (status) {
		c->body_done = false;
		client_fail(c, status,
			    "The request's head is malformed or too "
			    "large.");
		return true;
	}
	io = wire_read(c->wire, c->httpd->buffer, READ_MAX, &n);
	buf_add(&c->in, c->httpd->buffer, n);
	c->moved += n;
	if (io == WIRE_EOF || io == WIRE_BROKEN)
		client_kill(c);
	return io == WIRE_OK;
}

static bool
run_request(struct client *c)
{
	struct exchange *x = c->exchange;

	if (x->ended) {
		if (buf_len(&c->out) > 0 || x->busy > 0)
			return false;
		next_request(c);
		return true;
	}
	if (x->ops->drained && buf_len(&c->out) < CLIENT_OUTPUT_LOW)
		x->ops->drained(x);
	if (x->ended || !x->taking || c->body_done)
		return x->ended;
	if (c->sip > 0 || exchange_open(x))
		return client_read_body(c);
	if (!x->paused)
		client_soon(c);
	return false;
}

/* Whoever closes on bytes that were not read resets the connection. */
static bool
linger(struct client *c)
{
	enum wire_io io;
	size_t n;

	if (buf_len(&c->out) > 0)
		return false;
	if (!c->finished)
		wire_finish(c->wire);
	c->finished = true;
	io = wire_read(c->wire, c->httpd->buffer, HTTPD_BUFFER, &n);
	if (io == WIRE_EOF || io == WIRE_BROKEN)
		client_kill(c);
	return io == WIRE_OK;
}

/* False: nothing can be done now. */
static bool
step(struct client *c)
{
	if (c->dead || !flush(c))
		return false;
	switch (c->state) {
	case CLIENT_HEAD:
		if (c->httpd->draining && buf_len(&c->in) == 0) {
			client_kill(c);
			return false;
		}
		return read_head(c);
	case CLIENT_LOGIN:
		return false;
	case CLIENT_REQUEST:
		return run_request(c);
	case CLIENT_LINGER:
		return linger(c);
	}
	return false;
}

static enum client_wait
waits_for(const struct client *c)
{
	const struct exchange *x = c->exchange;

	if (c->state == CLIENT_LINGER)
		return WAIT_LINGER;
	if (buf_len(&c->out) > 0)
		return WAIT_SEND;
	if (c->state == CLIENT_HEAD)
		return c->requests > 0 && buf_len(&c->in) == 0 ? WAIT_IDLE
							       : WAIT_HEAD;
	if (!x || !x->taking || c->body_done || x->ended)
		return WAIT_NONE;
	return x->paused ? WAIT_PAUSED : WAIT_BODY;
}

/* A head has its time as a whole, a body as long as it moves. */
static void
set_timer(struct client *c)
{
	const struct httpd_config *cfg = c->httpd->config;
	const unsigned ms[] = { [WAIT_IDLE] = cfg->idle_timeout_ms,
				[WAIT_HEAD] = cfg->header_timeout_ms,
				[WAIT_BODY] = cfg->body_timeout_ms,
				[WAIT_PAUSED] = TRICKLE_MS,
				[WAIT_SEND] = cfg->body_timeout_ms,
				[WAIT_LINGER] = LINGER_MS };
	enum client_wait wait = waits_for(c);
	bool moves = wait == WAIT_BODY || wait == WAIT_SEND;

	if (wait == c->wait && !(moves && c->moved != c->timed))
		return;
	c->wait = wait;
	c->timed = c->moved;
	if (wait == WAIT_NONE)
		loop_timer_clear(c->timer);
	else
		loop_timer_set(c->timer, ms[wait]);
}

static void
set_watch(struct client *c)
{
	const struct exchange *x = c->exchange;
	bool reads = c->state == CLIENT_HEAD || c->state == CLIENT_LINGER;

	if (c->state == CLIENT_REQUEST && exchange_open(x))
		reads = !c->body_done;
	wire_watch(c->wire, reads, buf_len(&c->out) > 0);
}

void
client_run(struct client *c)
{
	unsigned i;
	bool more = true;

	if (c->running || c->dead)
		return;
	c->running = true;
	client_serving(c, true);
	for (i = 0; more && i < STEPS_MAX; i++)
		more = step(c);
	client_serving(c, false);
	c->running = false;
	if (c->dead)
		return;
	set_watch(c);
	set_timer(c);
	if (more)
		client_soon(c);
}

static void
on_wire(void *arg)
{
	client_run(arg);
}

static void
on_timer(void *arg)
{
	struct client *c = arg;
	enum client_wait wait = c->wait;

	c->wait = WAIT_NONE;
	switch (wait) {
	case WAIT_HEAD:
		client_fail(c, 408, "The request's head took too long.");
		break;
	case WAIT_BODY:
		client_fail(c, 408,
			    "The request's body took too long; what "
			    "came is kept.");
		break;
	case WAIT_PAUSED:
		c->sip = wire_sip(c->wire);
		client_run(c);
		break;
	case WAIT_NONE:
		break;
	default:
		client_kill(c);
	}
}

static void
on_reap(void *arg)
{
	client_free(arg);
}

/* Too many connections: a reply where the client can read it. */
static void
turn_away(int fd, bool tls, enum err err)
{
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\n"
				   "Connection: close\r\nRetry-After: 5\r\n"
				   "Content-Length: 0\r\n\r\n";
	static const char held[] = "HTTP/1.1 429 Too Many Requests\r\n"
				   "Connection: close\r\nRetry-After: 60\r\n"
				   "Content-Length: 0\r\n\r\n";
	const char *text = err == ERR_DENIED ? held : busy;

	if (!tls)
		(void)!send(fd, text, strlen(text),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static SSL *
tls_new(struct httpd *h)
{
	SSL *ssl = h->tls ? SSL_new(h->tls) : NULL;

	if (ssl)
		SSL_set_accept_state(ssl);
	else
		ERR_clear_error();
	return ssl;
}

void
client_accept(struct httpd *h, int fd, const struct sockaddr *peer, bool tls)
{
	SSL *ssl = tls ? tls_new(h) : NULL;
	struct session *s = NULL;
	struct client *c;
	enum err err = tls && !ssl ? ERR_IO : ERR_OK;

	if (!err)
		err = session_new(&s, h->bridge, tls ? "https" : "http", peer);
	if (err) {
		SSL_free(ssl);
		turn_away(fd, tls, err);
		return;
	}
	c = mem_alloc(sizeof(*c));
	c->httpd = h;
	c->session = s;
	memcpy(&c->peer, peer,
	       peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					   : sizeof(struct sockaddr_in));
	c->wire = wire_new(h->loop, fd, ssl, on_wire, c);
	c->timer = loop_timer_new(h->loop, on_timer, c);
	c->reaper = loop_timer_new(h->loop, on_reap, c);
	buf_init(&c->in, INPUT_MAX + HTTPD_BUFFER);
	buf_init(&c->out, CLIENT_OUTPUT_MAX);
	DL_APPEND(h->clients, c);
	h->count++;
	client_run(c);
}
