/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Given to clang-tidy in front of each file. Its analyzer cannot see that an
 * element which uthash or utlist took out of a table is not in it any more,
 * and finds uses after free that are none; so it sees calls of the unknown.
 */
#ifndef LINT_ANALYZER_H
#define LINT_ANALYZER_H

#include <uthash.h>
#include <utlist.h>

void *lint_without(void *head, void *element);

#undef HASH_DELETE
#define HASH_DELETE(hh, head, el) ((head) = lint_without(head, el))
#undef DL_DELETE
#define DL_DELETE(head, el) ((head) = lint_without(head, el))
#undef LL_DELETE
#define LL_DELETE(head, el) ((head) = lint_without(head, el))

#endif
