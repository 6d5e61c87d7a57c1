/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder as its reader sees it: pages of the store, in which the reader's
 * own uploads in flight stand at their names, in the place of objects of the
 * same name, and removed objects whose upload still lives do not show. Pages
 * are merged one after the other, in the order of the names. One struct for
 * each listing; the caller owns it.
 */
#ifndef BRIDGE_VFS_MERGE_H
#define BRIDGE_VFS_MERGE_H

#include "bridge/dir_pages.h"
#include "bridge/upload.h"
#include "bridge/vfs.h"

struct vfs_merge;

/* prefix: of the folder's keys. The views are copied. */
struct vfs_merge *vfs_merge_new(const char *prefix,
				const struct upload_view *views, size_t n);
void vfs_merge_free(struct vfs_merge *m); /* NULL is fine */

/* Whether any upload of the reader's shows. */
bool vfs_merge_shows(const struct vfs_merge *m);

/*
 * Merges the next page; *entries is valid until the next call. Uploads that
 * come after a page's last key wait for the next one; the last page takes all
 * that are left.
 */
size_t vfs_merge_page(struct vfs_merge *m, const struct dir_page *page,
		      const struct vfs_entry **entries);

#endif
