/* SPDX-License-Identifier: Apache-2.0 */
/* Which algorithms are offered. Lists are names with commas between them. */
#ifndef SFTPD_ALGORITHMS_H
#define SFTPD_ALGORITHMS_H

#include <stdbool.h>

extern const char algorithms_kex[];
extern const char algorithms_macs[];
extern const char algorithms_host[];
extern const char algorithms_key[];

/*
 * The ciphers to offer: the operator's list, or ours when that is NULL; in
 * both those of AES-GCM only where `gcm` says so. The caller frees it.
 */
char *algorithms_ciphers(const char *list, bool gcm);

#endif
