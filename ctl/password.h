/* SPDX-License-Identifier: Apache-2.0 */
/* Where a new password comes from: a terminal, a pipe, or chance. */
#ifndef CTL_PASSWORD_H
#define CTL_PASSWORD_H

#include <stdbool.h>

/*
 * Asked for twice, without echo, where stdin is a terminal; else, or when
 * `from_stdin`, stdin's first line. NULL after saying what is wrong. The caller
 * wipes and frees it.
 */
char *password_ask(const char *user, bool from_stdin);

/* 20 characters that are hard to mistake for each other: 116 bits. */
char *password_generate(void);

#endif
