/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether AES-GCM may be offered. libssh on OpenSSL did not verify the tag of
 * AES-GCM before 0.11.5 and 0.12.1 (CVE-2026-59847): a bit flipped on the wire
 * went into the file. Distributions have mended 0.10 without a new version
 * number, so only trying it tells.
 */
#ifndef SFTPD_GCM_H
#define SFTPD_GCM_H

#include <stdbool.h>

#include "sftpd/sftpd.h"

/*
 * Never where it does not verify what it decrypts: then auto leaves it out
 * with a warning, and yes is refused with ERR_UNSUPPORTED.
 */
enum err gcm_offered(enum sftpd_gcm mode, bool *offered);
enum err gcm_decide(enum sftpd_gcm mode, bool works, bool *offered);

/*
 * Connects libssh with itself by AES-GCM, twice, and looks at what the server
 * makes of a packet that came whole and of one with a flipped bit. True only
 * if it took the first and refused the second. Takes some milliseconds.
 */
bool gcm_works(void);

#endif
