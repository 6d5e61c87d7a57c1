/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define PART "master"

static enum err
user_missing(void)
{
	log_error(PART, NULL, "config",
		  KV_S("complaint",
		       "[daemon] user: found nothing, expected the account to "
		       "run as, since the daemon was started as root (\"user "
		       "= root\" keeps root, which is not advised)"));
	return ERR_INVALID;
}

enum err
privileges_resolve(struct privileges *p, const char *user, const char *group)
{
	const struct passwd *pw = user ? getpwnam(user) : NULL;
	const struct group *gr = group ? getgrnam(group) : NULL;

	memset(p, 0, sizeof(*p));
	p->uid = geteuid();
	p->gid = getegid();
	if (p->uid == 0 && !user)
		return user_missing();
	if ((user && !pw) || (group && !gr))
		return ERR_INVALID;
	if (p->uid != 0) {
		if (!pw || pw->pw_uid == p->uid)
			return ERR_OK;
		log_error(PART, NULL, "config",
			  KV_S("complaint",
			       "[daemon] user: only root can run as another "
			       "account"),
			  KV_S("user", user));
		return ERR_INVALID;
	}
	p->uid = pw->pw_uid;
	p->gid = gr ? gr->gr_gid : pw->pw_gid;
	p->user = mem_strdup(user);
	p->change = p->uid != 0;
	if (!p->change)
		log_warn(PART, NULL, "runs_as_root");
	return ERR_OK;
}

void
privileges_free(struct privileges *p)
{
	free(p->user);
	p->user = NULL;
}

enum err
privileges_folder(const struct privileges *p, const char *path)
{
	struct stat st;
	enum err err;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return ERR_OK;
		errno = ENOTDIR;
	} else if (errno == ENOENT && mkdir(path, 0700) == 0) {
		if (!p->change || lchown(path, p->uid, p->gid) == 0)
			return ERR_OK;
	}
	err = err_from_errno(errno);
	log_error(PART, NULL, "folder", KV_S("path", path), KV_ERRNO(errno),
		  KV_S("expected", "a folder, or a parent to make it in"));
	return err;
}

static bool
dropped(const struct privileges *p)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 &&
	       r == p->uid && e == p->uid && s == p->uid && rg == p->gid &&
	       eg == p->gid && sg == p->gid && setuid(0) != 0;
}

/*
 * Leaving uid 0 clears the capabilities (capabilities(7)), but whoever starts
 * the daemon as an ordinary account may give it some, to bind low ports with.
 */
static bool
capabilities_clear(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

	return geteuid() == 0 ||
	       (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
		syscall(SYS_capset, &head, none) == 0);
}

enum err
privileges_drop(const struct privileges *p)
{
	if (p->change &&
	    (initgroups(p->user, p->gid) != 0 ||
	     setresgid(p->gid, p->gid, p->gid) != 0 ||
	     setresuid(p->uid, p->uid, p->uid) != 0 || !dropped(p))) {
		log_error(PART, NULL, "privileges", KV_S("user", p->user),
			  KV_ERRNO(errno));
		return ERR_DENIED;
	}
	if (!capabilities_clear() ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		log_error(PART, NULL, "privileges", KV_ERRNO(errno));
		return ERR_DENIED;
	}
	return ERR_OK;
}
