/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/filecheck.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PART "master"
#define MIB ((unsigned long long)1 << 20)
#define EXPIRES_SOON_DAYS 14

/* Complaints on their way: through a pipe, one a line. */
struct checking {
	struct settings *s;
	FILE *out;
};

static void __attribute__((format(printf, 4, 5)))
complain(struct checking *c, const char *section, const char *key,
	 const char *fmt, ...)
{
	va_list ap;

	fprintf(c->out, "%s: [%s]%s%s: ", c->s->path, section, key ? " " : "",
		key ? key : "");
	va_start(ap, fmt);
	vfprintf(c->out, fmt, ap);
	va_end(ap);
	fputc('\n', c->out);
}

static void
warn(const char *path, const char *event, const char *why, const char *advice)
{
	log_warn(PART, NULL, event, KV_S("path", path), KV_S("why", why),
		 KV_S("do", advice));
}

static bool
exists(const char *path)
{
	return path && access(path, F_OK) == 0;
}

/* As at the start: by who starts the daemon. */

/* Those that are made at the start need not be there. */
static void
host_keys_check(struct checking *c)
{
	struct sftpd_config *sftp = &c->s->sftp;
	size_t i;

	if (!settings_listens(c->s, LISTENER_SFTP))
		return;
	for (i = 0; sftp->host_key_paths[i]; i++)
		if (sftp->make_host_keys && !exists(sftp->host_key_paths[i]))
			return;
	sftp->make_host_keys = false;
	if (sftpd_keys_load(sftp) != ERR_OK)
		complain(c, "sftp", "host_key",
			 "the host keys cannot be used; see the line above");
}

