/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the double share. */
#ifndef TESTS_FAKE_FAKE_VFS_PRIVATE_H
#define TESTS_FAKE_FAKE_VFS_PRIVATE_H

#include <sys/socket.h>

#include "bridge/names.h"
#include "bridge/vfs.h"
#include "lib/loop.h"

struct bytes {
	unsigned char *p;
	uint64_t len, size;
};

struct node {
	struct node *prev, *next;
	char path[JOURNAL_PATH_MAX + 1];
	bool dir, published, uploading;
	struct bytes object, upload;
	int64_t mtime;
	uint32_t mode;
	bool busy;
};

struct call {
	struct call *prev, *next;
	struct session *s;
	struct loop_timer *timer;
	void (*run)(struct call *c);
	enum err err;
	char why[200];
	vfs_done_fn *done;
	vfs_stat_fn *stat;
	vfs_open_fn *open;
	vfs_dir_fn *dir;
	vfs_page_fn *page;
	vfs_read_fn *read;
	vfs_space_fn *space;
	session_login_fn *login;
	void *arg;
	struct vfs_stat st;
	struct vfs_file *file;
	struct vfs_dir *folder;
	uint64_t off;
	size_t n;
};

struct session {
	struct bridge *b;
	char id[9];
	char peer[64];
	struct sockaddr_storage sa;
	const char *protocol;
	struct user user;
	bool logged_in;
	struct call *calls;
	struct vfs_file *files;
	struct vfs_dir *dirs;
};

struct vfs_file {
	struct vfs_file *prev, *next;
	struct session *s;
	struct node *node;
	unsigned flags;
	uint64_t end, paused_at;
	bool declared, failed, null, paused, resumed;
	uint64_t want;
	const struct vfs_file_events *events;
	void *events_arg;
	struct loop_timer *timer;
	struct call *reading;
};

struct vfs_dir {
	struct vfs_dir *prev, *next;
	struct session *s;
	char path[JOURNAL_PATH_MAX + 1];
	struct node *at;
	struct call *call;
};

/* Completions come from the loop, and never after the session's end. */
struct call *fake_call_new(struct session *s, void (*run)(struct call *c),
			   void *arg, unsigned ms);
void fake_call_end(struct call *c);
void fake_result(struct call *c, enum err err);
void fake_finish(struct session *s, enum err err, vfs_done_fn *fn, void *arg);
void fake_run_done(struct call *c);

struct node *fake_find(const char *path);
struct node *fake_add(const char *path, bool dir);
bool fake_is_dir(const char *path);
void fake_set_attrs(struct node *n, const struct vfs_attrs *a);
void fake_file_free(struct vfs_file *f);

#endif
