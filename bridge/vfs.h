/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a logged-in session sees: objects and folders of its store
 * below its home, and its own uploads in flight. All three front ends speak to
 * this and to session.h only. Paths are the client's bytes, relative to "/"
 * unless the front end resolves a working directory first (names_path); they
 * are checked here, as is the user's right to the call.
 *
 * Every call returns at once. Its completion comes from the loop, exactly
 * once, never from inside the call, and never after session_free(). `why` is a
 * short text fit for the client; never NULL; valid during the call.
 *
 * Errors that every call may give: ERR_INVALID (name), ERR_DENIED (right),
 * ERR_NOT_FOUND, ERR_AGAIN (store or journal out of reach), ERR_IO.
 */
#ifndef BRIDGE_VFS_H
#define BRIDGE_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/session.h"
#include "lib/err.h"

struct vfs_stat {
	uint64_t size; /* an upload in flight: its restart offset */
	int64_t mtime; /* Unix seconds */
	uint32_t mode; /* permission bits and S_IFREG or S_IFDIR */
	bool is_dir;
	bool in_flight; /* an upload of the caller's own */
};

struct vfs_entry {
	const char *name; /* one component */
	struct vfs_stat st;
};

typedef void vfs_done_fn(void *arg, enum err err, const char *why);
typedef void vfs_stat_fn(void *arg, enum err err, const char *why,
			 const struct vfs_stat *st);

void vfs_stat(struct session *s, const char *path, vfs_stat_fn *fn, void *arg);

/*
 * As vfs_stat(), for front ends whose clients tell uploads and versions of an
 * object apart.
 */
struct vfs_look {
	bool is_dir;
	bool in_flight; /* an upload of the caller's own, else an object */
	uint64_t size;	/* of an upload: its restart offset */
	int64_t mtime;	/* Unix seconds */
	char id[ID_LEN +
		1]; /* of the upload, of one that made the object, "" */
	bool declared;
	uint64_t total;		       /* declared */
	char etag[STORE_ETAG_MAX + 1]; /* of the object */
};
typedef void vfs_look_fn(void *arg, enum err err, const char *why,
			 const struct vfs_look *look);
void vfs_look(struct session *s, const char *path, vfs_look_fn *fn, void *arg);

/*
 * A folder, in pages of at most STORE_LIST_MAX + uploads in flight. n == 0
 * with ERR_OK is the end. ERR_NOT_DIR on a file. vfs_dir_close() at any time.
 */
struct vfs_dir;
typedef void vfs_dir_fn(void *arg, enum err err, const char *why,
			struct vfs_dir *dir);
typedef void vfs_page_fn(void *arg, enum err err, const char *why,
			 const struct vfs_entry *entries, size_t n);
void vfs_dir_open(struct session *s, const char *path, vfs_dir_fn *fn,
		  void *arg);
void vfs_dir_next(struct vfs_dir *d, vfs_page_fn *fn, void *arg);
void vfs_dir_close(struct vfs_dir *d); /* no completion comes any more */

void vfs_remove(struct session *s, const char *path, vfs_done_fn *fn,
		void *arg);
/*
 * Gives up the caller's upload of this id and nothing else. ERR_CONFLICT: it
 * has ended, or another one is there.
 */
void vfs_terminate(struct session *s, const char *path, const char *id,
		   vfs_done_fn *fn, void *arg);
void vfs_mkdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg);
void vfs_rmdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg);

/* replace: an object at `to` is replaced (posix-rename@, RNTO), else EXISTS. */
void vfs_rename(struct session *s, const char *from, const char *to,
		bool replace, vfs_done_fn *fn, void *arg);

enum {
	VFS_SET_SIZE = 1,
	VFS_SET_MTIME = 2,
	VFS_SET_MODE = 4,
	VFS_SET_OWNER = 8
};
struct vfs_attrs {
	unsigned set; /* VFS_SET_* */
	uint64_t size;
	int64_t mtime;
	uint32_t mode;
};
void vfs_setstat(struct session *s, const char *path, const struct vfs_attrs *a,
		 vfs_done_fn *fn, void *arg);

/* Space: the user's quota and what is used of it, uploads in flight too. */
struct vfs_space {
	uint64_t total, used; /* bytes; total UINT64_MAX: no limit */
	uint64_t files_total, files_used; /* the same */
	bool counted; /* else only what came since the quota was set */
};
typedef void vfs_space_fn(void *arg, enum err err, const char *why,
			  const struct vfs_space *space);
