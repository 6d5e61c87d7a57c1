/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of addresses as from= of authorized_keys writes them (sshd(8),
 * AUTHORIZED_KEYS FILE FORMAT): patterns separated by commas, each an address,
 * a network in CIDR notation, or an address with the wildcards * and ?; a '!'
 * in front refuses what it matches. Host names are never looked up, so a
 * pattern that could only match a name is not valid here.
 */
#ifndef AUTH_ADDRESS_H
#define AUTH_ADDRESS_H

#include <stdbool.h>

#define ADDRESS_LIST_MAX 4096 /* bytes */

bool address_list_valid(const char *list);

/*
 * True when a pattern matches addr (text, IPv4 or IPv6) and no '!' pattern
 * does. An address or a list that is not valid matches nothing.
 */
bool address_list_match(const char *list, const char *addr);

#endif
