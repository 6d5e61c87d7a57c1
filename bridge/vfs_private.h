/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of vfs*.c. Each call of a session is one struct vfs_call with a
 * list of steps; it ends exactly once, or silently with its session.
 */
#ifndef BRIDGE_VFS_PRIVATE_H
#define BRIDGE_VFS_PRIVATE_H

#include "bridge/names.h"
#include "bridge/session_private.h"
#include "bridge/upload.h"
#include "bridge/vfs.h"
#include "lib/mem.h"

/* A path as this session means it. */
struct vfs_name {
	struct store *store;
	bool temp;
	char path[JOURNAL_PATH_MAX + 1];
	char final_path[JOURNAL_PATH_MAX + 1];
	char key[STORE_KEY_MAX + 1];	 /* of the final path */
	char literal[STORE_KEY_MAX + 1]; /* of the path as it stands */
};

struct vfs_call {
	struct session_call gone;
	struct session *s;
	struct uploads *us;
	struct vfs_name name, to;
	struct store_op *op; /* one of these three is under way */
	struct upload_call *uc;
	bool journal;
	bool dead;
	enum err err; /* for calls that end before they begin */
	char why[STORE_WHY_MAX];
	struct loop_call post;

	vfs_done_fn *done;
	vfs_stat_fn *stat;
	vfs_look_fn *look;
	vfs_open_fn *open;
	vfs_dir_fn *dir;   /* only to refuse */
	vfs_read_fn *read; /* of a file that is written; data and got */
	void *data;
	size_t got;
	vfs_space_fn *space;
	void *arg;

	struct vfs_stat st;
	struct upload_view view; /* of stat */
	struct vfs_space room;
	struct vfs_attrs attrs;
	struct store_object object;
	unsigned flags;
	bool replace;
	const struct vfs_file_events *events;
	void *events_arg;
	struct vfs_file *file;		  /* result of open */
	void (*then)(struct vfs_call *c); /* after a shared step */
};

/*
 * A new call on a path, attached to the session. When the path or the right
 * is refused, the call ends by itself and NULL is returned; set the completion
 * with the `how` callback first.
 */
struct vfs_call *vfs_call_new(struct session *s);
bool vfs_call_name(struct vfs_call *c, struct vfs_name *n, const char *path,
		   unsigned right);
/* Another struct completes it: c is gone. Nothing of it may be under way. */
void vfs_call_drop(struct vfs_call *c);
/* Ends the call from the loop: never from inside the caller's call. */
void vfs_call_end_soon(struct vfs_call *c, enum err err, const char *why);
/* Ends the call now; we are in a completion. */
void vfs_call_end(struct vfs_call *c, enum err err, const char *why);

struct upload_who vfs_who(const struct session *s);
struct upload_name vfs_upload_name(const struct vfs_name *n);

/* err and why of a completion, copied before the call is gone. */
void vfs_stat_object(struct vfs_stat *st, const struct store_object *o);
void vfs_stat_dir(struct vfs_stat *st, int64_t mtime);
void vfs_stat_upload(struct vfs_stat *st, const struct upload_view *v);

/*
 * Is n a folder: a marker, or any key below it? c->then runs with c->err
 * ERR_OK, ERR_NOT_FOUND, or what failed.
 */
void vfs_folder_look(struct vfs_call *c, void (*then)(struct vfs_call *c));

/*
 * The time that a client set on c->object, where the journal keeps it, goes to
 * c->st.mtime; then the completion runs.
 */
void vfs_attrs_look(struct vfs_call *c, void (*then)(struct vfs_call *c));

/* A live upload whose key lies below the folder c->name, if there is one. */
void vfs_live_below(struct vfs_call *c, journal_done_fn *fn);

void vfs_open_read(struct vfs_call *c); /* vfs_read.c */

struct download;

struct vfs_file {
	struct session_call gone;
	struct session *s;
	struct upload_file *w; /* opened for writing */
	struct download *r;    /* opened for reading, or read so far */
	uint64_t read_since;   /* ms */
	bool readable;	       /* opened for both */
	struct vfs_name name;
	int64_t mtime; /* of what was opened for reading */
};
struct vfs_file *vfs_file_new(struct vfs_call *c);

/*
 * vfs_read.c: begins to read an object, and ends that with a line in the log
 * of transfers. whole: the client took all that it was given, and wanted no
 * more.
 */
void vfs_read_begin(struct vfs_file *f, const struct store_object *o);
void vfs_read_end(struct vfs_file *f, bool whole);

#endif
