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

enum err
sftpd_make_host_key(const char *path)
{
	char *text = NULL;
	ssh_key key = NULL;
	enum err err = ERR_IO;

	if (access(path, F_OK) == 0)
		return ERR_OK;
	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) == SSH_OK &&
	    ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) ==
		    SSH_OK)
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

enum err
sftpd_keys_load(struct sftpd_config *c)
{
	enum err err = ERR_OK;
	size_t i;

	disarm_kerberos();
	for (i = 0; i < SFTPD_HOST_KEYS && c->host_key_paths[i] != NULL; i++) {
		if (c->host_keys[i] != NULL)
			continue;
		if (c->make_host_keys)
			err = sftpd_make_host_key(c->host_key_paths[i]);
		if (err == ERR_OK)
			err = load(c->host_key_paths[i], &c->host_keys[i]);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}
