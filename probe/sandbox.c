/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/sandbox.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef HAVE_SECCOMP
#include <errno.h>
#include <seccomp.h>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

void
sandbox_prepare(void)
{
	close_range(STDERR_FILENO + 1, ~0u, 0);
	clearenv();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
}

/* Never more than there is already. */
static bool
limit_two(int what, rlim_t soft, rlim_t hard)
{
	struct rlimit now, r = { soft, hard };

	if (getrlimit((__rlimit_resource_t)what, &now) != 0)
		return false;
	if (now.rlim_max < hard)
		r.rlim_max = now.rlim_max;
	if (r.rlim_max < soft)
		r.rlim_cur = r.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &r) == 0;
}

static bool
limit(int what, rlim_t max)
{
	return limit_two(what, max, max);
}

static bool
limits(uint64_t memory, uint32_t cpu_s)
{
#ifdef SANITIZED
	/* Shadow memory takes terabytes of address space. */
	memory = RLIM_INFINITY;
#endif
	return limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) &&
	       limit(RLIMIT_NOFILE, STDERR_FILENO + 1) &&
	       limit(RLIMIT_NPROC, 0) && limit(RLIMIT_AS, memory) &&
	       limit_two(RLIMIT_CPU, cpu_s, (rlim_t)cpu_s + 1);
}

#ifdef HAVE_SECCOMP

#define SYS(name) SCMP_SYS(name)

/* What memory, time and the end of a process need. */
static const int allowed[] = {
	SYS(brk),	   SYS(munmap),	      SYS(mremap),
	SYS(madvise),	   SYS(futex),	      SYS(clock_gettime),
	SYS(gettimeofday), SYS(time),	      SYS(getrandom),
	SYS(sysinfo),	   SYS(sched_yield),  SYS(sched_getaffinity),
	SYS(getpid),	   SYS(gettid),	      SYS(rt_sigprocmask),
	SYS(rt_sigaction), SYS(rt_sigreturn), SYS(sigaltstack),
	SYS(exit),	   SYS(exit_group),   SYS(restart_syscall),
};

/* What libraries try, and live without. */
static const int refused[] = {
	SYS(open),	 SYS(openat),	SYS(access),	 SYS(faccessat),
	SYS(stat),	 SYS(lstat),	SYS(fstat),	 SYS(newfstatat),
	SYS(statx),	 SYS(readlink), SYS(readlinkat), SYS(getcwd),
	SYS(ioctl),	 SYS(lseek),	SYS(uname),	 SYS(prlimit64),
	SYS(clone),	 SYS(clone3),	SYS(close),	 SYS(fcntl),
	SYS(faccessat2),
};

static bool
calls_by_name(scmp_filter_ctx ctx)
{
	bool ok = true;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		ok = ok &&
		     seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		ok = ok && seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
					    refused[i], 0) == 0;
	return ok;
}

static struct scmp_arg_cmp
equals(unsigned no, int value)
{
	return (struct scmp_arg_cmp){ no, SCMP_CMP_EQ, (scmp_datum_t)value, 0 };
}

/* Argument 2 of mmap and mprotect, without or with PROT_EXEC. */
static struct scmp_arg_cmp
executable(int bit)
{
	return (struct scmp_arg_cmp){ 2, SCMP_CMP_MASKED_EQ, PROT_EXEC,
				      (scmp_datum_t)bit };
}

/* Those that are harmless with some arguments only. */
static bool
calls_by_argument(scmp_filter_ctx ctx)
{
	const struct {
		uint32_t action;
		int call;
		struct scmp_arg_cmp arg;
	} rules[] = {
		{ SCMP_ACT_ALLOW, SYS(read), equals(0, STDIN_FILENO) },
		{ SCMP_ACT_ALLOW, SYS(write), equals(0, STDOUT_FILENO) },
		{ SCMP_ACT_ALLOW, SYS(write), equals(0, STDERR_FILENO) },
		{ SCMP_ACT_ALLOW, SYS(tgkill), equals(0, getpid()) },
		{ SCMP_ACT_ALLOW, SYS(mmap), executable(0) },
		{ SCMP_ACT_ALLOW, SYS(mprotect), executable(0) },
		{ SCMP_ACT_ERRNO(EPERM), SYS(mmap), executable(PROT_EXEC) },
		{ SCMP_ACT_ERRNO(EPERM), SYS(mprotect), executable(PROT_EXEC) },
	};
	bool ok = true;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		ok = ok && seccomp_rule_add(ctx, rules[i].action, rules[i].call,
					    1, rules[i].arg) == 0;
	return ok;
}

/*
 * Where a filter of our parents' forbids seccomp(2) itself, libseccomp knows
 * prctl(2) and the older of the two kills, which is the same to one thread.
 */
static bool
filter(void)
{
	uint32_t kill = SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx ctx = seccomp_init(kill);
	bool ok;

	if (!ctx)
		ctx = seccomp_init(kill = SCMP_ACT_KILL_THREAD);
	if (!ctx)
		return false;
	ok = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, kill) == 0 &&
	     calls_by_name(ctx) && calls_by_argument(ctx) &&
	     seccomp_load(ctx) == 0;
	seccomp_release(ctx);
	return ok;
}

#else

static bool
filter(void)
{
	return true;
}

#endif

const char *
sandbox_enter(uint64_t memory, uint32_t cpu_s)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return "no_new_privs";
	if (!limits(memory, cpu_s))
		return "resource limits";
	if (!filter())
		return "seccomp filter";
	return NULL;
}
