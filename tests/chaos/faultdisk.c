/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fails on demand: preloaded into the daemon (LD_PRELOAD), it
 * stands between its system calls and the files below a few folders. A file
 * of control, shared with the test, says what fails:
 *
 *   eio, enospc    folders (a bit each) whose writes and syncs fail
 *   one_in         only one call in so many, by chance; 0: all
 *   delay_us       how long each sync takes more
 *   clock_ms       how far the wall clock is off
 *
 * Against the loss of power it keeps what a disk may not have yet: before a
 * write changes a file, the bytes that were there go to an undo file of that
 * inode; a sync of the inode that ends well makes what was written before it
 * began final. After the death of all processes the test plays any selection
 * of the rest back. Directories are not undone. The boot id that the daemon
 * reads is the test's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FOLDERS 4
#define UNDO_MAX (32 << 20)
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct control {
	uint32_t eio, enospc; /* bit n: folder n */
	uint32_t one_in;
	uint32_t delay_us;
	int64_t clock_ms;
	uint32_t undo; /* whether undo files are kept */
	uint32_t hits; /* calls that were made to fail */
};

/* One write that a loss of power may undo. */
struct undo {
	uint64_t off, len; /* of what was written */
	uint64_t had;	   /* bytes of it that the file had; they follow */
	uint64_t size;	   /* the file's size before */
};

static struct control *control;
static char folders[FOLDERS][PATH_MAX];
static const char *undo_dir, *boot_file;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int (*real_open)(const char *path, int flags, ...);
static int (*real_openat)(int dir, const char *path, int flags, ...);
static ssize_t (*real_pwrite)(int fd, const void *p, size_t n, off_t off);
static ssize_t (*real_pwritev2)(int fd, const struct iovec *v, int n, off_t off,
				int flags);
static ssize_t (*real_write)(int fd, const void *p, size_t n);
static int (*real_fdatasync)(int fd);
static int (*real_fsync)(int fd);
static int (*real_ftruncate)(int fd, off_t size);
static int (*real_clock_gettime)(clockid_t id, struct timespec *ts);
static int (*real_unlinkat)(int dir, const char *path, int flags);
static int (*real_renameat)(int from, const char *old, int to, const char *new);

static void
read_folders(void)
{
	const char *list = getenv("FAULTDISK_FOLDERS");
	int i;

	for (i = 0; list && i < FOLDERS; i++) {
		size_t n = strcspn(list, ":");

		if (n < sizeof(folders[i]))
			memcpy(folders[i], list, n);
		list = list[n] ? list + n + 1 : NULL;
	}
}

static void
start(void)
{
	const char *path = getenv("FAULTDISK_CONTROL");
	int fd;

	real_open = dlsym(RTLD_NEXT, "open");
	real_openat = dlsym(RTLD_NEXT, "openat");
	real_pwrite = dlsym(RTLD_NEXT, "pwrite");
	real_pwritev2 = dlsym(RTLD_NEXT, "pwritev2");
	real_write = dlsym(RTLD_NEXT, "write");
	real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	real_fsync = dlsym(RTLD_NEXT, "fsync");
	real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
	real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	real_unlinkat = dlsym(RTLD_NEXT, "unlinkat");
	real_renameat = dlsym(RTLD_NEXT, "renameat");
	undo_dir = getenv("FAULTDISK_UNDO");
	boot_file = getenv("FAULTDISK_BOOT_ID");
	read_folders();
	fd = path ? real_open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	close(fd);
	if (control == MAP_FAILED)
		control = NULL;
}

static struct control *
on(void)
{
	pthread_once(&once, start);
	return control;
}

/* The folder that the descriptor's file lies in; -1: none of ours. */
static int
folder_of(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;
	int i;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return -1;
	path[n] = '\0';
	for (i = 0; i < FOLDERS; i++) {
		size_t len = strlen(folders[i]);

		if (len && !strncmp(path, folders[i], len) &&
		    (path[len] == '/' || !path[len]))
			return i;
	}
	return -1;
}

