/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tunables.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "lib/mem.h"

#define VARIABLE "GLIBC_TUNABLES"
#define TUNABLE "glibc.cpu.x86_rep_movsb_threshold"
#define VALUE "100000000"
#define TRIED "SLUICE_TUNABLES_TRIED" /* so that there is no second time */

bool
tunables_wanted(const char *vendor, const char *glibc)
{
	unsigned major, minor;

	return strcmp(vendor, "AuthenticAMD") == 0 &&
	       sscanf(glibc, "%u.%u", &major, &minor) == 2 && major == 2 &&
	       minor < 40;
}

static void
cpu_vendor(char vendor[13])
{
	memset(vendor, 0, 13);
#if defined(__x86_64__)
	unsigned eax, ebx, ecx, edx;

	if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx))
		return;
	memcpy(vendor, &ebx, 4);
	memcpy(vendor + 4, &edx, 4);
	memcpy(vendor + 8, &ecx, 4);
#endif
}

void
tunables_apply(char *const argv[])
{
	const char *old = getenv(VARIABLE);
	char vendor[13], path[4096];
	char *all;
	ssize_t n;

	if (getenv(TRIED)) {
		unsetenv(TRIED);
		return;
	}
	if (old && strstr(old, TUNABLE))
		return;
	/* The loader of a set-uid program would drop the variable again. */
	if (getauxval(AT_SECURE))
		return;
	cpu_vendor(vendor);
	if (!tunables_wanted(vendor, gnu_get_libc_version()))
		return;
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	all = mem_printf("%s%s" TUNABLE "=" VALUE, old ? old : "",
			 old && *old ? ":" : "");
	if (setenv(VARIABLE, all, 1) == 0 && setenv(TRIED, "1", 1) == 0)
		execv(path, argv);
	unsetenv(TRIED);
	free(all);
}
