/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conductor's inside, shared by upload*.c only.
 *
 * An upload is driven by conditions: every completion changes some fields and
 * then calls upload_pump(), which looks at the fields and starts what can be
 * started. Nothing else decides what comes next.
 */
#ifndef BRIDGE_UPLOAD_PRIVATE_H
#define BRIDGE_UPLOAD_PRIVATE_H

#include "bridge/backlog.h"
#include "bridge/keylock.h"
#include "bridge/quota.h"
#include "bridge/schedule.h"
#include "bridge/spool.h"
#include "bridge/transfer.h"
#include "bridge/upload.h"
#include "bridge/upload_event.h"
#include "lib/mem.h"

#define UPLOAD_HELD_MAX 64	       /* extents ahead of the end */
#define UPLOAD_AHEAD_MAX (16u << 20)   /* bytes ahead of the end */
#define UPLOAD_HOLD_MAX (2u << 20)     /* bytes taken but not yet spooled */
#define UPLOAD_FIRST_STEP (1u << 20)   /* reserved for a small file */
#define UPLOAD_APPEND_MAX (5ull << 30) /* largest object appended to */
#define UPLOAD_RESERVE (8u << 20)      /* spooled without room for it */
#define UPLOAD_TICK_MS 200
#define UPLOAD_PARK_MS 2000 /* how long parking waits for a Create */
#define UPLOAD_CLOCK_SLACK_MS (15 * 60000) /* the store's clock may differ */
#define UPLOAD_RECOVER_MS 5000	/* how often orphaned rows are looked for */
#define UPLOAD_ABANDONED_MAX 32 /* that are being parked in one worker */

enum useg_state {
	USEG_FILLING, /* bytes arrive */
	USEG_HASHING, /* full or last: digests are being made */
	USEG_READY,   /* may be sent */
	USEG_SENDING,
	USEG_STORED, /* the store has it; J(part) is under way */
	USEG_KEPT    /* recorded, kept for a pin or a short last part */
};

/* One part that the spool holds. */
struct useg {
	struct useg *next;
	struct upload *u;
	struct segment *seg;
	uint32_t no;
	uint64_t base, cap;
	enum useg_state state;
	uint64_t reserved;  /* bytes taken from the ledger */
	uint64_t overdraft; /* bytes received beyond them */
	uint64_t unsynced;  /* bytes, as the ledger counts them */
	struct segment_digest digest;
	struct store_op *op;
	struct store_part part;
	unsigned tries;
	uint64_t not_before;  /* clock_ms() of the next try */
	uint64_t dirty_since; /* clock_ms() of the first unsynced byte */
	unsigned syncs;	      /* segment_sync()s under way */
	bool spoiled;	      /* its bytes are not those that came */
};

enum upload_phase {
	PHASE_OPENING,	  /* locked; row and segments are being read */
	PHASE_IDLE,	  /* open, and the first write has not decided yet */
	PHASE_TAKING,	  /* bytes arrive */
	PHASE_CLOSING,	  /* every byte is received; parts go out */
	PHASE_SEALING,	  /* J(sealed) is under way */
	PHASE_COMPLETING, /* the store assembles the object */
	PHASE_PUBLISHING, /* J(published + event) is under way */
	PHASE_PARKING,	  /* broken off: sync, J(parked), full parts go out */
	PHASE_ABORTING,	  /* J(aborting) is under way, then an abort job */
	PHASE_ENDED	  /* waits for its last completions */
};

/* Why nothing is read from the client: bits of upload.paused. */
enum {
	PAUSE_SPOOL = 1,    /* no room in the ledger */
	PAUSE_JOURNAL = 2,  /* a commit has to be repeated */
	PAUSE_HOLD = 4,	    /* bytes wait in memory */
	PAUSE_DISK = 8,	    /* the disk did not take them */
	PAUSE_SYNC = 16,    /* too much of the spool is not synced */
	PAUSE_BACKLOG = 32, /* enough waits for the store */
	PAUSE_RATE = 64	    /* the user's rate is used up */
};

#define UPLOAD_SPOOL_FULL \
	"the gateway's spool is full; the upload is kept and can be resumed"

struct extent {
	uint64_t off, len;
};

struct hold {
	struct hold *next;
	uint64_t off;
	size_t n;
	unsigned char data[];
};