/* Whether this call is to fail; sets errno. */
static int
fails(struct control *c, int folder)
{
	uint32_t bit = folder < 0 ? 0 : 1u << folder;
	int error = c->eio & bit ? EIO : c->enospc & bit ? ENOSPC : 0;

	if (!error)
		return 0;
	if (c->one_in && (uint32_t)random() % c->one_in)
		return 0;
	__atomic_add_fetch(&c->hits, 1, __ATOMIC_RELAXED);
	errno = error;
	return 1;
}

/* The undo file of that inode, locked; -1: none is kept. */
static int
undo_open(struct control *c, int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	struct stat st;
	int undo;

	if (!c->undo || !undo_dir || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	snprintf(path, sizeof(path), "%s/%llu", undo_dir,
		 (unsigned long long)st.st_ino);
	undo = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (undo >= 0)
		fcntl(undo, F_OFD_SETLKW, &lock);
	return undo;
}

/*
 * Closing a second descriptor would drop SQLite's locks; its files can be
 * read through their own.
 */
static uint64_t
read_old(int fd, char *old, uint64_t n, off_t off)
{
	ssize_t got = pread(fd, old, n, off);
	char link[64];
	int in;

	if (got < 0 && errno == EBADF) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		in = real_open(link, O_RDONLY | O_CLOEXEC);
		if (in >= 0) {
			got = pread(in, old, n, off);
			close(in);
		}
	}
	return got < 0 ? 0 : (uint64_t)got;
}

/* A disk does not wait for ever: what is old is there. */
static off_t
bounded(int fd, int undo, off_t at)
{
	if (at < UNDO_MAX || real_fdatasync(fd) < 0)
		return at;
	real_ftruncate(undo, 0);
	return 0;
}

/* Before a write: what is there now. */
static void
undo_note(struct control *c, int fd, uint64_t off, uint64_t len)
{
	struct undo u = { .off = off, .len = len };
	int undo = undo_open(c, fd);
	char *old;
	struct stat st;
	off_t at;

	if (undo < 0)
		return;
	fstat(fd, &st);
	u.size = (uint64_t)st.st_size;
	if (off < u.size)
		u.had = u.size - off < len ? u.size - off : len;
	old = malloc(u.had + 1);
	if (old)
		u.had = read_old(fd, old, u.had, (off_t)off);
	else
		u.had = 0;
	at = bounded(fd, undo, lseek(undo, 0, SEEK_END));
	if (at == 0) /* the head: how much of this file is final */
		at = real_pwrite(undo, "\0\0\0\0\0\0\0", 8, 0);
	real_pwrite(undo, &u, sizeof(u), at);
	if (old)
		real_pwrite(undo, old, u.had, at + (off_t)sizeof(u));
	free(old);
	close(undo);
}

static uint64_t
undo_end(struct control *c, int fd)
{
	int undo = undo_open(c, fd);
	off_t end = undo < 0 ? 0 : lseek(undo, 0, SEEK_END);

	if (undo >= 0)
		close(undo);
	return (uint64_t)end;
}

/* What was noted up to there is on the disk. */
static void
undo_final(struct control *c, int fd, uint64_t end)
{
	int undo = end ? undo_open(c, fd) : -1;

	if (undo < 0)
		return;
	if ((uint64_t)lseek(undo, 0, SEEK_END) == end)
		real_ftruncate(undo, 0);
	else
		real_pwrite(undo, &end, sizeof(end), 0);
	close(undo);
}

/* The calls. */

static const char *
redirected(const char *path)
{
	return boot_file && !strcmp(path, BOOT_ID) ? boot_file : path;
}

#define MODE(flags, mode)                                 \
	do {                                              \
		va_list ap;                               \
		va_start(ap, flags);                      \
		if ((flags) & (O_CREAT | O_TMPFILE))      \
			(mode) = (mode_t)va_arg(ap, int); \
		va_end(ap);                               \
	} while (0)

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	on();
	MODE(flags, mode);
	return real_open(redirected(path), flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	mode_t mode = 0;

	on();
	MODE(flags, mode);
	return real_open(redirected(path), flags, mode);
}

