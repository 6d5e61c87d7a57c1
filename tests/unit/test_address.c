/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/un.h>

static const char *const public_ones[] = {
	"8.8.8.8",	   "1.0.0.1",	      "9.255.255.255",
	"11.0.0.0",	   "100.63.255.255",  "100.128.0.0",
	"126.1.1.1",	   "128.0.0.1",	      "169.253.1.1",
	"172.15.255.255",  "172.32.0.0",      "192.0.1.1",
	"192.167.1.1",	   "192.169.1.1",     "198.17.1.1",
	"198.20.0.0",	   "223.255.255.255", "2600::1",
	"2a00:1450::1",	   "2001:200::1",     "2001:4860::8888",
	"3ffe::1",	   "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8",
	"2002:808:808::1",
};

static const char *const others[] = {
	"0.0.0.0",
	"0.1.2.3",
	"10.0.0.1",
	"10.255.255.255",
	"100.64.0.1",
	"100.127.255.255",
	"127.0.0.1",
	"127.255.255.254",
	"169.254.169.254",
	"172.16.0.1",
	"172.31.255.255",
	"192.0.0.8",
	"192.0.2.1",
	"192.88.99.1",
	"192.168.1.1",
	"198.18.0.1",
	"198.19.255.255",
	"198.51.100.7",
	"203.0.113.9",
	"224.0.0.1",
	"239.255.255.255",
	"240.0.0.1",
	"255.255.255.255",
	"::",
	"::1",
	"::8.8.8.8",
	"::ffff:127.0.0.1",
	"::ffff:10.1.2.3",
	"::ffff:0:8.8.8.8",
	"64:ff9b::10.0.0.1",
	"64:ff9b:1::8.8.8.8",
	"100::1",
	"2001::1",
	"2001:1ff::1",
	"2001:db8::1",
	"2002:7f00:1::1",
	"2002:a9fe:a9fe::1",
	"3fff:fff::1",
	"4000::1",
	"fc00::1",
	"fdff::1",
	"fe80::1",
	"fec0::1",
	"ff02::1",
	"",
	"localhost",
	"127.1",
	"8.8.8.8 ",
};

/* The same as a socket's address. */
static bool
socket_is_public(const char *ip)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
		return address_is_public((struct sockaddr *)&v4);
	if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1)
		return address_is_public((struct sockaddr *)&v6);
	return false;
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_strangers_addresses_are_public(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(public_ones); i++)
		if (!address_text_is_public(public_ones[i]) ||
		    !socket_is_public(public_ones[i]))
			fail_msg("%s is not public", public_ones[i]);
}

static void
test_private_and_special_addresses_are_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(others); i++)
		if (address_text_is_public(others[i]) ||
		    socket_is_public(others[i]))
			fail_msg("%s is public", others[i]);
	assert_false(address_text_is_public(NULL));
}

static void
test_this_machines_addresses_are_not(void **state)
{
	struct ifaddrs *list, *i;
	size_t n = 0;

	(void)state;
	assert_int_equal(getifaddrs(&list), 0);
	for (i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr)
			continue;
		assert_false(address_is_public(i->ifa_addr));
		n++;
	}
	freeifaddrs(list);
	assert_true(n > 0);
}

static void
test_addresses_have_a_text(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	v4.sin_addr.s_addr = htonl(0xc0000201);
	address_text((struct sockaddr *)&v4, text);
	assert_string_equal(text, "192.0.2.1");
	address_text((struct sockaddr *)&un, text);
	assert_string_equal(text, "(no IP address)");
	assert_false(address_is_public((struct sockaddr *)&un));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strangers_addresses_are_public),
		cmocka_unit_test(test_private_and_special_addresses_are_not),
		cmocka_unit_test(test_this_machines_addresses_are_not),
		cmocka_unit_test(test_addresses_have_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
