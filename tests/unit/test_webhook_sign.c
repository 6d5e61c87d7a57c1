/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/webhook_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/id.h"
#include "lib/mem.h"

/* The example that the libraries of Standard Webhooks are tested with. */
static void
test_known_signature(void **state)
{
	const char *text = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330."
			   "{\"test\": 2432232314}";
	struct webhook_key k;
	struct buf out;

	(void)state;
	assert_true(
		webhook_key_read(&k, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
	assert_int_equal(k.len, 24);
	buf_init(&out, 1000);
	webhook_sign(&k, text, strlen(text), &out);
	assert_string_equal(buf_cstr(&out),
			    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	buf_free(&out);
}

static bool
takes(size_t bytes)
{
	unsigned char raw[100] = { 0xff };
	char text[200] = "whsec_";
	struct webhook_key k;

	base64_encode(raw, bytes, text + strlen(text));
	return webhook_key_read(&k, text) && k.len == bytes &&
	       memcmp(k.bytes, raw, bytes) == 0;
}

static void
test_secrets_have_24_to_64_bytes(void **state)
{
	(void)state;
	assert_false(takes(0));
	assert_false(takes(23));
	for (size_t n = 24; n <= 64; n++)
		assert_true(takes(n));
	for (size_t n = 65; n <= 72; n++)
		assert_false(takes(n));
}

static void
test_other_texts_are_no_secrets(void **state)
{
	static const char *const bad[] = {
		"",
		"whsec_",
		"whsec",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
		"WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ",
	};
	struct webhook_key k;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (webhook_key_read(&k, bad[i]))
			fail_msg("\"%s\" was taken", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_signature),
		cmocka_unit_test(test_secrets_have_24_to_64_bytes),
		cmocka_unit_test(test_other_texts_are_no_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
