/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <string.h>

#include "bridge/store.h"

void
store_body_empty(struct store_body *body)
{
	memset(body, 0, sizeof(*body));
	body->fd = -1;
	body->data = "";
	body->has_sha256 = body->has_md5 = true;
	EVP_Digest("", 0, body->sha256, NULL, EVP_sha256(), NULL);
	EVP_Digest("", 0, body->md5, NULL, EVP_md5(), NULL);
}
