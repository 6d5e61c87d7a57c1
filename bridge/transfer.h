/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of each transfer, over whatever protocol: one line in the log, and
 * one in the xferlog where that is set. A transfer is what one open file moved,
 * so an upload that was broken off and resumed is two.
 */
#ifndef BRIDGE_TRANSFER_H
#define BRIDGE_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

struct bridge;

enum transfer_outcome {
	TRANSFER_COMPLETE, /* published or sealed; sent to its end */
	TRANSFER_PARKED,   /* the client broke off: kept and resumable */
	TRANSFER_FAILED,   /* we could not go on, or the store refused */
	TRANSFER_ABORTED   /* a download that the client did not want all of */
};
const char *transfer_outcome_name(enum transfer_outcome o);

struct transfer_end {
	const char *session, *user, *protocol;
	const char *addr; /* the client's, as text */
	const char *path; /* in the user's view */
	bool upload;
	uint64_t bytes; /* that were moved */
	uint64_t ms;
	enum transfer_outcome outcome;
};

void transfer_log(struct bridge *b, const struct transfer_end *t);

#endif
