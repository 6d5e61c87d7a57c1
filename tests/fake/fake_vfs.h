/* SPDX-License-Identifier: Apache-2.0 */
/* See fake_vfs.c. The user is "demo", and so is the password. */
#ifndef TESTS_FAKE_FAKE_VFS_H
#define TESTS_FAKE_FAKE_VFS_H

/* Forgets all files; no session may be open. */
void fake_vfs_clear(void);

#endif
