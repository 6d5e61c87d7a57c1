/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self-signed certificates, so that a first start needs no preparation.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ftpd/ftp_tls.h"
#include "ftpd/ftpd.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/tls.h"

#define CERTIFICATE_SECONDS (10L * 365 * 86400)

static enum err
failed(const char *path, int errnum)
{
	log_error("ftpd", NULL, "make_certificate", KV_S("file", path),
		  KV_S("why", errnum ? log_errno(errnum) : tls_error()));
	return errnum == EEXIST ? ERR_EXISTS : ERR_IO;
}

/* A file that was begun and not finished is of no use to the next start. */
static enum err
write_pem(const char *path, mode_t mode, EVP_PKEY *key, X509 *cert)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int ok, err = errno;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return failed(path, err);
	}
	if (cert)
		ok = PEM_write_X509(f, cert);
	else
		ok = PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	ok = ok == 1 && fflush(f) == 0 && fsync(fd) == 0;
	err = ok ? 0 : errno;
	if (fclose(f) != 0 && ok) {
		err = errno;
		ok = 0;
	}
	if (ok)
		return ERR_OK;
	unlink(path);
	return failed(path, err);
}

static enum err
read_key(const char *path, EVP_PKEY **out)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return failed(path, errno);
	*out = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	return *out ? ERR_OK : failed(path, 0);
}

static bool
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = ext && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

/* Also for clients on this host, who are the first to try it. */
static bool
add_name(X509 *cert, const char *name)
{
	struct in6_addr a;
	bool ip = inet_pton(AF_INET, name, &a) == 1 ||
		  inet_pton(AF_INET6, name, &a) == 1;
	X509_NAME *subject = X509_get_subject_name(cert);
	char *alt = mem_printf("%s:%s,DNS:localhost,IP:127.0.0.1,IP:::1",
			       ip ? "IP" : "DNS", name);
	bool ok;

	ok = X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
					(const unsigned char *)name, -1, -1,
					0) == 1 &&
	     X509_set_issuer_name(cert, subject) == 1 &&
	     add_extension(cert, NID_subject_alt_name, alt);
	free(alt);
	return ok;
}

static X509 *
make_x509(EVP_PKEY *key, const char *name)
{
	X509 *cert = X509_new();
	unsigned char serial[8];
	uint64_t number;

	id_random(serial, sizeof(serial));
	memcpy(&number, serial, sizeof(number));
	if (!cert || !X509_set_version(cert, X509_VERSION_3) ||
	    !ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert),
				     number >> 1 | 1) ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), -86400) ||
	    !X509_gmtime_adj(X509_getm_notAfter(cert), CERTIFICATE_SECONDS) ||
	    !X509_set_pubkey(cert, key) || !add_name(cert, name) ||
	    !add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_extension(cert, NID_ext_key_usage, "serverAuth") ||
	    X509_sign(cert, key, EVP_sha256()) == 0) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

/*
 * The key is written first: a start that was cut off between the two files
 * leaves a key, for which the next one makes the certificate.
 */
enum err
ftpd_make_certificate(const char *cert_path, const char *key_path,
		      const char *common_name)
{
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	enum err err;

	if (access(cert_path, F_OK) == 0)
		return failed(cert_path, EEXIST);
	if (access(key_path, F_OK) == 0) {
		err = read_key(key_path, &key);
	} else {
		key = EVP_EC_gen("P-256");
		err = key ? write_pem(key_path, 0600, key, NULL)
			  : failed(key_path, 0);
	}
	if (err)
		goto out;
	cert = make_x509(key, common_name);
	err = cert ? write_pem(cert_path, 0644, NULL, cert)
		   : failed(cert_path, 0);
out:
	X509_free(cert);
	EVP_PKEY_free(key);
	return err;
}

static enum err
make_missing(const struct ftpd_config *cfg)
{
	char name[256] = "localhost";
	enum err err;

	if (!cfg->make_certificate || access(cfg->certificate, F_OK) == 0)
		return ERR_OK;
	if (cfg->npublic > 0)
		str_copy(name, sizeof(name), cfg->public[0].name);
	else if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0' ||
		 strlen(name) > 64)
		str_copy(name, sizeof(name), "localhost");
	err = ftpd_make_certificate(cfg->certificate, cfg->private_key, name);
	if (!err)
		log_info("ftpd", NULL, "make_certificate",
			 KV_S("file", cfg->certificate), KV_S("name", name));
	return err;
}

enum err
ftpd_certificate(struct ftpd_config *cfg)
{
	struct ftp_tls *t = NULL;
	enum err err;

	if (cfg->tls == FTPD_TLS_OFF)
		return ERR_OK;
	err = make_missing(cfg);
	if (err)
		return err;
	mem_wipe_free(cfg->chain_pem);
	mem_wipe_free(cfg->key_pem);
	cfg->chain_pem = cfg->key_pem = NULL;
	err = ftp_tls_read(cfg, &cfg->chain_pem, &cfg->key_pem);
	if (!err)
		err = ftp_tls_open(&t, cfg);
	if (!err)
		ftp_tls_close(t);
	return err;
}
