/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses are a stranger's on the Internet. What is sent to an address
 * that somebody else chose must not reach this machine or a private network
 * behind it ("server-side request forgery"). Plain functions, any thread.
 */
#ifndef BRIDGE_ADDRESS_H
#define BRIDGE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_MAX 64

/*
 * False for what IANA's special-purpose registries keep from the Internet
 * (loopback, private, shared, link-local, unique local, documentation,
 * benchmarking, multicast, reserved), for IPv6 addresses with such an IPv4
 * address inside (mapped, NAT64, 6to4), for any other family, and for every
 * address of this machine.
 */
bool address_is_public(const struct sockaddr *sa);
bool address_text_is_public(const char *ip); /* no address: false */

/* "192.0.2.1" or "2001:db8::1", or "(no IP address)". */
void address_text(const struct sockaddr *sa, char dst[ADDRESS_TEXT_MAX]);

#endif