int
openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;

	on();
	MODE(flags, mode);
	return real_openat(dir, path, flags, mode);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t off)
{
	struct control *c = on();
	int folder = c ? folder_of(fd) : -1;

	if (c && fails(c, folder))
		return -1;
	if (folder >= 0)
		undo_note(c, fd, (uint64_t)off, n);
	return real_pwrite(fd, p, n, off);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off_t off)
{
	return pwrite(fd, p, n, off);
}

ssize_t
pwritev2(int fd, const struct iovec *v, int count, off_t off, int flags)
{
	struct control *c = on();
	int folder = c ? folder_of(fd) : -1, i;
	uint64_t n = 0, end;
	ssize_t wrote;

	if (c && fails(c, folder))
		return -1;
	for (i = 0; i < count; i++)
		n += v[i].iov_len;
	if (folder >= 0)
		undo_note(c, fd, (uint64_t)off, n);
	end = folder >= 0 ? undo_end(c, fd) : 0;
	wrote = real_pwritev2(fd, v, count, off, flags);
	if (wrote >= 0 && flags & (RWF_DSYNC | RWF_SYNC))
		undo_final(c, fd, end);
	return wrote;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	struct control *c = on();
	int folder = c ? folder_of(fd) : -1;
	off_t at;

	if (c && fails(c, folder))
		return -1;
	if (folder >= 0) {
		at = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END)
						   : lseek(fd, 0, SEEK_CUR);
		if (at >= 0)
			undo_note(c, fd, (uint64_t)at, n);
	}
	return real_write(fd, p, n);
}

static int
sync_by(int fd, int (*real)(int fd))
{
	struct control *c = on();
	int folder = c ? folder_of(fd) : -1;
	uint64_t end;
	int rc;

	if (c && fails(c, folder))
		return -1;
	if (folder < 0)
		return real(fd);
	if (c->delay_us)
		usleep(c->delay_us);
	end = undo_end(c, fd);
	rc = real(fd);
	if (rc == 0)
		undo_final(c, fd, end);
	return rc;
}

int
fdatasync(int fd)
{
	on();
	return sync_by(fd, real_fdatasync);
}

int
fsync(int fd)
{
	on();
	return sync_by(fd, real_fsync);
}

/* What is cut off comes back as what it was. */
int
ftruncate(int fd, off_t size)
{
	struct control *c = on();
	int folder = c ? folder_of(fd) : -1;
	struct stat st;

	if (c && fails(c, folder))
		return -1;
	if (folder >= 0 && fstat(fd, &st) == 0 && size < st.st_size)
		undo_note(c, fd, (uint64_t)size, (uint64_t)(st.st_size - size));
	return real_ftruncate(fd, size);
}

int
ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

/* The inode's number may be used again. */
static void
forget(int dir, const char *path)
{
	struct control *c = on();
	char name[PATH_MAX];
	struct stat st;

	if (!c || !c->undo || !undo_dir ||
	    fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_nlink > 1)
		return;
	snprintf(name, sizeof(name), "%s/%llu", undo_dir,
		 (unsigned long long)st.st_ino);
	truncate(name, 0);
}

int
unlinkat(int dir, const char *path, int flags)
{
	if (!(flags & AT_REMOVEDIR))
		forget(dir, path);
	return real_unlinkat(dir, path, flags);
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int
renameat(int from, const char *old, int to, const char *new)
{
	forget(to, new);
	return real_renameat(from, old, to, new);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	struct control *c = on();
	int rc = real_clock_gettime(id, ts);
	int64_t ms;

	if (rc || !c || !c->clock_ms || id != CLOCK_REALTIME)
		return rc;
	ms = ts->tv_sec * 1000 + ts->tv_nsec / 1000000 + c->clock_ms;
	ts->tv_sec = ms / 1000;
	ts->tv_nsec = ms % 1000 * 1000000 + ts->tv_nsec % 1000000;
	return rc;
}

time_t
time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
