/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/algorithms.h"

#include <stddef.h>
#include <string.h>

#include "lib/mem.h"

/*
 * Key exchange runs in the loop: what takes more than a few milliseconds there
 * (group18: 126, group-exchange: 238) would be a way to stall all sessions.
 */
const char algorithms_kex[] = "curve25519-sha256,"
			      "curve25519-sha256@libssh.org,"
			      "ecdh-sha2-nistp256,"
			      "ecdh-sha2-nistp384,"
			      "ecdh-sha2-nistp521";
const char algorithms_macs[] = "hmac-sha2-256-etm@openssh.com,"
			       "hmac-sha2-512-etm@openssh.com,"
			       "hmac-sha2-256,"
			       "hmac-sha2-512";
const char algorithms_host[] = "ssh-ed25519,"
			       "ecdsa-sha2-nistp256,"
			       "ecdsa-sha2-nistp384,"
			       "ecdsa-sha2-nistp521,"
			       "rsa-sha2-512,"
			       "rsa-sha2-256";
const char algorithms_key[] = "ssh-ed25519,"
			      "ecdsa-sha2-nistp256,"
			      "ecdsa-sha2-nistp384,"
			      "ecdsa-sha2-nistp521,"
			      "sk-ssh-ed25519@openssh.com,"
			      "sk-ecdsa-sha2-nistp256@openssh.com,"
			      "rsa-sha2-512,"
			      "rsa-sha2-256";

/*
 * The client's first choice among these is taken, whatever our order. Per GiB
 * received AES-GCM costs the least, ChaCha20 a little more and AES-CTR with
 * its MAC twice as much. OpenSSH prefers ChaCha20 to AES-CTR and that to
 * AES-GCM, so leaving ChaCha20 out would cost more; many others know only CTR.
 */
static const char all_ciphers[] = "aes128-gcm@openssh.com,"
				  "aes256-gcm@openssh.com,"
				  "chacha20-poly1305@openssh.com,"
				  "aes256-ctr,"
				  "aes192-ctr,"
				  "aes128-ctr";

static bool
is_gcm(const char *name, size_t len)
{
	const size_t all = strlen("aes128-gcm@openssh.com");

	return len == all &&
	       (memcmp(name, "aes128-gcm@openssh.com", all) == 0 ||
		memcmp(name, "aes256-gcm@openssh.com", all) == 0);
}

char *
algorithms_ciphers(const char *list, bool gcm)
{
	char *out;
	size_t n, end = 0;

	if (list == NULL)
		list = all_ciphers;
	out = mem_alloc(strlen(list) + 1);
	while (*list != '\0') {
		n = strcspn(list, ",");
		if (n > 0 && (gcm || !is_gcm(list, n))) {
			if (end > 0)
				out[end++] = ',';
			memcpy(out + end, list, n);
			end += n;
		}
		list += n;
		list += *list == ',';
	}
	out[end] = '\0';
	return out;
}
