/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of commands, with what their help says. */
#include <stddef.h>

#include "ctl/cmd_check.h"
#include "ctl/cmd_daemon.h"
#include "ctl/cmd_events.h"
#include "ctl/cmd_media.h"
#include "ctl/cmd_upload.h"
#include "ctl/cmd_user.h"
#include "ctl/ctl.h"

static const char user_add_text[] =
	"Adds a user to users.ini. The password is asked for on the terminal,\n"
	"or read from standard input where that is none; with --key alone the\n"
	"user has no password. The daemon takes users over at a reload.\n"
	"\n"
	"  --generate           make a password and print it, once\n"
	"  --password-stdin     read it from standard input, even a terminal\n"
	"  --key FILE           let in who has this public key (a .pub file)\n"
	"  --home FOLDER        the folder in the store that the user sees as "
	"/;\n"
	"                       default: the user's name\n"
	"  --store NAME         a [store.NAME] of sluice.ini\n"
	"  --rights LIST        of read,write,delete,list,rename,mkdir\n"
	"  --publish POLICY     close, declared or rename: see users.ini(5)\n";

static const char user_passwd_text[] =
	"Gives a user a new password, asked for on the terminal or read from\n"
	"standard input where that is none. It counts from the next reload.\n"
	"\n"
	"  --generate           make a password and print it, once\n"
	"  --password-stdin     read it from standard input, even a terminal\n";

static const char user_key_text[] =
	"Lets a user in with one more public key: FILE is a .pub file, or a\n"
	"line of authorized_keys with its options. It counts from the next\n"
	"reload.\n";

static const char user_list_text[] =
	"Lists the users in users.ini: how they log in, their store, when an\n"
	"upload counts as complete, what they may do, and their home.\n";

static const char quota_text[] = "Shows what is used of the quota of one user, "
				 "or of all that have one:\n"
				 "bytes and files in the home, uploads under "
				 "way included, and how long\n"
				 "ago it was counted last.\n"
				 "\n"
				 "  --recount            count it anew; needs "
				 "a running daemon, and ends\n"
				 "                       before that does\n";

static const char url_text[] =
	"Prints a URL with which anybody may fetch one of the user's files "
	"from\n"
	"the store, without the gateway and without credentials, until it\n"
	"expires. For S3 it is presigned; for Swift it is a TempURL, which "
	"needs\n"
	"the store's tempurl_key.\n"
	"\n"
	"  --ttl TIME           until it expires: 1s to 7d; default: 1h\n"
	"  --put                to store a file instead; the gateway hears\n"
	"                       nothing of that and sends no event\n";

