/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request, from what was read with its head and then straight
 * from the socket, piece by piece into the exchange.
 */
#include <stdlib.h>
#include <string.h>

#include "httpd/client.h"
#include "lib/mem.h"

#define CHUNKED_READ 65536 /* bytes, some of which may be the next request's */

/* False: the exchange takes no more now. */
static bool
takes(const struct client *c)
{
	const struct exchange *x = c->exchange;

	return !c->dead && x && c->state == CLIENT_REQUEST && x->taking &&
	       !x->ended && (c->sip > 0 || exchange_open(x));
}

static void
give(struct client *c, const unsigned char *p, size_t n)
{
	if (n > 0)
		c->exchange->ops->body(c->exchange, p, n);
}

static void
end_body(struct client *c)
{
	c->body_done = true;
	if (c->exchange && !c->exchange->ended && c->exchange->taking)
		c->exchange->ops->body_end(c->exchange);
}

static void
feed_length(struct client *c, const unsigned char *p, size_t n)
{
	c->left -= n;
	give(c, p, n);
	if (c->left == 0)
		end_body(c);
}

/* Returns how much was used; the rest waits. */
static size_t
feed_chunks(struct client *c, const unsigned char *p, size_t n)
{
	size_t used, len, total = 0;

	while (total < n && takes(c)) {
		switch (http_chunk_next(&c->chunk, p + total, n - total, &used,
					&len)) {
		case HTTP_CHUNK_BAD:
			client_fail(c, 400, "The body's chunks are malformed.");
			return n;
		case HTTP_CHUNK_END:
			total += used;
			end_body(c);
			return total;
		case HTTP_CHUNK_DATA:
			give(c, p + total + used - len, len);
			break;
		case HTTP_CHUNK_MORE:
			break;
		}
		total += used;
	}
	return total;
}

/* What came behind the head, or was not taken before. */
static bool
feed_input(struct client *c)
{
	size_t n = buf_len(&c->in), used = n;
	unsigned char *copy;

	if (n == 0)
		return false;
	if (c->head.body == HTTP_BODY_LENGTH && used > c->left)
		used = (size_t)c->left;
	copy = mem_alloc(n);
	memcpy(copy, buf_data(&c->in), n);
	if (c->head.body == HTTP_BODY_LENGTH)
		feed_length(c, copy, used);
	else
		used = feed_chunks(c, copy, n);
	buf_consume(&c->in, used);
	mem_wipe(copy, n);
	free(copy);
	return true;
}

static size_t
read_size(const struct client *c)
{
	size_t n = HTTPD_BUFFER;

	if (c->head.body == HTTP_BODY_CHUNKED)
		n = CHUNKED_READ;
	else if (c->left < n)
		n = (size_t)c->left;
	return c->sip > 0 && c->sip < n ? c->sip : n;
}

bool
client_read_body(struct client *c)
{
	unsigned char *p = c->httpd->buffer;
	enum wire_io io;
	size_t n, used;

	if (feed_input(c))
		return takes(c);
	io = wire_read(c->wire, p, read_size(c), &n);
	c->sip = c->sip > n && n > 0 ? c->sip - n : 0;
	c->moved += n;
	if (io == WIRE_EOF || io == WIRE_BROKEN) {
		/* What came is kept with the session's end. */
		client_kill(c);
		return false;
	}
	if (io != WIRE_OK)
		return false;
	if (c->head.body == HTTP_BODY_LENGTH) {
		feed_length(c, p, n);
		return true;
	}
	used = feed_chunks(c, p, n);
	if (used < n && !c->dead)
		buf_add(&c->in, p + used, n - used);
	return true;
}