struct upload {
	struct uploads *all;
	struct upload *prev, *next;
	struct journal_upload row;
	bool in_journal;  /* J(open) was committed, or is queued */
	bool loaded;	  /* from the journal: segments may lie about */
	bool abandoned;	  /* nobody asks for it: its worker is gone */
	bool only_looked; /* let go once its offset is known */
	struct user *user;
	char session[16];
	struct store *store;
	struct keylock *lock;
	struct keylock *source_lock; /* kind copy */
	uint64_t keyhash;
	enum upload_phase phase;
	unsigned busy; /* completions that will come */

	struct store_part *parts; /* recorded, by number */
	size_t nparts, parts_size;
	struct useg *segs;  /* by number */
	unsigned in_flight; /* parts being sent */
	uint64_t end;	    /* D: contiguous bytes received */
	struct extent held[UPLOAD_HELD_MAX];
	size_t nheld;

	/* The object that is there now, where it matters. */
	bool object_known, object_there;
	struct store_object object;
	/* What this open said; a file begun anew takes nothing else over. */
	bool declares;
	int64_t sets_mtime;

	/* The quota of a home that holds the key: upload_charge.c. */
	bool counts;	   /* there is one */
	bool stored_known; /* the store was asked what the key holds */
	uint64_t stored;   /* that object's size */
	bool stored_there; /* whether it is there */
	uint64_t top;	   /* one behind the last byte that came */
	uint64_t room;	   /* left of the quota, as last heard */
	bool charging;	   /* a charge is under way */
	bool room_out;	   /* the last one got less than it wanted */
	bool source_gone;  /* kind copy: the source was deleted */

	/* A row that the next generation supersedes. */
	uint64_t old_held; /* what it held of the quota */
	bool old_new_file;
	char old_id[ID_LEN + 1];
	uint64_t old_epoch;
	bool fresh;   /* no row of this id exists: the first write decides */
	bool new_row; /* a generation begins with the next J(open) */

	struct upload_file *file;
	bool close_asked, close_complete, size_confirmed;
	bool ends_here;	 /* nothing may follow the last part */
	bool client_cut; /* the client said itself that it was interrupted */
	struct upload_done *closer;

	unsigned acks_wait; /* journal commits that replies wait for */
	struct hold *hold, **hold_tail;
	size_t hold_bytes;
	bool preparing; /* a rewind or an append is being made ready */
	bool appending; /* the published object is being copied */
	bool copying;	/* all of it, on request: copier hears of its end */
	char source_key[STORE_KEY_MAX + 1]; /* of what is appended */
	struct store_object source;
	bool unmatched; /* copied without If-Match: look when it is done */
	struct upload_done *copier;
	struct store_part append_part;
	unsigned paused; /* PAUSE_* */
	uint64_t last_ms, patience_end;
	struct upload *wprev, *wnext; /* in uploads.waiters */
	uint64_t overdraft;	      /* of all its segments */
	struct backlog backlog;

	struct commit *commits, **commits_tail; /* in order, one in flight */
	struct loop_timer *commit_timer;

	bool beginning;	    /* J(creating), Create or J(backend_id) under way */
	bool single;	    /* the short way: the whole file is one PUT */
	bool complete_gone; /* Complete said: no such upload */
	bool putting; /* that PUT, or finding out about it, is under way */
	int64_t meta_mtime;	  /* what the object's metadata will say */
	char *orphan;		  /* a multipart upload being aborted */
	uint64_t park_until;	  /* parking waits so long for a Create */
	struct store_op *op;	  /* begin, put, complete, head ... */
	struct loop_timer *retry; /* of op */
	void (*retry_fn)(struct upload *u);
	unsigned tries;

	bool park_asked, park_journaled;
	bool park_now; /* do not wait for full parts to be stored */
	struct upload_done *fsyncs; /* wait until nothing is being synced */
	enum err fsync_err;
	enum err park_err; /* what CLOSE hears when the upload is parked */
	char park_why[STORE_WHY_MAX];

	enum err failed;
	char why[STORE_WHY_MAX];
	uint64_t started_ms, received; /* for the log line */
	char addr[46];		       /* the client's */
	struct loop_timer *rate_timer; /* NULL until it is needed */
	bool transferring; /* a client moves bytes; its end is logged */
};

struct upload_file {
	struct uploads *us;
	struct upload *u; /* NULL: taken over, or let go */
	void (*pause)(void *arg, bool paused);
	void (*ready)(void *arg, enum err err, const char *why);
	void *arg;
	bool paused, acks_ok, failed_told, notifying, gone, in_call;
	bool append;
	char why[STORE_WHY_MAX];
	struct loop_call notify;
};

