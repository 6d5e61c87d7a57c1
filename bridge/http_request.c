/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/http_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"

#define BULK_BYTES (1u << 20)
#define UPLOAD_BUFFER_MIN (16u << 10)
#define UPLOAD_BUFFER_MAX (512u << 10)
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_INTERVAL_S 10L

static struct curl_slist *
add_header(struct curl_slist *list, const char *line)
{
	struct curl_slist *more = curl_slist_append(list, line);

	if (!more)
		abort();
	return more;
}

struct http_request *
request_new(struct http_host *host, const struct http_call *call)
{
	struct http_request *r = mem_alloc(sizeof(*r));

	r->host = host;
	r->method = mem_strdup(call->method);
	r->url = mem_strdup(call->url);
	for (size_t i = 0; call->headers && call->headers[i]; i++)
		r->headers = add_header(r->headers, call->headers[i]);
	/* Waiting for "100 Continue" costs a round trip for each part. */
	r->headers = add_header(r->headers, "Expect:");
	r->has_body = call->has_body;
	r->data = call->data;
	r->fd = call->fd;
	r->off = call->off;
	r->len = call->len;
	r->expected = call->expected;
	r->once = call->once;
	r->discard = call->discard;
	r->reply_max = call->reply_max;
	r->stall_timeout_ms = call->stall_timeout_ms;
	r->stall_bytes = 1;
	if (!r->stall_timeout_ms) {
		r->stall_timeout_ms = host->stall_timeout_ms;
		r->stall_bytes = host->stall_bytes;
	}
	buf_init(&r->head, HTTP_HEADERS_MAX);
	buf_init(&r->body, call->reply_max);
	return r;
}

void
request_free(struct http_request *r)
{
	free(r->method);
	free(r->url);
	curl_slist_free_all(r->headers);
	buf_free(&r->head);
	buf_free(&r->body);
	free(r);
}

bool
request_is_bulk(const struct http_request *r)
{
	return r->len >= BULK_BYTES || r->expected >= BULK_BYTES;
}

/*
 * The body is read under a lock, so that a cancel that has taken the lock
 * once knows that no byte of it is read any more.
 */
static size_t
read_locked(struct http_request *r, char *dst, size_t n)
{
	ssize_t got;

	if (r->canceled)
		return CURL_READFUNC_ABORT;
	if (n > r->len - r->pos)
		n = (size_t)(r->len - r->pos);
	if (r->data) {
		memcpy(dst, r->data + r->pos, n);
		return n;
	}
	do
		got = pread(r->fd, dst, n, (off_t)(r->off + r->pos));
	while (got < 0 && errno == EINTR);
	if (got > 0 || n == 0)
		return (size_t)got;
	r->body_failed = true; /* an error, or shorter than promised */
	return CURL_READFUNC_ABORT;
}

static size_t
on_read(char *dst, size_t size, size_t count, void *arg)
{
	struct http_request *r = arg;
	size_t n;

	pthread_mutex_lock(r->reading);
	n = read_locked(r, dst, size * count);
	pthread_mutex_unlock(r->reading);
	if (n == CURL_READFUNC_ABORT)
		return n;
	r->pos += n;
	if (r->pos == r->len)
		r->sent_whole = true;
	return n;
}

/* curl rewinds a body when a kept-alive connection turns out to be dead. */
static int
on_seek(void *arg, curl_off_t off, int origin)
{
	struct http_request *r = arg;

	if (origin != SEEK_SET || off < 0 || (uint64_t)off > r->len)
		return CURL_SEEKFUNC_FAIL;
	r->pos = (uint64_t)off;
	return CURL_SEEKFUNC_OK;
}

static void
refuse(struct http_request *r, const char *address)
{
	r->refused = true;
	str_copy(r->address, sizeof(r->address), address);
}

/* The very address that is connected to, whatever the name said before. */
static curl_socket_t
on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	char text[ADDRESS_TEXT_MAX];

	(void)purpose;
	if (!address_is_public(&a->addr)) {
		address_text(&a->addr, text);
		refuse(arg, text);
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static int
on_send(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct http_request *r = arg;

	(void)local_ip;
	(void)port;
	(void)local_port;
	/* A kept connection may be one that somebody else was allowed. */
	if (r->host->only_public && !address_text_is_public(ip)) {
		refuse(r, ip);
		return CURL_PREREQFUNC_ABORT;
	}
	if (r->once && r->attempts)
		return CURL_PREREQFUNC_ABORT;
	r->attempts++;
	if (!r->has_body || r->len == 0)
		r->sent_whole = true;
	return CURL_PREREQFUNC_OK;
}

/* Keeps the lines of the last header block: a 1xx has one of its own. */
static size_t
on_header(char *line, size_t size, size_t count, void *arg)
{
	struct http_request *r = arg;
	size_t n = size * count, len = n;

	while (len && strchr("\r\n \t", line[len - 1]))
		len--;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		buf_clear(&r->head);
		r->answered = false;
	}
	if (len == 0)
		r->answered = true;
	buf_add(&r->head, line, len);
	buf_add_u8(&r->head, 0);
	if (!r->head.failed)
		return n;
	r->too_large = true;
	return 0;
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_request *r = arg;

	if (r->discard) {
		r->discarded += size * count;
		r->too_large = r->discarded > r->reply_max;
		return r->too_large ? 0 : size * count;
	}
	/* All of it at once: growing would copy what came over and over. */
	if (!r->body.data && size * count < r->expected)
		buf_reserve(&r->body, r->expected);
	buf_add(&r->body, data, size * count);
	if (!r->body.failed)
		return size * count;
	r->too_large = true;
	return 0;
}

