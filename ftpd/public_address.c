/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/public_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

#define AGAIN_MS 300000	   /* a name is looked up again */
#define FAILED_MS 15000	   /* the same when it was not found */
#define RULE_MAX (2 * 256) /* bytes of one rule */
#define SEPARATORS ", \t"

/* A look-up outlives who asked for it: then owner is NULL. */
struct lookup {
	struct work work;
	struct public_addresses *owner;
	size_t index;
	char name[PUBLIC_NAME_MAX + 1];
	unsigned char ip[4];
	int error; /* of getaddrinfo() */
};

struct target {
	struct public_rule rule;
	unsigned char ip[4];
	bool known, is_name;
	struct lookup *lookup; /* under way */
};

struct public_addresses {
	struct work_pool *pool;
	struct loop_timer *timer;
	struct target targets[PUBLIC_ADDRESSES_MAX];
	size_t n;
};

static bool
host_name(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= PUBLIC_NAME_MAX && s[0] != '.' &&
	       s[0] != '-' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789.-") == len;
}

/* Digits and dots alone are an address, if only a misspelt one. */
static bool
address_or_name(const char *s)
{
	struct in_addr in;

	if (strspn(s, "0123456789.") == strlen(s))
		return inet_pton(AF_INET, s, &in) == 1;
	return host_name(s);
}

static bool
parse_rule(char *text, struct public_rule *r)
{
	char *to = strchr(text, '=');

	*r = (struct public_rule){ .all = !to };
	if (to) {
		*to++ = '\0';
		if (inet_pton(AF_INET, text, r->local) != 1)
			return false;
	} else {
		to = text;
	}
	return address_or_name(to) &&
	       str_copy(r->name, sizeof(r->name), to) == 0;
}

bool
public_address_parse(const char *text, struct public_rule *rules, size_t *n)
{
	char word[RULE_MAX];
	size_t len;

	*n = 0;
	for (text += strspn(text, SEPARATORS); *text;
	     text += strspn(text, SEPARATORS)) {
		len = strcspn(text, SEPARATORS);
		if (*n == PUBLIC_ADDRESSES_MAX || len >= sizeof(word))
			return false;
		memcpy(word, text, len);
		word[len] = '\0';
		if (!parse_rule(word, &rules[(*n)++]))
			return false;
		text += len;
	}
	return *n > 0;
}

static void
lookup_run(struct work *w)
{
	struct lookup *l = (struct lookup *)w;
	struct addrinfo hints = { .ai_family = AF_INET,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;

	l->error = getaddrinfo(l->name, NULL, &hints, &found);
	if (l->error == 0)
		memcpy(l->ip,
		       &((struct sockaddr_in *)(void *)found->ai_addr)
				->sin_addr,
		       4);
	if (found)
		freeaddrinfo(found);
}

static void
lookup_found(struct public_addresses *p, const struct lookup *l)
{
	struct target *t = &p->targets[l->index];
	char text[INET_ADDRSTRLEN];

	if (!t->known || memcmp(t->ip, l->ip, 4) != 0)
		log_info("ftpd", NULL, "public_address", KV_S("name", l->name),
			 KV_S("addr",
			      inet_ntop(AF_INET, l->ip, text, sizeof(text))));
	memcpy(t->ip, l->ip, 4);
	t->known = true;
}

/* An address that was found before stays until another one is. */
static void
lookup_done(struct work *w)
{
	struct lookup *l = (struct lookup *)w;
	struct public_addresses *p = l->owner;

	if (p) {
		p->targets[l->index].lookup = NULL;
		if (l->error == 0)
			lookup_found(p, l);
		else
			log_warn("ftpd", NULL, "public_address",
				 KV_S("name", l->name),
				 KV_S("why", gai_strerror(l->error)));
		loop_timer_set(p->timer, l->error ? FAILED_MS : AGAIN_MS);
	}
	free(l);
}

static void
look_up(void *arg)
{
	struct public_addresses *p = arg;
	size_t i;

	for (i = 0; i < p->n; i++) {
		struct target *t = &p->targets[i];
		struct lookup *l;

		if (!t->is_name || t->lookup)
			continue;
		l = mem_alloc(sizeof(*l));
		l->work.run = lookup_run;
		l->work.done = lookup_done;
		l->owner = p;
		l->index = i;
		str_copy(l->name, sizeof(l->name), t->rule.name);
		t->lookup = l;
		work_submit(p->pool, &l->work);
	}
}

struct public_addresses *
public_addresses_new(struct loop *loop, struct work_pool *pool,
		     const struct public_rule *rules, size_t n)
{
	struct public_addresses *p = mem_alloc(sizeof(*p));
	size_t i;

	p->pool = pool;
	p->n = n;
	for (i = 0; i < n; i++) {
		struct target *t = &p->targets[i];

		t->rule = rules[i];
		t->known = inet_pton(AF_INET, t->rule.name, t->ip) == 1;
		t->is_name = !t->known;
	}
	p->timer = loop_timer_new(loop, look_up, p);
	look_up(p);
	return p;
}

void
public_addresses_free(struct public_addresses *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < p->n; i++)
		if (p->targets[i].lookup)
			p->targets[i].lookup->owner = NULL;
	loop_timer_free(p->timer);
	free(p);
}

bool
public_address(const struct public_addresses *p, unsigned char ip[4])
{
	const struct target *t, *found = NULL;
	size_t i;

	for (i = 0; i < p->n; i++) {
		t = &p->targets[i];
		if (!t->rule.all && memcmp(t->rule.local, ip, 4) == 0)
			found = t;
		else if (t->rule.all && !found)
			found = t;
	}
	if (found && found->known)
		memcpy(ip, found->ip, 4);
	return !found || found->known;
}

bool
public_address_private(const unsigned char ip[4])
{
	return ip[0] == 10 || ip[0] == 127 ||
	       (ip[0] == 100 && (ip[1] & 0xc0) == 64) ||
	       (ip[0] == 169 && ip[1] == 254) ||
	       (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
	       (ip[0] == 192 && ip[1] == 168);
}
