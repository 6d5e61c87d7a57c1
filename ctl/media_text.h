/* SPDX-License-Identifier: Apache-2.0 */
/* What a probe found (doc/media.md), for people. */
#ifndef CTL_MEDIA_TEXT_H
#define CTL_MEDIA_TEXT_H

#include <jansson.h>

void media_text_print(const json_t *media);

#endif
