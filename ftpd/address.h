/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as FTP writes them, and how they compare. Pure. An IPv4 address
 * mapped into IPv6 counts as the IPv4 address that it is.
 */
#ifndef FTPD_ADDRESS_H
#define FTPD_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* AF_INET for mapped addresses too. */
int address_family(const struct sockaddr *sa);
bool address_same_host(const struct sockaddr *a, const struct sockaddr *b);
uint16_t address_port(const struct sockaddr *sa);
void address_set_port(struct sockaddr_storage *ss, uint16_t port);
socklen_t address_len(const struct sockaddr *sa);

/* The four bytes of an IPv4 address, else false. */
bool address_ipv4(const struct sockaddr *sa, unsigned char out[4]);

/* PORT "h1,h2,h3,h4,p1,p2" (RFC 959 section 4.1.2). */
bool address_parse_port(const char *arg, struct sockaddr_storage *out);

/* EPRT "|1|192.0.2.1|6275|" (RFC 2428 section 2). */
enum address_eprt { EPRT_OK, EPRT_BAD, EPRT_FAMILY };
enum address_eprt address_parse_eprt(const char *arg,
				     struct sockaddr_storage *out);

#endif