/* The common part of every upload_call; finishing always goes by the loop. */
struct upload_call {
	bool dropped;
	enum err err;
	char why[STORE_WHY_MAX];
	void (*deliver)(struct upload_call *c); /* calls back unless dropped */
	struct loop_call post;
	struct uploads *us;
};
void call_init(struct upload_call *c, struct uploads *us,
	       void (*deliver)(struct upload_call *c));
/* why NULL: the text of err. deliver runs from the loop; it frees c. */
void call_finish(struct upload_call *c, enum err err, const char *why);

/* A call that ends with upload_done_fn. */
struct upload_done {
	struct upload_call call;
	struct upload_done *next;
	upload_done_fn *fn;
	void *arg;
};
struct upload_done *done_new(struct uploads *us, upload_done_fn *fn, void *arg);

#define UPLOAD_REQUESTS_MAX 256 /* parts in flight, whatever is set */

/* A user with parts in flight in this worker. */
struct requester {
	char user[JOURNAL_USER_MAX + 1];
	unsigned n;
};

struct uploads {
	struct bridge *b;
	struct upload *list;
	unsigned count;
	unsigned abandoned; /* of them */
	unsigned calls;	    /* not delivered yet, dropped ones among them */
	struct keyer *keyers;
	struct abort_job *aborts;
	struct loop_timer *tick;
	struct loop_call kick;
	bool kicked;
	struct upload *waiters; /* paused for room, the first one first */
	bool short_told;	/* logged: the spool is short of room */
	uint64_t short_at;	/* clock_ms(): somebody waited */
	bool pressed;		/* too much is not synced */
	struct parked_look *looking;
	uint64_t next_look;
	unsigned requests; /* parts in flight */
	struct requester requesters[UPLOAD_REQUESTS_MAX];
	size_t nrequesters;
	uint64_t next_recover;
	bool recovering, draining;
	char recover_after[ID_LEN + 1];
	void (*drained)(void *arg);
	void *drained_arg;
};

/* Name copied out of an upload_name, for work that outlives the call. */
struct uname {
	struct store *store;
	bool temp;
	char key[STORE_KEY_MAX + 1];
	char path[JOURNAL_PATH_MAX + 1];
	char final_path[JOURNAL_PATH_MAX + 1];
};
void uname_copy(struct uname *out, const struct upload_name *in);

/* upload.c: the table */
struct upload *upload_new(struct uploads *us, struct store *store,
			  const char *key, struct keylock *lock);
struct upload *upload_by_key(struct uploads *us, uint64_t keyhash);
struct upload *upload_by_id(struct uploads *us, const char *id);
bool upload_publishing(const struct upload *u);
void upload_enter(struct upload *u, enum upload_phase phase);
void upload_pump(struct upload *u);
/* Lets go of lock and segments (kept on disk); freed when not busy. */
void upload_end(struct upload *u);
void upload_reap(struct upload *u);
/* The transfer cannot go on: told to the client, and CLOSE will park. */
void upload_fail(struct upload *u, enum err err, const char *why);
void upload_retry_in(struct upload *u, unsigned ms,
		     void (*fn)(struct upload *u));
void upload_set_user(struct upload *u, const struct upload_who *who);
void uploads_kick(struct uploads *us); /* send parts, wake who waits */
/* Takes the journal's row and parts into a locked upload. */
void upload_load(struct upload *u, const struct journal_upload *row,
		 const struct store_part *parts, size_t n);

/* The client's transfer is over, if there was one: the log is told. */
void upload_transfer_end(struct upload *u, enum transfer_outcome outcome);

/* upload_commit.c: journal writes of one upload, in order, repeated */
struct commit {
	struct commit *next;
	struct upload *u;
	struct journal_tx tx;
	struct journal_upload row;
	struct store_part part;
	struct journal_event event;
	struct journal_attr attr;
	struct journal_charge charge;
	struct journal_change changes[JOURNAL_CHANGES_MAX];
	char *body;
	unsigned tries;
	void (*fn)(struct upload *u, enum err err, void *arg);
	void *arg;
};
/* A commit whose update is a copy of u->row as it is now. */
struct commit *commit_new(struct upload *u, unsigned set);
/* Has the event recorded with it; the second only where that is configured. */
void commit_event(struct commit *c, const char *kind);
void commit_parked(struct commit *c);
/* fn(err): ERR_OK, or what repeating cannot mend (ERR_CONFLICT ...). */
void commit_send(struct commit *c,
		 void (*fn)(struct upload *u, enum err err, void *arg),
		 void *arg);

