/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FTP front end over an in-memory double of the bridge, for real clients:
 *
 *   ftpd_fake CONFIG PORT [TLS-PORT]
 *
 * listens on 127.0.0.1 (and ::1 for PORT), explicit TLS on PORT and implicit
 * TLS on TLS-PORT, until SIGTERM. SIGUSR1 drains.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "bridge/ledger.h"
#include "ftpd/ftpd.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/fake/fake_vfs.h"

struct server {
	struct loop *loop;
	struct ftpd *ftpd;
};

/* The bridge's own ledger is not part of this program. */
void
ledger_serving(struct ledger *l, const char *session, const char *user)
{
	(void)l, (void)session, (void)user;
}

static void
on_plain(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
	 int len, void *arg)
{
	struct server *s = arg;

	(void)l, (void)len;
	ftpd_accept(s->ftpd, fd, sa, false);
}

static void
on_tls(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
       int len, void *arg)
{
	struct server *s = arg;

	(void)l, (void)len;
	ftpd_accept(s->ftpd, fd, sa, true);
}

static struct evconnlistener *
listen_at(struct server *s, evconnlistener_cb fn, const char *ip,
	  const char *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr *sa = (struct sockaddr *)&in;
	int len = sizeof(in);

	if (inet_pton(AF_INET, ip, &in.sin_addr) == 1) {
		in.sin_port = htons((uint16_t)atoi(port));
	} else {
		inet_pton(AF_INET6, ip, &in6.sin6_addr);
		in6.sin6_port = htons((uint16_t)atoi(port));
		sa = (struct sockaddr *)&in6;
		len = sizeof(in6);
	}
	return evconnlistener_new_bind(loop_base(s->loop), fn, s,
				       LEV_OPT_CLOSE_ON_FREE |
					       LEV_OPT_REUSEABLE |
					       LEV_OPT_CLOSE_ON_EXEC,
				       64, sa, len);
}

static void
on_term(evutil_socket_t sig, short what, void *arg)
{
	struct server *s = arg;
	struct rusage ru;

	(void)what;
	if (sig == SIGUSR1) {
		ftpd_drain(s->ftpd);
		return;
	}
	getrusage(RUSAGE_SELF, &ru);
	fprintf(stderr, "cpu user=%ld.%06ld system=%ld.%06ld maxrss=%ld\n",
		ru.ru_utime.tv_sec, (long)ru.ru_utime.tv_usec,
		ru.ru_stime.tv_sec, (long)ru.ru_stime.tv_usec, ru.ru_maxrss);
	loop_stop(s->loop);
}

static bool
serve(struct server *s, char **ports)
{
	struct evconnlistener *l[3];
	struct event *term, *usr1;
	bool ok;
	size_t i;

	term = evsignal_new(loop_base(s->loop), SIGTERM, on_term, s);
	usr1 = evsignal_new(loop_base(s->loop), SIGUSR1, on_term, s);
	event_add(term, NULL);
	event_add(usr1, NULL);
	l[0] = listen_at(s, on_plain, "127.0.0.1", ports[0]);
	l[1] = listen_at(s, on_plain, "::1", ports[0]);
	l[2] = ports[1] ? listen_at(s, on_tls, "127.0.0.1", ports[1]) : NULL;
	ok = l[0] && (l[2] || !ports[1]);
	if (ok)
		loop_run(s->loop);
	for (i = 0; i < 3; i++)
		if (l[i])
			evconnlistener_free(l[i]);
	event_free(term);
	event_free(usr1);
	return ok;
}

static bool
configure(const char *path, struct ftpd_config *cfg)
{
	struct conf *conf = conf_load(path);
	size_t i, n;

	ftpd_config_read(conf, cfg);
	n = conf_finish(conf);
	for (i = 0; i < n; i++)
		fprintf(stderr, "%s\n", conf_complaint(conf, i));
	conf_free(conf);
	return n == 0 && ftpd_certificate(cfg) == ERR_OK;
}

int
main(int argc, char **argv)
{
	struct server s = { .loop = loop_new() };
	struct bridge bridge = { .loop = s.loop,
				 .pool = work_pool_new(s.loop, 1) };
	struct ftpd_config cfg = { 0 };
	bool ok;

	if (argc < 3) {
		fprintf(stderr, "usage: ftpd_fake CONFIG PORT [TLS-PORT]\n");
		work_pool_free(bridge.pool);
		loop_free(s.loop);
		return 2;
	}
	log_open("ftpd_fake", "stderr",
		 getenv("DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	ok = configure(argv[1], &cfg) &&
	     ftpd_open(&s.ftpd, &cfg, &bridge) == ERR_OK && serve(&s, argv + 2);
	ftpd_close(s.ftpd);
	loop_turn(s.loop, 0); /* bufferevents end in the loop */
	fake_vfs_clear();
	ftpd_config_free(&cfg);
	work_pool_free(bridge.pool);
	loop_flush(s.loop);
	loop_free(s.loop);
	return ok ? 0 : 2;
}
