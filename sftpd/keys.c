/* SPDX-License-Identifier: Apache-2.0 */
/* Host keys: read once, while the files may still be read; made if asked. */
#include "sftpd/sftpd.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define RSA_BITS 3072

/*
 * libssh handles gssapi-with-mic in this process before the log-in, whether it
 * is offered or not, and reads Kerberos' files for it. It finds empty ones.
 */
static void
disarm_kerberos(void)
{
	setenv("KRB5_CONFIG", "/dev/null", 1);
	setenv("KRB5_KTNAME", "/dev/null", 1);
}

static enum err
complain(const char *path, const char *why, enum err err)
{
	log_error("sftpd", NULL, "host_key", KV_S("file", path),
		  KV_S("why", why));
	return err;
}

static enum err
complain_errno(const char *path)
{
	return complain(path, log_errno(errno), err_from_errno(errno));
}

static enum err
write_all(int fd, const char *text)
{
	size_t n = strlen(text);
	ssize_t done;

	while (n > 0) {
		done = write(fd, text, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_from_errno(errno);
		text += done;
		n -= (size_t)done;
	}
	return fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
}

/*
 * Under another name first, so that a key is whole or not there. link() leaves
 * alone what someone else has made meanwhile.
 */
static enum err
write_key(const char *path, const char *text)
{
	char *tmp = mem_printf("%s.%ld.tmp", path, (long)getpid());
	enum err err;
	int fd;

	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0) {
		err = complain_errno(tmp);
		free(tmp);
		return err;
	}
	err = write_all(fd, text);
	if (close(fd) < 0 && err == ERR_OK)
		err = err_from_errno(errno);
	if (err != ERR_OK)
		complain(tmp, err_text(err), err);
	else if (link(tmp, path) < 0 && errno != EEXIST)
		err = complain_errno(path);
	unlink(tmp);
	free(tmp);
	return err;
}

/* By its name, as ssh-keygen -A names them: ed25519 unless it tells. */
static ssh_key
generate(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	enum ssh_keytypes_e type = SSH_KEYTYPE_ED25519;
	ssh_key key = NULL;
	int bits = 0;

	if (strstr(name, "ecdsa") != NULL) {
		type = SSH_KEYTYPE_ECDSA;
		bits = 256;
	} else if (strstr(name, "rsa") != NULL) {
		type = SSH_KEYTYPE_RSA;
		bits = RSA_BITS;
	}
	return ssh_pki_generate(type, bits, &key) == SSH_OK ? key : NULL;
}

enum err
sftpd_make_host_key(const char *path)
{
	char *text = NULL;
	enum err err = ERR_IO;
	ssh_key key;

	if (access(path, F_OK) == 0)
		return ERR_OK;
	key = generate(path);
	if (key != NULL && ssh_pki_export_privkey_base64(key, NULL, NULL, NULL,
							 &text) == SSH_OK)
		err = write_key(path, text);
	else
		complain(path, "the key cannot be made", ERR_IO);
	if (err == ERR_OK)
		log_info("sftpd", NULL, "host_key_made", KV_S("file", path));
	mem_wipe_free(text);
	ssh_key_free(key);
	return err;
}

static enum err
check_mode(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return complain_errno(path);
	if (st.st_mode & 077)
		return complain(
			path, "others may read this private key; chmod 600 it",
			ERR_INVALID);
	return ERR_OK;
}

static enum err
load(const char *path, ssh_key *out)
{
	enum err err = check_mode(path);

	if (err != ERR_OK)
		return err;
	if (ssh_pki_import_privkey_file(path, NULL, NULL, NULL, out) != SSH_OK)
		return complain(path, "not a private key without passphrase",
				ERR_INVALID);
	return ERR_OK;
}

/* libssh has one place for each type. */
static bool
same_type(ssh_key a, ssh_key b)
{
	const enum ssh_keytypes_e t = ssh_key_type(a), u = ssh_key_type(b);
	const bool t_ec =
		t >= SSH_KEYTYPE_ECDSA_P256 && t <= SSH_KEYTYPE_ECDSA_P521;
	const bool u_ec =
		u >= SSH_KEYTYPE_ECDSA_P256 && u <= SSH_KEYTYPE_ECDSA_P521;

	return t == u || (t_ec && u_ec);
}

static enum err
add(struct sftpd_config *c, const char *path)
{
	ssh_key key = NULL;
	enum err err = load(path, &key);
	size_t i;

	if (err != ERR_OK)
		return err;
	for (i = 0; c->host_keys[i] != NULL; i++) {
		if (!same_type(c->host_keys[i], key))
			continue;
		ssh_key_free(key);
		return complain(path, "another host key is of this type too",
				ERR_INVALID);
	}
	c->host_keys[i] = key;
	return ERR_OK;
}

/* Of those that nobody named only what is there is used. */
static bool
left_out(const struct sftpd_config *c, size_t i)
{
	return c->default_host_keys &&
	       access(c->host_key_paths[i], F_OK) != 0 && errno == ENOENT;
}

enum err
sftpd_keys_load(struct sftpd_config *c)
{
	enum err err = ERR_OK;
	size_t i;

	if (c->host_keys[0] != NULL)
		return ERR_OK;
	disarm_kerberos();
	for (i = 0; err == ERR_OK && i < SFTPD_HOST_KEYS; i++) {
		if (c->host_key_paths[i] == NULL)
			break;
		if (c->make_host_keys)
			err = sftpd_make_host_key(c->host_key_paths[i]);
		if (err == ERR_OK && !left_out(c, i))
			err = add(c, c->host_key_paths[i]);
	}
	if (err == ERR_OK && c->host_keys[0] == NULL)
		err = complain(c->host_key_paths[0], "no host key is there",
			       ERR_NOT_FOUND);
	return err;
}