void commit_repeat(void *arg); /* the timer of a commit that must wait */

/*
 * upload_charge.c: bytes of a quota are charged to a row before they are
 * taken, some ahead, in the journal; see doc/upload.md, Quotas.
 */
/* What the store has at the key, as a new row will tell. */
void charge_stored(struct upload *u, const struct store_result *res);
void charge_begin(struct upload *u); /* a new row, before its commit */
/* A commit that also charges what has come, and what is declared. */
void charge_add(struct upload *u, struct commit *c);
void charge_answered(struct upload *u, const struct commit *c,
		     const struct journal_reply *r);
/* May bytes up to there be taken? If not they wait for charge_pump(). */
bool charge_take(struct upload *u, uint64_t top);
void charge_pump(struct upload *u);
/* A size that is declared later: ERR_QUOTA where it cannot fit. */
enum err charge_declare(struct upload *u, uint64_t size);
/* The row is charged what it has, no more; JSET_CHARGED or 0. */
unsigned charge_trim(struct upload *u);
/* An upload failed because its charge was refused. */
void charge_refused(struct upload *u, bool row_is_new);
/* How a charge on a row that is there went. */
void charge_ended(struct upload *u, enum err err, void *arg);
/* The object of the row's key is there now, as the row tells. */
void charge_published(struct upload *u, struct commit *c);

/* upload_lock.c: the key's lock, with takeover and waiting */
typedef void keyer_fn(void *arg, enum err err, const char *why,
		      struct keylock *lock);
struct keyer_want {
	struct store *store;
	const char *key;
	const char *user;
	bool takeover; /* an idle driver of the same user makes room */
};
void keyer_start(struct uploads *us, const struct keyer_want *w, keyer_fn *fn,
		 void *arg);
void keyers_wake(struct uploads *us);
/* Parks and unlocks; then keyers are woken. Only when not publishing. */
void upload_give_way(struct upload *u);
bool upload_is_idle(const struct upload *u);

/*
 * upload_recover.c: row and segments -> end. For a locked upload in
 * PHASE_OPENING with its row loaded. fn(ERR_OK): end, parts and segments are
 * known and u is the caller's. fn(ERR_PUBLISHING): the row was on its way to
 * be published; u goes on by itself now, and the caller waits for the key.
 * Another error: u is the caller's to end.
 */
typedef void recover_fn(struct upload *u, enum err err, void *arg);
void upload_recover(struct upload *u, recover_fn *fn, void *arg);
/* Offset by rows and LIVE records alone, for uploads driven elsewhere. */
uint64_t upload_peek_end(struct uploads *us, struct store *store,
			 const struct journal_upload *row,
			 const struct store_part *parts, size_t n,
			 unsigned *flags);

/* upload_look.c: the answer to "offset <id>" */
void look_offset(struct uploads *us, const char *id, struct peer_request *req);

/* parked.c: what lies in the spool of uploads that nobody drives */
void parked_tick(struct uploads *us);
void parked_forget(struct uploads *us);

/* upload_operator.c: the answer to "publish <id>" */
void operator_publish(struct uploads *us, const char *id,
		      struct peer_request *req);

/* recovery.c: rows that nobody drives are looked for and carried on */
void recovery_tick(struct uploads *us);
/* Carries a row of a configured store on now. Takes over the key's lock. */
void recovery_drive(struct uploads *us, const struct journal_upload *row,
		    struct keylock *lock);

/* upload_write.c */
/* Bytes behind the end, to be spooled whatever else waits. */
enum err upload_spool(struct upload *u, const void *data, size_t n);
void upload_replay(struct upload *u); /* held-back bytes go to the spool */

/* upload_decide.c */
enum err upload_begin_generation(struct upload *u);
enum err upload_decide(struct upload *u, uint64_t off);
/* All of it is there: somebody who must know says so. Goes on taking. */
void upload_confirm_end(struct upload *u);
bool upload_in_first_segment(const struct upload *u);
struct useg *useg_add(struct upload *u, struct segment *seg, uint32_t no,
		      uint64_t base, uint64_t cap);