/* The leaf is the chain's first. */
static void
expiry_check(struct checking *c, const char *section, const char *path,
	     const char *chain_pem)
{
	BIO *bio = BIO_new_mem_buf(chain_pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	time_t soon = time(NULL) + EXPIRES_SOON_DAYS * 86400L;

	if (cert && X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		complain(c, section, "certificate",
			 "%s has expired; clients refuse it", path);
	else if (cert && X509_cmp_time(X509_get0_notAfter(cert), &soon) < 0)
		warn(path, "certificate_expires", "it expires within two weeks",
		     "renew it, then reload");
	else if (cert && X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		warn(path, "certificate_early", "it is not valid yet",
		     "look at this machine's clock");
	X509_free(cert);
	BIO_free(bio);
}

static void
private_key_check(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_mode & 077)
		warn(path, "private_key_readable",
		     "others may read this private key", "chmod 600");
}

static void
certificate_check(struct checking *c)
{
	struct ftpd_config *ftp = &c->s->ftp;

	if ((!settings_listens(c->s, LISTENER_FTP) &&
	     !settings_listens(c->s, LISTENER_FTPS)) ||
	    ftp->tls == FTPD_TLS_OFF)
		return;
	if (ftp->make_certificate && !exists(ftp->certificate))
		return;
	ftp->make_certificate = false;
	if (ftpd_certificate(ftp) != ERR_OK) {
		complain(c, "ftp", "certificate",
			 "certificate and private_key cannot be used; see the "
			 "line above");
		return;
	}
	private_key_check(ftp->private_key);
	expiry_check(c, "ftp", ftp->certificate, ftp->chain_pem);
}

static void
http_certificate_check(struct checking *c)
{
	struct httpd_config *http = &c->s->http;

	if (!c->s->has_http || !http->certificate)
		return;
	if (httpd_certificate(http) != ERR_OK) {
		complain(c, "http", "certificate",
			 "certificate and private_key cannot be used; see the "
			 "line above");
		return;
	}
	private_key_check(http->private_key);
	expiry_check(c, "http", http->certificate, http->chain_pem);
}

/* By the account. */

/* A reload reads them as the account; the start may still be root. */
static void
readable_check(const char *path)
{
	if (exists(path) && access(path, R_OK) != 0)
		warn(path, "not_readable_later",
		     "the daemon's account cannot read it: the start can as "
		     "root, a reload cannot",
		     "chown it to the account");
}

static void
secret_check(void *arg, const char *section, const char *key, const char *path)
{
	struct stat st;

	(void)arg;
	(void)section;
	(void)key;
	readable_check(path);
	if (stat(path, &st) == 0 && st.st_mode & S_IROTH)
		warn(path, "secret_readable", "everybody can read this secret",
		     "chmod 640");
}

static void
files_check(struct checking *c)
{
	size_t i;

	if (access(c->s->users_file, R_OK) != 0)
		complain(c, "daemon", "users_file",
			 "%s: the daemon's account cannot read it: %s",
			 c->s->users_file, strerror(errno));
	for (i = 0; c->s->has_sftp && c->s->sftp.host_key_paths[i]; i++)
		readable_check(c->s->sftp.host_key_paths[i]);
	if (c->s->has_ftp && c->s->ftp.tls != FTPD_TLS_OFF) {
		readable_check(c->s->ftp.certificate);
		readable_check(c->s->ftp.private_key);
	}
	if (c->s->has_http && c->s->http.certificate) {
		readable_check(c->s->http.certificate);
		readable_check(c->s->http.private_key);
	}
	conf_files(c->s->conf, secret_check, NULL);
}

static char *
parent_of(const char *path)
{
	char *parent = mem_strdup(path), *slash = strrchr(parent, '/');

	slash[slash == parent ? 1 : 0] = '\0';
	return parent;
}

/* One that is missing is made at the start, in a parent that must be there. */
static void
folder_check(struct checking *c, const char *section, const char *key,
	     const char *path)
{
	struct stat st;
	char *parent;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		complain(c, section, key, "%s is no folder", path);
	} else if (access(path, R_OK | W_OK | X_OK) != 0 && errno != ENOENT) {
		complain(c, section, key,
			 "%s: the daemon's account cannot use it: %s", path,
			 strerror(errno));
	} else if (!exists(path)) {
		parent = parent_of(path);
		if (access(parent, X_OK) != 0)
			complain(c, section, key,
				 "%s: the folder it is to be made in: %s",
				 parent, strerror(errno));
		free(parent);
	}
}

static void
spool_owner_check(struct checking *c)
{
	const char *path = c->s->bridge.spool_dir;
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return;
	if (st.st_uid != geteuid() || (st.st_mode & 0777) != 0700)
		complain(c, "bridge", "spool_dir",
			 "%s has mode %04o and belongs to uid %u; expected "
			 "0700 and the daemon's account (uid %u)",
			 path, (unsigned)st.st_mode & 0777, (unsigned)st.st_uid,
			 (unsigned)geteuid());
}

static void
folders_check(struct checking *c)
{
	const struct bridge_config *b = &c->s->bridge;

	folder_check(c, "bridge", "state_dir", b->state_dir);
	/* The default is below state_dir, which may be missing as well. */
	if (exists(b->spool_dir) || exists(b->state_dir))
		folder_check(c, "bridge", "spool_dir", b->spool_dir);
	folder_check(c, "daemon", "run_dir", b->run_dir);
	spool_owner_check(c);
}

/* File systems. */

static void
local_check(struct checking *c, const char *key, const char *path,
	    struct fs_info *fs)
{
	enum err err = fs_of(path, fs);

	memset(fs, 0, err ? sizeof(*fs) : 0);
	if (err)
		complain(c, "bridge", key, "%s: %s", path, err_text(err));
	else if (fs_check(fs->type) != ERR_OK)
		complain(c, "bridge", key,
			 "%s lies on a file system of type %s (0x%lx), "
			 "expected " FS_EXPECTED,
			 path, fs_name(fs->type), fs->type);
}

static void
systems_check(struct checking *c)
{
	const struct bridge_config *b = &c->s->bridge;
	unsigned long long part = c->s->limits.spool_reserve;
	struct fs_info fs;

	local_check(c, "state_dir", b->state_dir, &fs);
	local_check(c, "spool_dir", b->spool_dir, &fs);
	if (fs.size == 0)
		return;
	if (fs.size < 2 * part)
		complain(c, "bridge", "spool_dir",
			 "%s lies on a file system of %llu MiB, expected at "
			 "least two parts of the largest part_size (%llu MiB)",
			 b->spool_dir, fs.size / MIB, 2 * part / MIB);
	else if (fs.size < b->spool_max)
		warn(b->spool_dir, "spool_small",
		     "its file system is smaller than spool_max",
		     "lower spool_max below what is free there");
}

size_t
filecheck_folders(const struct settings *s, settings_complain_fn *fn, void *arg)
{
	struct checking c = { .s = (struct settings *)s };
	char *text = NULL, *line, *next;
	size_t size = 0, n = 0;

	c.out = open_memstream(&text, &size);
	if (!c.out)
		abort();
	systems_check(&c);
	fclose(c.out);
	for (line = text; *line; line = next, n++) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		fn(arg, line);
	}
	free(text);
	return n;
}

/* The child. */

static _Noreturn void
child_run(struct settings *s, const struct privileges *account, int fd)
{
	struct checking c = { .s = s, .out = fdopen(fd, "w") };

	if (!c.out)
		_exit(1);
	host_keys_check(&c);
	certificate_check(&c);
	http_certificate_check(&c);
	systems_check(&c);
	if (privileges_drop(account) != ERR_OK) {
		complain(&c, "daemon", "user",
			 "this account cannot be taken; see the line above");
	} else {
		files_check(&c);
		folders_check(&c);
	}
	fclose(c.out);
	_exit(0);
}

static size_t
read_complaints(int fd, settings_complain_fn *fn, void *arg)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0, n = 0;

	while (in && getline(&line, &room, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		fn(arg, line);
		n++;
	}
	free(line);
	if (in)
		fclose(in);
	return n;
}

size_t
filecheck(struct settings *s, const struct privileges *account,
	  settings_complain_fn *fn, void *arg)
{
	int fds[2], status = -1;
	size_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		fn(arg, "the files cannot be checked: no pipe");
		return 1;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child_run(s, account, fds[1]);
	}
	close(fds[1]);
	n = read_complaints(fds[0], fn, arg);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return n;
	fn(arg, "the files cannot be checked: the check itself failed");
	return n + 1;
}