void vfs_space(struct session *s, vfs_space_fn *fn, void *arg);

/* Files. */

enum {
	VFS_READ = 1,
	VFS_WRITE = 2,
	VFS_CREAT = 4,
	VFS_TRUNC = 8,
	VFS_APPEND = 16, /* writes at offset 0 mean "at the end" (UPLOAD) */
	VFS_EXCL = 32,
	VFS_RESTART = 64 /* with EXCL and TRUNC: an upload of the caller's own
			  * that was not finished is no file yet */
};

struct vfs_file;

/*
 * What a file tells its front end. Both may come at any time from the loop,
 * never from inside a call on that file.
 */
struct vfs_file_events {
	/* Stop reading from the client, or go on. Bytes that were read before
	 * may still be written: a file takes VFS_OVERDRAFT more. */
	void (*pause)(void *arg, bool paused);
	/* Acknowledgements held back may be sent (ERR_OK), or must be sent as
	 * failures; `why` as everywhere. */
	void (*ready)(void *arg, enum err err, const char *why);
};
#define VFS_OVERDRAFT (1u << 20)

typedef void vfs_open_fn(void *arg, enum err err, const char *why,
			 struct vfs_file *f);
struct vfs_open {
	const char *path;
	unsigned flags;		/* VFS_READ .. */
	struct vfs_attrs attrs; /* size: declared (ALLO, OPEN attributes) */
	const struct vfs_file_events *events; /* may be NULL for reading */
	void *events_arg;
};
void vfs_open(struct session *s, const struct vfs_open *o, vfs_open_fn *fn,
	      void *arg);

/*
 * Where an append or a resumed upload goes on: the end of the contiguous
 * bytes received; for a file opened for reading, its size.
 */
uint64_t vfs_file_size(const struct vfs_file *f);

/*
 * What it is, as known without asking: for reading the object, for writing the
 * upload, whose id is "" while the first write has to decide what it is.
 */
void vfs_file_look(const struct vfs_file *f, struct vfs_look *out);

/*
 * n bytes at `off`, taken at once (data is not kept by reference). ERR_OK: may
 * be acknowledged as soon as vfs_file_acks() is true. Another value: this
 * write failed (*why says why, valid until the next call) and so will CLOSE.
 * Pieces of one client write may come in several calls.
 */
enum err vfs_file_write(struct vfs_file *f, uint64_t off, const void *data,
			size_t n, const char **why);

/* False: hold acknowledgements of writes back until events->ready. */
bool vfs_file_acks(const struct vfs_file *f);
/* True already before events->pause(true) has told: read no more now. */
bool vfs_file_paused(const struct vfs_file *f);

/*
 * Perhaps fewer bytes than asked for; n == 0 with ERR_OK is the end of the
 * file. ERR_CONFLICT: the object was replaced since it was opened. Of a file
 * that is open for writing too: what was published, until something is
 * written, and then what is not yet in the store, else ERR_INVALID.
 */
typedef void vfs_read_fn(void *arg, enum err err, const char *why,
			 const void *data, size_t n);
void vfs_file_read(struct vfs_file *f, uint64_t off, size_t n, vfs_read_fn *fn,
		   void *arg);

/*
 * Copies from, which is open for reading, to `to`, which is open for writing
 * and empty, inside the store. ERR_UNSUPPORTED: less than the whole file is
 * asked for (len 0: up to the end), or the two are not in one store.
 */
struct vfs_copy {
	struct vfs_file *from, *to;
	uint64_t from_off, len, to_off;
};
void vfs_file_copy(const struct vfs_copy *c, vfs_done_fn *fn, void *arg);

void vfs_file_stat(struct vfs_file *f, vfs_stat_fn *fn, void *arg);
void vfs_file_setstat(struct vfs_file *f, const struct vfs_attrs *a,
		      vfs_done_fn *fn, void *arg);
void vfs_file_sync(struct vfs_file *f, vfs_done_fn *fn, void *arg);

/*
 * Ends the file's use; f is gone when the completion has come. For a written
 * file: VFS_COMPLETE asks for publication, and ERR_OK means it is in the store
 * under its final name (or sealed under its temporary one);  ERR_INCOMPLETE:
 * bytes are missing, parked. VFS_BROKEN: the client broke off; parks, ERR_OK.
 * For one that was read it says how the transfer ended, for the log.
 */
enum vfs_end { VFS_COMPLETE, VFS_BROKEN };
void vfs_file_close(struct vfs_file *f, enum vfs_end how, vfs_done_fn *fn,
		    void *arg);

#endif