const struct command ctl_user_commands[] = {
	{ "user add", "NAME [OPTION ...]", "add a user", user_add_text,
	  cmd_user_add },
	{ "user passwd", "NAME [OPTION ...]", "give a user a new password",
	  user_passwd_text, cmd_user_passwd },
	{ "user key", "NAME FILE", "let a user in with a public key",
	  user_key_text, cmd_user_key },
	{ "user list", "", "list the users", user_list_text, cmd_user_list },
	{ "url", "USER PATH [OPTION ...]", "let others fetch a file", url_text,
	  cmd_url },
	{ "quota", "[NAME] [--recount]", "show use and limit of quotas",
	  quota_text, cmd_quota },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char uploads_text[] =
	"Lists the uploads that have not ended. OFFSET is where an upload goes "
	"on:\n"
	"the bytes that are kept, in the store or in the spool. Without a "
	"running\n"
	"daemon it is what the store has confirmed, with a '+' behind it. AGE "
	"is\n"
	"the time since an upload began, was parked or ended.\n"
	"\n"
	"  --all                those that have ended too\n"
	"  --state STATE,...    in one of these states:\n"
	"                         open        a session writes\n"
	"                         parked      broken off, can be resumed\n"
	"                         closing     complete, last parts on their "
	"way\n"
	"                         sealed      complete under a temporary name\n"
	"                         completing  the store makes the object\n"
	"                         aborting    being given up\n"
	"                         published, aborted, lost: ended\n"
	"  --user NAME          of one user\n"
	"  --store NAME         in one store\n";

static const char upload_show_text[] =
	"Shows one upload: all that the journal has of it, and the events "
	"that\n"
	"tell of it. ID is its id, or 4 characters and more from the "
	"beginning\n"
	"or the end of it. Without a running daemon its offset is not known.\n"
	"\n"
	"  --parts              list its parts\n";

static const char upload_abort_text[] =
	"Gives an upload up: what was received is deleted, in the spool and "
	"in\n"
	"the store, and the client has to begin anew. One that is being\n"
	"published cannot be stopped any more. Needs a running daemon.\n";

static const char upload_publish_text[] =
	"Publishes an upload that was broken off, as its owner's CLOSE would "
	"have\n"
	"done: for a client that was killed behind its last byte and now finds "
	"the\n"
	"full size there. Refused while bytes are missing or a declared size "
	"is not\n"
	"met; whether these are all bytes is for you to know. An object under "
	"the\n"
	"final name is replaced. The event says \"operator\". Needs a running\n"
	"daemon.\n";

const struct command ctl_upload_commands[] = {
	{ "uploads", "[OPTION ...]", "list the uploads under way", uploads_text,
	  cmd_uploads },
	{ "upload show", "ID [--parts]", "show one with its events",
	  upload_show_text, cmd_upload_show },
	{ "upload publish", "ID", "publish one that was broken off",
	  upload_publish_text, cmd_upload_publish },
	{ "upload abort", "ID", "give one up", upload_abort_text,
	  cmd_upload_abort },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char events_text[] =
	"Lists the last events that were recorded, whoever has heard of them.\n"
	"\n"
	"  --last N             so many; default 20\n"
	"  --follow             go on with new ones until interrupted\n"
	"  --dead               those that a sink refused or did not take in "
	"time:\n"
	"                       all of them, with the reason\n"
	"  --sink NAME          with --dead: of one sink\n";

static const char events_retry_text[] =
	"Tries dead events again, at the sinks where they died. ID is an "
	"event's\n"
	"id, or 4 characters and more from the beginning or the end of it.\n"
	"\n"
	"  --all-dead           all that are dead\n"
	"  --sink NAME          at this sink alone\n";

static const char sinks_text[] =
	"Lists the sinks: whether they answer and since when, how many events "
	"lie\n"
	"before each (LAG), how many failed and are tried again (WAIT), and "
	"how "
	"many\n"
	"are dead. \"left\" is one that is not configured any more.\n";

static const char sinks_test_text[] =
	"Sends an event of type \"test\" to a sink, from here, and says what "
	"became\n"
	"of it. The daemon need not run.\n";

static const char sinks_enable_text[] =
	"Makes the daemon use a sink again that answered \"gone\", or try one "
	"that\n"
	"is down now.\n";

static const char media_text[] =
	"Shows what a probe found of an object: container, streams, image or "
	"MIME\n"
	"type. KEY is a key of the store; USER PATH is a user's file.\n"
	"\n"
	"  --store NAME         the key's store; default: the default store\n";

static const char probe_text[] =
	"Looks at an object now and says what it is and what that cost. "
	"Nothing "
	"is\n"
	"kept, and no event is sent. The daemon need not run.\n"
	"\n"
	"  --store NAME         the key's store; default: the default store\n";

/* Those of two words stand first, or the one-word name would match. */
const struct command ctl_event_commands[] = {
	{ "events retry", "ID [--all-dead]", "try a dead event again",
	  events_retry_text, cmd_events_retry },
	{ "events", "[OPTION ...]", "list events", events_text, cmd_events },
	{ "sinks test", "NAME", "send a sink a test event", sinks_test_text,
	  cmd_sinks_test },
	{ "sinks enable", "NAME", "use a sink again", sinks_enable_text,
	  cmd_sinks_enable },
	{ "sinks", "", "show how far each sink is", sinks_text, cmd_sinks },
	{ "media", "[USER] PATH|KEY", "show what an object is", media_text,
	  cmd_media },
	{ "probe", "[USER] PATH|KEY", "look at an object now", probe_text,
	  cmd_probe },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char status_text[] =
	"Shows how the running daemon does: where it listens, its stores, how\n"
	"full the spool is, and for each worker its connections, users that "
	"are\n"
	"logged in, uploads under way, and what it received, stored, "
	"published\n"
	"and failed since it started.\n";

static const char reload_text[] =
	"Makes the daemon read sluice.ini, users.ini, keys and certificates\n"
	"again, as SIGHUP does. Sessions that are there go on with what they\n"
	"have. Where something is wrong, everything stays as it was.\n";

static const char drain_text[] =
	"Makes the daemon take no new connections and end with its last\n"
	"session, however long that takes.\n";

static const char stop_text[] =
	"Ends the daemon as SIGTERM does: sessions may go on for "
	"drain_timeout\n"
	"and are then cut off. Uploads under way stay resumable.\n";

const struct command ctl_daemon_commands[] = {
	{ "status", "", "show how the daemon does", status_text, cmd_status },
	{ "reload", "", "read the configuration again", reload_text,
	  cmd_reload },
	{ "drain", "", "end the daemon with its last session", drain_text,
	  cmd_drain },
	{ "stop", "", "end the daemon", stop_text, cmd_stop },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char check_text[] =
	"Puts journal, spool and stores side by side and says what does not "
	"agree,\n"
	"and what to do about it. Works beside a running daemon and without "
	"one;\n"
	"what a session is at work on is left alone.\n"
	"\n"
	"  --repair             mend what can be mended without losing "
	"anything\n"
	"  --deep               also read the spool's bytes, and compare size "
	"and\n"
	"                       ETag of published objects\n"
	"  --last N             look at the last N published objects; default "
	"100\n"
	"\n"
	"Exit status: 0 all is well, 1 something is wrong, 2 it could not be\n"
	"found out.\n";

static const char sweep_text[] =
	"Lists what nobody comes back for, and with --yes ends it for good: "
	"parked\n"
	"uploads, segments that no upload has, and multipart uploads in the "
	"stores\n"
	"that no upload of the journal began. Those may belong to another "
	"program\n"
	"that writes to the same place: look at the list first.\n"
	"\n"
	"  --older TIME         only what is older than that; default 7d\n"
	"  --store NAME         in one store\n"
	"  --sealed             also uploads that were never renamed\n"
	"  --dry-run            only list (so without --yes)\n"
	"  --yes                do it\n";

static const char backup_text[] =
	"Copies the journal to FILE, as it is at this moment; the daemon goes "
	"on.\n"
	"\n"
	"  --replace            FILE may exist\n";

static const char restore_text[] =
	"Puts a copy that \"backup\" made in the journal's place. The daemon "
	"must be\n"
	"stopped; the journal that was there is kept beside it. Then run\n"
	"sluicectl check --repair: the stores know more than the copy.\n";

const struct command ctl_care_commands[] = {
	{ "check", "[OPTION ...]", "see whether journal, spool, stores agree",
	  check_text, cmd_check },
	{ "sweep", "[OPTION ...]", "end what nobody comes back for", sweep_text,
	  cmd_sweep },
	{ "backup", "FILE [--replace]", "copy the journal", backup_text,
	  cmd_backup },
	{ "restore", "FILE", "put such a copy in its place", restore_text,
	  cmd_restore },
	{ NULL, NULL, NULL, NULL, NULL },
};