static void
prepare_body(struct http_request *r)
{
	CURL *e = r->easy;
	uint64_t buffer = r->len;

	if (buffer < UPLOAD_BUFFER_MIN)
		buffer = UPLOAD_BUFFER_MIN;
	if (buffer > UPLOAD_BUFFER_MAX)
		buffer = UPLOAD_BUFFER_MAX;
	curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->len);
	curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)buffer);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(e, CURLOPT_READDATA, r);
	curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(e, CURLOPT_SEEKDATA, r);
}

static void
prepare_host(struct http_request *r)
{
	const struct http_host *h = r->host;
	CURL *e = r->easy;
	long verify = h->verify_tls ? 1 : 0;

	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_USERAGENT, "sluice");
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)h->connect_timeout_ms);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)h->total_timeout_ms);
	if (h->only_public) {
		curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket);
		curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, r);
	}
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, verify);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2 * verify);
	if (h->ca_file)
		curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_file);
}

void
request_prepare(struct http_request *r, CURL *easy)
{
	r->easy = easy;
	prepare_host(r);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, r);
	curl_easy_setopt(easy, CURLOPT_URL, r->url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->headers);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, r);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, r);
	if (r->has_body)
		prepare_body(r);
	if (strcmp(r->method, "HEAD") == 0)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
}

/* Nothing was sent, because no address was one to connect to. */
static bool
was_refused(const struct http_request *r, CURLcode code)
{
	return r->refused && code != CURLE_OK && r->attempts == 0;
}

static enum http_end
end_of(const struct http_request *r, CURLcode code)
{
	if (was_refused(r, code))
		return HTTP_CONNECT;
	if (r->body_failed)
		return HTTP_BODY;
	if (r->too_large)
		return HTTP_TOO_LARGE;
	switch (code) {
	case CURLE_OK:
		return HTTP_DONE;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
		return HTTP_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return r->attempts ? HTTP_STALLED : HTTP_CONNECT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return HTTP_TLS;
	default:
		return HTTP_LOST;
	}
}

void
request_finish(struct http_request *r, CURLcode code)
{
	struct http_reply *p = &r->reply;
	long status = 0;

	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	r->easy = NULL;
	p->end = end_of(r, code);
	p->sent = r->sent_whole;
	p->answered = r->answered && status >= 200;
	p->status = (unsigned)status;
	p->why = "";
	if (code != CURLE_OK)
		p->why = r->error[0] ? r->error : curl_easy_strerror(code);
	if (r->body_failed)
		p->why = "the body could not be read";
	if (was_refused(r, code)) {
		snprintf(r->error, sizeof(r->error),
			 "the address %s is not a public one", r->address);
		p->why = r->error;
	}
	p->body = buf_data(&r->body);
	p->len = buf_len(&r->body);
	p->owned = &r->body.data;
	p->request = r;
}

void
request_stalled(struct http_request *r)
{
	request_finish(r, CURLE_OPERATION_TIMEDOUT);
	r->reply.end = HTTP_STALLED;
	r->reply.why = "no progress for too long";
}

bool
request_check_stall(struct http_request *r, uint64_t now_ms)
{
	curl_off_t up = 0, down = 0;
	uint64_t moved;

	curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	curl_easy_getinfo(r->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	moved = (uint64_t)up + (uint64_t)down;
	/* A rewound body counts anew, so less than before is progress too. */
	if (r->moved_at_ms == 0 || moved < r->moved ||
	    moved - r->moved >= r->stall_bytes) {
		r->moved = moved;
		r->moved_at_ms = now_ms;
		return false;
	}
	return now_ms - r->moved_at_ms >= r->stall_timeout_ms;
}

const char *
http_reply_header(const struct http_reply *reply, const char *name)
{
	size_t n = strlen(name);
	const char *p, *end;

	if (!reply->request)
		return NULL;
	p = (const char *)buf_data(&reply->request->head);
	end = p + buf_len(&reply->request->head);
	for (; p < end; p += strlen(p) + 1) {
		if (strncasecmp(p, name, n) != 0 || p[n] != ':')
			continue;
		p += n + 1;
		return p + strspn(p, " \t");
	}
	return NULL;
}

uint64_t
http_reply_retry_after(const struct http_reply *r, uint64_t max_ms)
{
	const char *v = http_reply_header(r, "retry-after");
	long long seconds;
	char *end;

	if (!v)
		return 0;
	seconds = strtoll(v, &end, 10);
	if (end == v) { /* a date */
		time_t at = curl_getdate(v, NULL);

		seconds = at > 0 ? (long long)(at - time(NULL)) : 0;
	}
	if (seconds <= 0)
		return 0;
	return (uint64_t)seconds < max_ms / 1000 ? (uint64_t)seconds * 1000
						 : max_ms;
}
