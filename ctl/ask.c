/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define MASTER "sluiced.sock"
#define WORKER "worker." /* and its slot */
#define ANSWER_MAX (512u * 1024)
#define CHUNK 4096

static int
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (str_copy(sun.sun_path, sizeof(sun.sun_path), path) != 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool
wait_readable(int fd, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = clock_ms();
	int n;

	if (now >= until)
		return false;
	do
		n = poll(&p, 1, (int)(until - now));
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Reads up to the newline, or the end of the connection. */
static bool
read_line(int fd, struct buf *in, unsigned timeout_ms)
{
	uint64_t until = clock_ms() + timeout_ms;
	ssize_t n = 1;
	char *p;

	while (n > 0 && (buf_len(in) == 0 ||
			 memchr(buf_data(in), '\n', buf_len(in)) == NULL)) {
		p = buf_reserve(in, CHUNK);
		if (p == NULL || !wait_readable(fd, until))
			return false;
		n = read(fd, p, CHUNK);
		if (n > 0)
			buf_commit(in, (size_t)n);
	}
	return buf_len(in) > 0;
}

static enum err
err_by_name(const char *name, size_t n)
{
	int e;

	for (e = 0; e < ERR_COUNT; e++)
		if (strlen(err_name(e)) == n &&
		    memcmp(err_name(e), name, n) == 0)
			return e;
	return ERR_IO;
}

static void
parse(const char *line, struct answer *out)
{
	size_t n = strcspn(line, "\n"), word;

	out->reached = true;
	if (n >= 2 && memcmp(line, "ok", 2) == 0 &&
	    (n == 2 || line[2] == ' ')) {
		out->err = ERR_OK;
		out->text = mem_strndup(line + 2 + (n > 2), n - 2 - (n > 2));
		return;
	}
	if (n < 4 || memcmp(line, "err ", 4) != 0) {
		out->err = ERR_IO;
		out->text = mem_strdup("an answer that makes no sense");
		return;
	}
	word = strcspn(line + 4, " \n");
	out->err = err_by_name(line + 4, word);
	n -= 4 + word;
	out->text = mem_strndup(line + 4 + word + (n > 0), n - (n > 0));
}

static void
ask(const char *path, const char *line, unsigned timeout_ms, struct answer *out)
{
	char *request = mem_printf("%s\n", line);
	struct buf in;
	int fd = dial(path);

	out->connected = fd >= 0;
	out->reached = false;
	out->err = fd < 0 ? err_from_errno(errno) : ERR_AGAIN;
	out->text = mem_strdup(fd < 0 ? strerror(errno)
				      : "it gave no answer in time");
	buf_init(&in, ANSWER_MAX);
	if (fd >= 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) > 0 &&
	    read_line(fd, &in, timeout_ms)) {
		free(out->text);
		parse(buf_cstr(&in), out);
	}
	if (fd >= 0)
		close(fd);
	buf_free(&in);
	free(request);
}

void
ask_master(const struct ctl *c, const char *line, unsigned timeout_ms,
	   struct answer *out)
{
	char *path = mem_printf("%s/" MASTER, c->bridge.run_dir);

	ask(path, line, timeout_ms, out);
	free(path);
}

static int
is_worker(const struct dirent *d)
{
	return strncmp(d->d_name, WORKER, strlen(WORKER)) == 0;
}

/* Sockets that dead workers left refuse; one that listens ends the search. */
void
ask_worker(const struct ctl *c, const char *line, unsigned timeout_ms,
	   struct answer *out)
{
	struct dirent **names = NULL;
	int i, n = scandir(c->bridge.run_dir, &names, is_worker, versionsort);

	out->connected = out->reached = false;
	out->err = ERR_NOT_FOUND;
	out->text = mem_strdup("there is no worker");
	for (i = 0; i < n; i++) {
		char *path = mem_printf("%s/%s", c->bridge.run_dir,
					names[i]->d_name);

		if (!out->connected) {
			free(out->text);
			ask(path, line, timeout_ms, out);
		}
		free(path);
		free(names[i]);
	}
	free(names);
}

void
ask_complain(const struct ctl *c, const struct answer *a)
{
	if (a->reached)
		ctl_error("the daemon refuses: %s (%s)",
			  a->text[0] != '\0' ? a->text : err_text(a->err),
			  err_name(a->err));
	else if (a->connected)
		ctl_error("the daemon in %s does not answer in time",
			  c->bridge.run_dir);
	else if (a->err == ERR_DENIED)
		ctl_error("no access to the daemon's socket in %s: run this "
			  "as root or as the daemon's account",
			  c->bridge.run_dir);
	else
		ctl_error("no daemon runs here (no answer in %s: %s); is "
			  "sluiced started, and is -c its configuration?",
			  c->bridge.run_dir, a->text);
}