void useg_drop(struct useg *g, bool discard); /* unlinks it from the list */
struct useg *useg_last(struct upload *u);
uint64_t upload_floor(const struct upload *u); /* F */

/* upload_flow.c: whether the client is read from */
void upload_pause(struct upload *u, unsigned reason);
void upload_resume(struct upload *u, unsigned reason);
/*
 * Room for `need` bytes of g in all. Without it the client is paused; what was
 * read already is still taken, out of the upload's reserve. May fail u.
 */
void flow_reserve(struct upload *u, struct useg *g, uint64_t need);
void flow_recovered(struct useg *g); /* from disk: counted, room or not */
void flow_dropped(struct useg *g, bool kept); /* before it is let go */
void flow_written(struct useg *g);	      /* its segment has grown */
void flow_safe(struct useg *g); /* synced, or no longer needed for safety */
void flow_stored(struct upload *u, uint64_t n); /* the store took n bytes */
void flow_backlog(struct upload *u); /* what waits for the store has changed */
void flow_rate(struct upload *u, uint64_t n); /* n bytes have come */
void flow_tick(struct upload *u);	      /* may fail u */
void flow_run(struct uploads *us); /* room may have come: who waits? */

/* upload_file.c: what a front end holds */
void file_notify(struct upload_file *f);
void file_detach(struct upload *u); /* told that it was taken over */
void fsync_pump(struct upload *u);
void fsync_fail(struct upload *u, enum err err);

/* upload_part.c */
void upload_finish_parts(struct upload *u); /* the last, short one too */
void parts_pump(struct upload *u);
void parts_cancel(struct upload *u, uint32_t from_no);
void part_spoiled(struct useg *g, const char *why); /* thrown away at the end */
void useg_sync(struct useg *g);
void upload_sync_all(struct upload *u);
bool upload_syncing(const struct upload *u);
bool parts_waiting(const struct upload *u); /* something is left to send */
void parts_send(struct uploads *us);
void parts_record(struct upload *u, const struct store_part *p);
void parts_tick(struct upload *u);
void parts_request_end(struct upload *u);
void useg_body(struct useg *g, struct store_body *body);

/* upload_begin.c */
void upload_begin_multipart(struct upload *u);

/* upload_close.c */
void close_pump(struct upload *u);
void close_reply(struct upload *u, enum err err, const char *why);

/* upload_publish.c */
void publish_single(struct upload *u);	 /* the short way: one PUT */
void publish_complete(struct upload *u); /* J(completing), Complete, HEAD */
void publish_record(struct upload *u);	 /* J(published + event) */

/* upload_park.c */
/* err, why: what CLOSE hears, once the upload is safely parked. */
void upload_park(struct upload *u, enum err err, const char *why);
void park_pump(struct upload *u);

/* upload_abort.c: rows in `aborting` are carried to their end, and those that
 * ended with UPLOAD_CREATE_UNKNOWN rid of their orphans */
void abort_start(struct uploads *us, const char *id);
void aborts_tick(struct uploads *us);
bool abort_running(struct uploads *us, const char *id);
unsigned aborts_running(const struct uploads *us);

/*
 * Aborts this very row on an operator's word, or, for the sweeper, only while
 * nobody drives it and it has been parked since before that time (Unix ms).
 * ERR_CONFLICT: it ended, or it goes on. Nothing else of its key is touched.
 */
void upload_abort_row(struct uploads *us, const struct journal_upload *row,
		      upload_done_fn *fn, void *arg);
void upload_expire_row(struct uploads *us, const struct journal_upload *row,
		       int64_t parked_before, upload_done_fn *fn, void *arg);

/* upload_seal.c: RENAME of a temporary name */
struct upload_call *seal_rename(struct uploads *us, struct upload_who who,
				struct upload_move move,
				struct upload_done *done);

/* upload_rename.c: a row of kind copy goes on where it was broken off */
void copy_drive(struct upload *u);

/* upload_append.c */
void append_start(struct upload *u);
void append_pump(struct upload *u);
void copy_pump(struct upload *u);

/*
 * upload_hidden.c: deletes what a REMOVE had hidden behind this row, which has
 * ended or is aborting. Takes over the key's lock; NULL: takes it itself.
 * ERR_IN_USE: another upload to the key goes on; the sweeper repeats it.
 */
void hidden_delete(struct uploads *us, const struct journal_upload *row,
		   struct keylock *lock, upload_done_fn *fn, void *arg);
#endif
