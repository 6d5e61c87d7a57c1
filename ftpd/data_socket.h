/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of data connections: non-blocking, closed on exec. */
#ifndef FTPD_DATA_SOCKET_H
#define FTPD_DATA_SOCKET_H

#include "ftpd/data.h"

enum err data_socket_listen(const struct data_env *env, int *fd,
			    uint16_t *port);
int data_socket_accept(int listener, struct sockaddr_storage *from); /* or -1 */
int data_socket_connect(const struct data_env *env,
			const struct sockaddr_storage *to); /* or -1 */

/* The address without its port. */
void data_socket_text(const struct sockaddr_storage *ss, char *out,
		      size_t size);

#endif
