/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/ftpd.h"

#include <stdlib.h>
#include <utlist.h>

#include "ftpd/control.h"
#include "lib/mem.h"

enum err
ftpd_open(struct ftpd **out, const struct ftpd_config *cfg, struct bridge *b)
{
	struct ftpd *f = mem_alloc(sizeof(*f));
	enum err err = ERR_OK;

	f->config = cfg;
	f->bridge = b;
	f->loop = b->loop;
	if (cfg->tls != FTPD_TLS_OFF)
		err = ftp_tls_open(&f->tls, cfg);
	if (err) {
		free(f);
		return err;
	}
	f->public = public_addresses_new(b->loop, b->pool, cfg->public,
					 cfg->npublic);
	/* One byte in front, for a CR that waited for its LF. */
	f->buffer = (unsigned char *)mem_alloc(FTPD_BUFFER + 1) + 1;
	*out = f;
	return ERR_OK;
}

void
ftpd_accept(struct ftpd *f, int fd, const struct sockaddr *peer,
	    bool implicit_tls)
{
	control_accept(f, fd, peer, implicit_tls);
}

void
ftpd_drain(struct ftpd *f)
{
	struct control *c;

	f->draining = true;
	DL_FOREACH (f->controls, c)
		control_run(c);
}

unsigned
ftpd_sessions(const struct ftpd *f)
{
	return f->count;
}

void
ftpd_close(struct ftpd *f)
{
	struct control *c, *next;

	if (!f)
		return;
	DL_FOREACH_SAFE (f->controls, c, next)
		control_free(c);
	ftp_tls_close(f->tls);
	public_addresses_free(f->public);
	free(f->buffer - 1);
	free(f);
}
