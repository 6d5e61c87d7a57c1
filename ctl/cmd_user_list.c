/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/account.h"
#include "ctl/cmd_user.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/users_file.h"
#include "lib/mem.h"

static const char *const publish_names[] = { "close", "declared", "rename" };

static const struct {
	unsigned bit;
	const char *name, *brief;
} rights[] = {
	{ USER_READ, "read", "r" },	{ USER_WRITE, "write", "w" },
	{ USER_DELETE, "delete", "d" }, { USER_LIST, "list", "l" },
	{ USER_RENAME, "rename", "n" }, { USER_MKDIR, "mkdir", "m" },
};
#define RIGHTS (sizeof(rights) / sizeof(rights[0]))

static size_t
count_keys(const struct account *a)
{
	const struct authkey *k;
	size_t n = 0;

	for (k = a->keys; k != NULL; k = k->next)
		n++;
	return n;
}

static json_t *
account_json(const struct account *a)
{
	const struct user *u = a->user;
	json_t *o, *list = json_array();
	size_t i;

	for (i = 0; i < RIGHTS; i++)
		if (u->rights & rights[i].bit)
			json_array_append_new(list,
					      json_string(rights[i].name));
	o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:o}", "name", u->name,
		      "home", u->home, "store", u->store, "publish",
		      publish_names[u->publish], "password", a->hash != NULL,
		      "keys", (json_int_t)count_keys(a), "rights", list);
	json_object_set_new(o, "quota_bytes",
			    json_integer((json_int_t)u->quota_bytes));
	json_object_set_new(o, "quota_files",
			    json_integer((json_int_t)u->quota_files));
	json_object_set_new(o, "upload_rate",
			    json_integer((json_int_t)u->upload_rate));
	json_object_set_new(o, "download_rate",
			    json_integer((json_int_t)u->download_rate));
	json_object_set_new(o, "max_sessions", json_integer(u->max_sessions));
	return o;
}

static void
print_json(struct account *accounts)
{
	json_t *all = json_array();
	struct account *a, *next;

	HASH_ITER (hh, accounts, a, next)
		json_array_append_new(all, account_json(a));
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

/* "password", "2 keys", "password, 1 key" */
static void
login_text(const struct account *a, char *out, size_t size)
{
	size_t keys = count_keys(a);

	out[0] = '\0';
	if (a->hash != NULL)
		str_copy(out, size, "password");
	if (keys > 0)
		str_printf(out + strlen(out), size - strlen(out), "%s%zu key%s",
			   a->hash != NULL ? ", " : "", keys,
			   keys == 1 ? "" : "s");
	if (out[0] == '\0')
		str_copy(out, size, "none");
}

static void
rights_text(unsigned bits, char *out, size_t size)
{
	size_t i;

	out[0] = '\0';
	if (bits == 2 * USER_MKDIR - 1) {
		str_copy(out, size, "all");
		return;
	}
	for (i = 0; i < RIGHTS; i++)
		if (bits & rights[i].bit)
			str_printf(out + strlen(out), size - strlen(out),
				   "%s%s", out[0] != '\0' ? "," : "",
				   rights[i].name);
}

static void
print_table(struct account *accounts)
{
	static const struct table_column columns[] = {
		{ "NAME", false, 0 },	{ "LOGIN", false, 0 },
		{ "STORE", false, 0 },	{ "PUBLISH", false, 0 },
		{ "RIGHTS", false, 0 }, { "HOME", false, 0 },
	};
	struct table *t = table_new(columns, 6, text_columns());
	struct account *a, *next;
	char login[64], granted[64], home[600];

	HASH_ITER (hh, accounts, a, next) {
		const char *cells[] = {
			a->user->name,	login,
			a->user->store, publish_names[a->user->publish],
			granted,	home
		};

		login_text(a, login, sizeof(login));
		rights_text(a->user->rights, granted, sizeof(granted));
		snprintf(home, sizeof(home), "/%s", a->user->home);
		table_add(t, cells);
	}
	table_print(t);
	table_free(t);
}

int
cmd_user_list(struct ctl *c, int argc, char **argv)
{
	int status = ctl_options(c, NULL, &argc, argv);
	struct account *accounts;

	if (status >= 0)
		return status;
	if (argc != 0)
		return ctl_usage(c, "user list takes no words");
	if (!ctl_config(c))
		return CTL_FAILED;
	accounts = users_file_accounts(c);
	if (c->json)
		print_json(accounts);
	else if (accounts != NULL)
		print_table(accounts);
	else
		fprintf(stderr, "No users in %s.\n", c->users_file);
	accounts_free(accounts);
	return CTL_OK;
}
