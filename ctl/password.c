/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/password.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "auth/user.h"
#include "ctl/ctl.h"
#include "lib/id.h"
#include "lib/mem.h"

#define LENGTH 20

static volatile sig_atomic_t caught;

static void
on_signal(int number)
{
	caught = number;
}

/* One line without its end. NULL: none, too long, or a signal came. */
static char *
read_line(void)
{
	char *line = mem_alloc(AUTH_PASSWORD_MAX + 3);
	size_t n = 0;
	ssize_t got;
	char c = '\0';

	while ((got = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
		if (n <= AUTH_PASSWORD_MAX + 1)
			line[n++] = c;
	}
	if (n > 0 && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	if (got < 0 || (got == 0 && n == 0)) {
		mem_wipe_free(line);
		return NULL;
	}
	return line;
}

/* A signal that would end us first gives the terminal its echo back. */
static char *
read_silently(const char *prompt)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
				       SIGTSTP };
	enum { COUNT = sizeof(signals) / sizeof(signals[0]) };
	struct sigaction act = { .sa_handler = on_signal }, old[COUNT];
	struct termios echo, silent;
	char *line = NULL;
	int i;

	if (tcgetattr(STDIN_FILENO, &echo) != 0)
		return NULL;
	caught = 0;
	for (i = 0; i < COUNT; i++)
		sigaction(signals[i], &act, &old[i]);
	silent = echo;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	fputs(prompt, stderr);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0)
		line = read_line();
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &echo);
	fputc('\n', stderr);
	for (i = 0; i < COUNT; i++)
		sigaction(signals[i], &old[i], NULL);
	if (caught != 0)
		raise(caught);
	return line;
}

static char *
ask_twice(const char *user)
{
	char *prompt = mem_printf("New password for %s: ", user);
	char *first = read_silently(prompt);
	char *again = first ? read_silently("The same again: ") : NULL;

	mem_wipe_free(prompt);
	if (first != NULL && again != NULL && strcmp(first, again) == 0) {
		mem_wipe_free(again);
		return first;
	}
	if (first != NULL && again != NULL)
		ctl_error("these differ; nothing was changed");
	else
		ctl_error("no password was given");
	mem_wipe_free(first);
	mem_wipe_free(again);
	return NULL;
}

char *
password_ask(const char *user, bool from_stdin)
{
	char *password;

	if (!from_stdin && isatty(STDIN_FILENO))
		password = ask_twice(user);
	else if ((password = read_line()) == NULL)
		ctl_error("no password on standard input");
	if (password == NULL)
		return NULL;
	if (password[0] != '\0' && strlen(password) <= AUTH_PASSWORD_MAX)
		return password;
	ctl_error("a password has 1 to %d bytes", AUTH_PASSWORD_MAX);
	mem_wipe_free(password);
	return NULL;
}

char *
password_generate(void)
{
	/* No 0, O, 1, l, I: 57 characters. */
	static const char chars[] = "23456789abcdefghijkmnopqrstuvwxyz"
				    "ABCDEFGHJKLMNPQRSTUVWXYZ";
	const unsigned n = sizeof(chars) - 1;
	char *out = mem_alloc(LENGTH + 1);
	unsigned char byte;
	size_t i = 0;

	while (i < LENGTH) {
		id_random(&byte, 1);
		/* What would favour the first characters is thrown away. */
		if (byte < 256 / n * n)
			out[i++] = chars[byte % n];
	}
	return out;
}
