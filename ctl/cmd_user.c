/* SPDX-License-Identifier: Apache-2.0 */
/* "user add", "user passwd", "user key": changes to users.ini. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/account.h"
#include "ctl/cmd_user.h"
#include "ctl/password.h"
#include "ctl/users_file.h"
#include "ctl/users_text.h"
#include "lib/mem.h"

#define KEYS_MAX 20	   /* key1 .. key20 */
#define KEY_VALUE_MAX 950  /* so that its line has less than 1000 bytes */
#define KEY_FILE_MAX 65536 /* bytes */

/* What a new password came from. */
struct secret {
	char *password; /* generated: to be shown */
	char *hash;
};

static bool
secret_make(struct secret *s, const char *user, bool generate, bool from_stdin)
{
	char *password =
		generate ? password_generate() : password_ask(user, from_stdin);

	memset(s, 0, sizeof(*s));
	if (password == NULL)
		return false;
	if (auth_hash(password, &s->hash) != ERR_OK) {
		ctl_error("the password cannot be hashed");
		mem_wipe_free(password);
		return false;
	}
	if (generate)
		s->password = password;
	else
		mem_wipe_free(password);
	return true;
}

static void
secret_free(struct secret *s)
{
	mem_wipe_free(s->password);
	mem_wipe_free(s->hash);
}

/* Public keys. */

/*
 * What of a line goes into users.ini: a comment with characters that mean
 * something there is left out. NULL after saying what is wrong.
 */
static char *
key_value(const char *path, const char *line)
{
	char why[AUTHKEY_WHY_MAX] = "no key in it";
	struct authkey *key = NULL;
	char *value = NULL;
	const char *comment;

	if (authkey_parse(line, &key, why) != ERR_OK || key == NULL) {
		ctl_error("%s: %s", path, why);
		return NULL;
	}
	authkey_free(key);
	value = mem_strndup(line, strcspn(line, "\r"));
	comment = strrchr(value, ' ');
	if (strpbrk(value, ";#\\") != NULL && comment != NULL)
		value[comment - value] = '\0';
	if (strlen(value) <= KEY_VALUE_MAX && !strpbrk(value, ";#\\'"))
		return value;
	ctl_error("%s: this key cannot stand in users.ini; put it into a "
		  "file and name that with authorized_keys",
		  path);
	free(value);
	return NULL;
}

