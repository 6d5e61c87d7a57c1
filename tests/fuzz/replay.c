/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzzer over its corpus: tests/fuzz/fuzz_x reads the files in
 * $srcdir/tests/fuzz/corpus/x, or the files that are given as arguments.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(name);
		exit(1);
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return 0;
	}
	/* Exactly as large as the input, so that a sanitizer sees its end. */
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	n = data ? read(fd, data, (size_t)st.st_size) : -1;
	if (n != st.st_size) {
		perror(name);
		exit(1);
	}
	/* Should it crash, this is the last line. */
	printf("%s\n", name);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, (size_t)n);
	free(data);
	close(fd);
	return 1;
}

static int
replay_corpus(const char *program)
{
	const char *srcdir = getenv("srcdir");
	const char *name = strstr(program, "fuzz_");
	char path[4096];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s",
		 srcdir ? srcdir : ".", name ? name + strlen("fuzz_") : "");
	dir = opendir(path);
	if (!dir) {
		perror(path);
		exit(1);
	}
	while ((entry = readdir(dir)))
		count += replay(dirfd(dir), entry->d_name);
	closedir(dir);
	return count;
}

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	int count = 0;

	for (int i = 1; i < argc; i++)
		count += replay(AT_FDCWD, argv[i]);
	if (argc == 1)
		count = replay_corpus(slash ? slash + 1 : argv[0]);
	printf("%d inputs\n", count);
	/* A corpus of nothing would test nothing. */
	return count > 0 ? 0 : 1;
}
