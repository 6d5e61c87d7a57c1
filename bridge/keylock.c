/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/keylock.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "lib/log.h"
#include "lib/mem.h"

struct keylock {
	UT_hash_handle hh;
	struct keylock_table *table;
	uint64_t byte;
	int fd;
};

struct keylock_table {
	char *path;
	struct keylock *taken;
};

uint64_t
keylock_hash(const char *store, const char *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sum[32];
	uint64_t n = 0;
	int i;

	if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) ||
	    !EVP_DigestUpdate(ctx, store, strlen(store) + 1) ||
	    !EVP_DigestUpdate(ctx, key, strlen(key)) ||
	    !EVP_DigestFinal_ex(ctx, sum, NULL))
		abort(); /* out of memory, or an OpenSSL without SHA-256 */
	EVP_MD_CTX_free(ctx);
	for (i = 24; i < 32; i++)
		n = n << 8 | sum[i];
	return n & ((1ull << 62) - 1);
}

enum err
keylock_table_open(struct keylock_table **out, const char *dir)
{
	struct keylock_table *t = mem_alloc(sizeof(*t));
	int fd;

	t->path = mem_printf("%s/lock", dir);
	fd = open(t->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		enum err err = err_from_errno(errno);

		log_error("keylock", NULL, "open", KV_S("path", t->path),
			  KV_ERRNO(errno));
		keylock_table_close(t);
		return err;
	}
	close(fd);
	*out = t;
	return ERR_OK;
}

void
keylock_table_close(struct keylock_table *t)
{
	if (!t)
		return;
	free(t->path);
	free(t);
}

static enum err
lock_byte(int fd, uint64_t byte)
{
	struct flock fl = { .l_type = F_WRLCK,
			    .l_whence = SEEK_SET,
			    .l_start = (off_t)byte,
			    .l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
		return ERR_OK;
	return errno == EAGAIN || errno == EACCES ? ERR_IN_USE
						  : err_from_errno(errno);
}

enum err
keylock_take(struct keylock_table *t, const char *store, const char *key,
	     struct keylock **out)
{
	uint64_t byte = keylock_hash(store, key);
	struct keylock *l;
	enum err err;
	int fd;

	HASH_FIND(hh, t->taken, &byte, sizeof(byte), l);
	if (l)
		return ERR_IN_USE;
	fd = open(t->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		err = err_from_errno(errno);
	else
		err = lock_byte(fd, byte);
	if (err) {
		if (err != ERR_IN_USE)
			log_error("keylock", NULL, "take",
				  KV_S("path", t->path), KV_ERR(err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	l = mem_alloc(sizeof(*l));
	l->table = t;
	l->byte = byte;
	l->fd = fd;
	HASH_ADD(hh, t->taken, byte, sizeof(l->byte), l);
	*out = l;
	return ERR_OK;
}

void
keylock_drop(struct keylock *l)
{
	if (!l)
		return;
	HASH_DELETE(hh, l->table->taken, l);
	close(l->fd);
	free(l);
}

bool
keylock_held(const struct keylock_table *t, const char *store, const char *key)
{
	struct flock fl = { .l_type = F_WRLCK,
			    .l_whence = SEEK_SET,
			    .l_start = (off_t)keylock_hash(store, key),
			    .l_len = 1 };
	int fd = open(t->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	bool held;

	if (fd < 0)
		return false;
	held = fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
	close(fd);
	return held;
}