/* The first line of a file that is neither empty nor a comment. */
static char *
key_read(const char *path)
{
	char *line = mem_alloc(KEY_FILE_MAX), *value = NULL;
	FILE *f = fopen(path, "re");
	const char *text = NULL;

	if (f == NULL) {
		ctl_error("%s: %m", path);
		free(line);
		return NULL;
	}
	while (text == NULL && fgets(line, KEY_FILE_MAX, f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		text = line + strspn(line, " \t\r");
		if (*text == '\0' || *text == '#')
			text = NULL;
	}
	fclose(f);
	if (text == NULL)
		ctl_error("%s: no public key in it", path);
	else if (strstr(text, "PRIVATE KEY") != NULL)
		ctl_error("%s: a private key; give the .pub file", path);
	else
		value = key_value(path, text);
	free(line);
	return value;
}

/* What to do next, for people. */
static void
tell(const struct ctl *c, const char *name, const char *what)
{
	if (c->json)
		return;
	fprintf(stderr,
		"%s: %s in %s.\n"
		"A running daemon takes it over with: sluicectl reload\n",
		name, what, c->users_file);
}

static void
show_password(const struct ctl *c, const char *name, const struct secret *s)
{
	if (s->password == NULL)
		return;
	/* Neither the characters of a name nor these need escapes. */
	if (c->json)
		printf("{\"user\": \"%s\", \"password\": \"%s\"}\n", name,
		       s->password);
	else
		printf("%s\n", s->password);
}

static int
check_name(const struct ctl *c, const char *name)
{
	if (account_name_valid(name))
		return -1;
	return ctl_usage(c,
			 "\"%s\" cannot be a user's name: at most %d letters, "
			 "digits and . _ @ + -, not starting with . or -",
			 name, USER_NAME_MAX);
}

/* user add */

struct add {
	const char *name, *key_file;
	const char *home, *store, *rights, *publish;
	bool generate, from_stdin;
};

static bool
add_section(const struct ctl *c, struct users_file *u, const struct add *a,
	    const char *hash, const char *key)
{
	const struct users_line lines[] = {
		{ "password", hash },	 { "key1", key },
		{ "home", a->home },	 { "store", a->store },
		{ "rights", a->rights }, { "publish", a->publish },
	};
	char *text = users_text_add(u->text, a->name, lines,
				    sizeof(lines) / sizeof(lines[0]));
	bool done = users_file_replace(u, c, text);

	mem_wipe_free(text);
	return done;
}

static bool
is_new(const struct ctl *c, const char *name)
{
	struct users_file u;
	bool known = true, opened = users_file_open(&u, c);

	if (opened)
		known = users_text_has(u.text, name);
	users_file_close(&u);
	if (opened && known)
		ctl_error("%s is there already; \"sluicectl user passwd %s\" "
			  "gives a new password",
			  name, name);
	return opened && !known;
}

/*
 * With a key, a password is only made where it is asked for. The file is not
 * locked while somebody types.
 */
static bool
add_user(const struct ctl *c, const struct add *a)
{
	bool secret = a->key_file == NULL || a->generate || a->from_stdin;
	struct secret s = { NULL, NULL };
	struct users_file u = { .fd = -1 };
	char *key = NULL;
	bool done;

	if (!is_new(c, a->name))
		return false;
	if (a->key_file != NULL && (key = key_read(a->key_file)) == NULL)
		return false;
	done = (!secret ||
		secret_make(&s, a->name, a->generate, a->from_stdin)) &&
	       users_file_open(&u, c) && add_section(c, &u, a, s.hash, key);
	if (done) {
		show_password(c, a->name, &s);
		tell(c, a->name, "added");
	}
	users_file_close(&u);
	secret_free(&s);
	free(key);
	return done;
}

int
cmd_user_add(struct ctl *c, int argc, char **argv)
{
	struct add a = { 0 };
	const struct ctl_option options[] = {
		{ "--generate", &a.generate, NULL },
		{ "--password-stdin", &a.from_stdin, NULL },
		{ "--key", NULL, &a.key_file },
		{ "--home", NULL, &a.home },
		{ "--store", NULL, &a.store },
		{ "--rights", NULL, &a.rights },
		{ "--publish", NULL, &a.publish },
		{ NULL, NULL, NULL },
	};
	int status = ctl_options(c, options, &argc, argv);

	if (status >= 0)
		return status;
	if (argc != 1)
		return ctl_usage(c, "user add needs one name");
	a.name = argv[0];
	status = check_name(c, a.name);
	if (status >= 0)
		return status;
	if (a.generate && a.from_stdin)
		return ctl_usage(c, "--generate and --password-stdin "
				    "exclude each other");
	if (!ctl_config(c))
		return CTL_FAILED;
	return add_user(c, &a) ? CTL_OK : CTL_FAILED;
}

/* user passwd, user key */

static bool
set_key(const struct ctl *c, struct users_file *u, const char *name,
	const struct users_line *line)
{
	char *text = users_text_set(u->text, name, line->key, line->value);
	bool done = text != NULL && users_file_replace(u, c, text);

	mem_wipe_free(text);
	return done;
}

static bool
open_known(struct users_file *u, const struct ctl *c, const char *name)
{
	if (!users_file_open(u, c))
		return false;
	if (users_text_has(u->text, name))
		return true;
	ctl_error("there is no user %s in %s", name, c->users_file);
	return false;
}

static bool
change_password(const struct ctl *c, const char *name, bool generate,
		bool from_stdin)
{
	struct users_line line = { "password", NULL };
	struct users_file u;
	struct secret s = { NULL, NULL };
	bool done = open_known(&u, c, name);

	users_file_close(&u); /* while somebody types */
	done = done && secret_make(&s, name, generate, from_stdin) &&
	       open_known(&u, c, name);
	line.value = s.hash;
	done = done && set_key(c, &u, name, &line);
	if (done) {
		show_password(c, name, &s);
		tell(c, name, "new password");
	}
	secret_free(&s);
	users_file_close(&u);
	return done;
}

int
cmd_user_passwd(struct ctl *c, int argc, char **argv)
{
	bool generate = false, from_stdin = false;
	const struct ctl_option options[] = {
		{ "--generate", &generate, NULL },
		{ "--password-stdin", &from_stdin, NULL },
		{ NULL, NULL, NULL },
	};
	int status = ctl_options(c, options, &argc, argv);

	if (status >= 0)
		return status;
	if (argc != 1)
		return ctl_usage(c, "user passwd needs one name");
	if (generate && from_stdin)
		return ctl_usage(c, "--generate and --password-stdin "
				    "exclude each other");
	if (!ctl_config(c))
		return CTL_FAILED;
	return change_password(c, argv[0], generate, from_stdin) ? CTL_OK
								 : CTL_FAILED;
}

static bool
add_key(const struct ctl *c, struct users_file *u, const char *name,
	const char *value)
{
	struct conf *conf = conf_load(u->path);
	char word[16] = "";
	unsigned i;

	for (i = 1; i <= KEYS_MAX; i++) {
		snprintf(word, sizeof(word), "key%u", i);
		if (!conf_has(conf, name, word))
			break;
	}
	conf_free(conf);
	if (i > KEYS_MAX) {
		ctl_error("%s has %d keys already; name a file with "
			  "authorized_keys",
			  name, KEYS_MAX);
		return false;
	}
	return set_key(c, u, name, &(struct users_line){ word, value });
}

int
cmd_user_key(struct ctl *c, int argc, char **argv)
{
	int status = ctl_options(c, NULL, &argc, argv);
	struct users_file u;
	char *value;
	bool done;

	if (status >= 0)
		return status;
	if (argc != 2)
		return ctl_usage(c, "user key needs a name and a file");
	if (!ctl_config(c))
		return CTL_FAILED;
	done = open_known(&u, c, argv[0]);
	value = done ? key_read(argv[1]) : NULL;
	done = value != NULL && add_key(c, &u, argv[0], value);
	if (done)
		tell(c, argv[0], "key added");
	free(value);
	users_file_close(&u);
	return done ? CTL_OK : CTL_FAILED;
}
