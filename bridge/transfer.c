/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/transfer.h"

#include <stddef.h>

#include "bridge/bridge.h"
#include "bridge/xferlog.h"
#include "lib/log.h"

const char *
transfer_outcome_name(enum transfer_outcome o)
{
	static const char *const names[] = { "complete", "parked", "failed",
					     "aborted" };

	return names[o];
}

void
transfer_log(struct bridge *b, const struct transfer_end *t)
{
	double seconds = (double)t->ms / 1000;

	log_info("transfer", t->session, t->upload ? "upload" : "download",
		 KV_S("user", t->user), KV_S("addr", t->addr),
		 KV_S("protocol", t->protocol), KV_S("path", t->path),
		 KV_U("bytes", t->bytes), KV_F("seconds", seconds),
		 KV_F("mb_per_s",
		      t->ms > 0 ? (double)t->bytes / 1e6 / seconds : 0),
		 KV_S("outcome", transfer_outcome_name(t->outcome)));
	if (b->xferlog != NULL)
		xferlog_add(b->xferlog, t);
}
