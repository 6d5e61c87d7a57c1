/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the double share. */
#ifndef TESTS_FAKE_FAKE_FS_PRIVATE_H
#define TESTS_FAKE_FAKE_FS_PRIVATE_H

#include <event2/event.h>
#include <netinet/in.h>
#include <uthash.h>

#include "tests/fake/fake_fs.h"

struct fake_node {
	UT_hash_handle hh;
	char *path;
	bool is_dir;
	unsigned char *data;
	uint64_t size, room;
	int64_t mtime;
	uint32_t mode;
};

struct session {
	struct fake *f;
	char id[16];
	char peer[64];
	struct sockaddr_storage addr;
	const char *protocol;
	bool logged_in;
};

struct vfs_file {
	struct vfs_file *prev, *next; /* f->open */
	struct session *s;
	char *path;
	unsigned flags;
	const struct vfs_file_events *events;
	void *events_arg;
	bool failed;
};

struct vfs_dir {
	struct session *s;
	char *path;
	char *last; /* the last name given out */
};

/* A completion under way: exactly one of the functions is set. */
struct fake_call {
	struct fake_call *prev, *next;
	struct session *s;
	struct event *timer;
	bool held;
	void *arg;
	enum err err;
	session_login_fn *login;
	vfs_done_fn *done;
	vfs_stat_fn *stat;
	vfs_look_fn *look;
	vfs_dir_fn *dir_open;
	vfs_page_fn *page;
	vfs_open_fn *open;
	vfs_read_fn *read;
	vfs_space_fn *space;
	struct vfs_stat st;
	struct vfs_dir *dir;
	struct vfs_file *file;
	struct vfs_entry *entries;
	unsigned char *data;
	size_t n;
};

struct fake *fake_of(const struct session *s);
struct fake_call *fake_call_new(struct session *s, enum err err, void *arg);
void fake_call_go(struct fake_call *call);
void fake_calls_drop(struct fake *f, const struct session *s,
		     const struct vfs_dir *dir);
void fake_note(struct fake *f, const char *what, const char *path,
	       const char *path2);

struct fake_node *fake_find(const struct fake *f, const char *path);
struct fake_node *fake_make(struct fake *f, const char *path, bool is_dir);
void fake_node_free(struct fake *f, struct fake_node *n);
void fake_node_size(struct fake_node *n, uint64_t size, bool keep);
void fake_node_stat(const struct fake_node *n, struct vfs_stat *st);
void fake_file_free(struct vfs_file *file);

#endif
