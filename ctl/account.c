/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool
account_take(const struct ctl *c)
{
	const char *user = conf_str(c->conf, "daemon", "user", NULL);
	const char *group = conf_str(c->conf, "daemon", "group", NULL);
	const struct passwd *pw = user ? getpwnam(user) : NULL;
	const struct group *gr = group ? getgrnam(group) : NULL;
	gid_t gid;

	if (geteuid() != 0)
		return true;
	if (!pw || (group && !gr)) {
		ctl_error("%s: [daemon] %s: expected an account of this "
			  "system, to work as",
			  c->config_path, pw ? "group" : "user");
		return false;
	}
	umask(077);
	gid = gr ? gr->gr_gid : pw->pw_gid;
	if (initgroups(user, gid) == 0 && setresgid(gid, gid, gid) == 0 &&
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == 0 &&
	    (pw->pw_uid == 0 || setuid(0) != 0))
		return true;
	ctl_error("cannot become %s: %s", user, strerror(errno));
	return false;
}
