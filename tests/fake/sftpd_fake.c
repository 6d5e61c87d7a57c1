/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SFTP front end on a file system in memory, on loopback, for trying real
 * clients and for measuring: "sftpd_fake KEY [PORT [INI]]" makes the host key
 * KEY if it is missing, prints "port N" and serves user "ann", password
 * "secret" (and the key in $FAKE_KEY, base64) until SIGTERM or SIGINT. INI may
 * have an [sftp] section. $FAKE_DISCARD: bytes are counted, not kept.
 * $FAKE_PAUSE_MS: uploads pause that long every second.
 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sftpd/sftpd.h"
#include "tests/fake/fake_fs.h"

#define PAUSE_EVERY_MS 1000

struct world {
	struct loop *loop;
	struct fake *fake;
	struct sftpd *sftpd;
	struct loop_timer *pauser;
	unsigned pause_ms;
	bool paused;
};

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
	  int len, void *arg)
{
	struct world *w = arg;

	(void)l;
	(void)len;
	sftpd_accept(w->sftpd, fd, sa);
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_stop(arg);
}

static void
on_pauser(void *arg)
{
	struct world *w = arg;

	w->paused = !w->paused;
	fake_pause(w->fake, w->paused);
	loop_timer_set(w->pauser, w->paused ? w->pause_ms : PAUSE_EVERY_MS);
}

static struct evconnlistener *
listen_on(struct world *w, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	socklen_t len = sizeof(sa);
	struct evconnlistener *l;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l = evconnlistener_new_bind(loop_base(w->loop), on_accept, w,
				    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE |
					    LEV_OPT_CLOSE_ON_EXEC,
				    128, (struct sockaddr *)&sa, sizeof(sa));
	if (l == NULL)
		return NULL;
	getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&sa, &len);
	printf("port %u\n", ntohs(sa.sin_port));
	fflush(stdout);
	return l;
}

/* Without a file of its own: an empty one, as conf wants a regular file. */
static struct conf *
load(const char *ini)
{
	char empty[] = "/tmp/sftpd_fake.XXXXXX";
	struct conf *conf;
	int fd;

	if (ini != NULL)
		return conf_load(ini);
	fd = mkstemp(empty);
	conf = conf_load(empty);
	if (fd >= 0) {
		unlink(empty);
		close(fd);
	}
	return conf;
}

static bool
configure(struct sftpd_config *c, const char *key, const char *ini)
{
	struct conf *conf = load(ini);
	size_t i, n;

	sftpd_config_read(conf, c);
	c->make_host_keys = true;
	free(c->host_key_paths[0]);
	c->host_key_paths[0] = mem_strdup(key);
	n = conf_finish(conf);
	for (i = 0; i < n; i++)
		fprintf(stderr, "%s\n", conf_complaint(conf, i));
	conf_free(conf);
	return n == 0;
}

static void
set_knobs(struct world *w)
{
	const char *key = getenv("FAKE_KEY"), *pause = getenv("FAKE_PAUSE_MS");
	unsigned char *blob;
	long n;

	w->fake->discard = getenv("FAKE_DISCARD") != NULL;
	if (key != NULL) {
		blob = mem_alloc(strlen(key) + 3);
		n = base64_decode(key, strlen(key), blob);
		w->fake->key = blob;
		w->fake->key_len = n < 0 ? 0 : (size_t)n;
	}
	if (pause == NULL)
		return;
	w->pause_ms = (unsigned)strtoul(pause, NULL, 10);
	w->pauser = loop_timer_new(w->loop, on_pauser, w);
	loop_timer_set(w->pauser, PAUSE_EVERY_MS);
}

static void
serve(struct world *w, uint16_t port)
{
	struct evconnlistener *l = listen_on(w, port);
	struct event *term, *intr;

	if (l == NULL) {
		perror("sftpd_fake: listen");
		return;
	}
	term = evsignal_new(loop_base(w->loop), SIGTERM, on_signal, w->loop);
	intr = evsignal_new(loop_base(w->loop), SIGINT, on_signal, w->loop);
	evsignal_add(term, NULL);
	evsignal_add(intr, NULL);
	loop_run(w->loop);
	event_free(term);
	event_free(intr);
	evconnlistener_free(l);
}

int
main(int argc, char **argv)
{
	struct world w = { 0 };
	struct sftpd_config config;
	enum err err;

	if (argc < 2) {
		fprintf(stderr, "usage: sftpd_fake KEY [PORT [INI]]\n");
		return 2;
	}
	log_open("sftpd_fake", "stderr",
		 getenv("FAKE_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (!configure(&config, argv[1], argc > 3 ? argv[3] : NULL))
		return 2;
	w.loop = loop_new();
	w.fake = fake_new(w.loop);
	set_knobs(&w);
	err = sftpd_open(&w.sftpd, &config, &w.fake->bridge);
	if (err == ERR_OK)
		serve(&w, argc > 2 ? (uint16_t)atoi(argv[2]) : 0);
	loop_timer_free(w.pauser);
	sftpd_close(w.sftpd);
	free((void *)(uintptr_t)w.fake->key);
	fake_free(w.fake);
	sftpd_config_free(&config);
	loop_free(w.loop);
	return err == ERR_OK ? 0 : 1;
}
