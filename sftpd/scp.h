/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of scp before it spoke SFTP (`scp -O`): lines and bytes on the
 * channel of a command. Files stream between the channel and the vfs; what is
 * under way is a request of the channel, so that the end of a connection means
 * what it means for SFTP: a file that was ended is published, one that was not
 * can be resumed.
 */
#ifndef SFTPD_SCP_H
#define SFTPD_SCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chan;
struct scp;

/* NULL: the command is not one of scp's. */
struct scp *scp_new(struct chan *ch, const char *command);
void scp_free(struct scp *s); /* with its channel; NULL is fine */

/* Takes input until an answer must be awaited; returns how much. */
size_t scp_input(struct scp *s, const uint8_t *data, size_t len);

/* Goes on with what can go on. */
void scp_run(struct scp *s);

/* Input cannot be taken now. */
bool scp_waits(const struct scp *s);

/* Nothing follows, once the output is gone. */
bool scp_over(const struct scp *s);
int scp_status(const struct scp *s); /* the exit status */

#endif
