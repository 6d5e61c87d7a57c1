/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write-ahead log as a file. A commit costs one fdatasync(2) of it. Where
 * the file grows, that sync must also write the file system's own journal,
 * which doubles its time (ext4: 0.25 ms against 0.11 ms for a commit of 28 KiB
 * on a disk that syncs fast; much more on one that seeks). So zeros are
 * written behind its frames ahead of need: SQLite takes them for the end of the
 * log. It is never truncated below WAL_STEP, and only when it grew far.
 */
#include "bridge/journal_sqlite.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

#define WAL_STEP JOURNAL_SQLITE_WAL_STEP /* reserved at a time, bytes */
#define WAL_MARGIN (1ll << 20)		 /* reserve more when this is left */
#define WAL_KEEP (64ll << 20)		 /* a checkpoint cuts it above this */
#define CUT_WAIT_MS 100			 /* for readers, before it is cut */
#define WAL_FRAME_HEADER 24		 /* bytes, www.sqlite.org/fileformat2 */
#define WAL_FRAME (4096 + WAL_FRAME_HEADER)

/* Best effort: without space the log grows as it is used. */
static void
extend(int fd, long long from, long long to)
{
	static char zeros[64 << 10];
	long long off = from;

	while (off < to) {
		long long left = to - off;
		size_t n = sizeof(zeros);
		ssize_t done;

		if (left < (long long)n)
			n = (size_t)left;
		done = pwrite(fd, zeros, n, (off_t)off);
		if (done <= 0)
			break;
		off += done;
	}
}

/*
 * Called under the lock, in which nobody else makes the file longer. SQLite
 * holds no POSIX lock on the WAL file, so closing this descriptor drops none.
 */
void
journal_sqlite_reserve(struct journal_sqlite_db *db)
{
	long long used = (long long)db->wal_frames * WAL_FRAME;
	long long want = used + WAL_MARGIN;
	struct stat st;
	int fd;

	if (want <= db->wal_reserved)
		return;
	fd = open(db->wal_path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	want = (want + WAL_STEP - 1) / WAL_STEP * WAL_STEP;
	if (fstat(fd, &st) == 0) {
		if (st.st_size < want)
			extend(fd, st.st_size, want);
		db->wal_reserved = want > st.st_size ? want : st.st_size;
	}
	close(fd);
}

static long long
wal_size(const struct journal_sqlite_db *db)
{
	struct stat st;

	return stat(db->wal_path, &st) == 0 ? st.st_size : 0;
}

/*
 * Copies the log into the database, so that the next writer starts it anew
 * from its beginning. Readers keep what they see: then some of it stays.
 */
static enum err
checkpoint(struct journal_sqlite_db *db)
{
	bool cut = wal_size(db) > WAL_KEEP;
	int frames = 0, moved = 0, rc;

	/* Writers wait while this waits for readers. */
	sqlite3_busy_timeout(db->sql, CUT_WAIT_MS);
	rc = sqlite3_wal_checkpoint_v2(db->sql, "main",
				       cut ? SQLITE_CHECKPOINT_TRUNCATE
					   : SQLITE_CHECKPOINT_PASSIVE,
				       &frames, &moved);
	sqlite3_busy_timeout(db->sql, JOURNAL_SQLITE_BUSY_MS);
	if (cut && rc == SQLITE_OK) {
		db->wal_frames = 0;
		db->wal_reserved = 0;
		journal_sqlite_reserve(db);
	}
	log_debug("journal", NULL, "checkpoint", KV_I("frames", frames),
		  KV_I("moved", moved), KV_I("cut", cut));
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		return journal_sqlite_fail(db, rc, "checkpoint");
	return ERR_OK;
}

/*
 * SQLite before 3.51.3 can damage the database when one connection writes while
 * another resets the log, so this takes the writers' lock.
 */
enum err
journal_sqlite_checkpoint(void *arg)
{
	struct journal_sqlite_db *db = arg;
	enum err err = journal_sqlite_lock(db);

	if (err != ERR_OK)
		return err;
	err = journal_sqlite_connect(db);
	if (err == ERR_OK)
		err = checkpoint(db);
	journal_sqlite_unlock(db);
	return err;
}
