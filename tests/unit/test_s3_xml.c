/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/s3_xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static struct s3_error error;

static enum s3_xml
made(const char *xml, struct s3_made *out)
{
	return s3_xml_made(xml, strlen(xml), "CompleteMultipartUploadResult",
			   &error, out);
}

static enum s3_xml
items(const char *xml, struct s3_items *out)
{
	return s3_xml_items(xml, strlen(xml), &error, out);
}

static enum s3_xml
parts(const char *xml, struct s3_parts *out)
{
	return s3_xml_parts(xml, strlen(xml), &error, out);
}

static void
test_error_is_read(void **state)
{
	const char *xml = DECLARATION
		"<Error><Code>NoSuchKey</Code><Message>The resource "
		"&lt;you&gt; requested</Message><Key>k</Key></Error>";

	(void)state;
	s3_xml_error(xml, strlen(xml), &error);
	assert_string_equal(error.code, "NoSuchKey");
	assert_string_equal(error.message, "The resource <you> requested");
	s3_xml_error("<html>502 Bad Gateway</html>", 28, &error);
	assert_string_equal(error.code, "");
	s3_xml_error("", 0, &error);
	assert_string_equal(error.code, "");
	s3_xml_error("<Error><Code>Cut", 16, &error);
	assert_string_equal(error.code, "");
}

static void
test_error_of_any_length_is_cut(void **state)
{
	char xml[4000];

	(void)state;
	memset(xml, 'm', sizeof(xml));
	memcpy(xml, "<Error><Message>", 16);
	memcpy(xml + sizeof(xml) - 18, "</Message></Error>", 18);
	s3_xml_error(xml, sizeof(xml), &error);
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
}

static void
test_initiate_gives_the_id(void **state)
{
	const char *xml = DECLARATION
		"<InitiateMultipartUploadResult" NS "><Bucket>b</Bucket>"
		"<Key>k</Key><UploadId>VXBsb2FkIElE</UploadId>"
		"</InitiateMultipartUploadResult>";
	char id[STORE_BACKEND_ID_MAX + 1];

	(void)state;
	assert_int_equal(s3_xml_initiate(xml, strlen(xml), &error, id),
			 S3_XML_OK);
	assert_string_equal(id, "VXBsb2FkIElE");
	xml = "<InitiateMultipartUploadResult/>";
	assert_int_equal(s3_xml_initiate(xml, strlen(xml), &error, id),
			 S3_XML_BAD);
}

static void
test_initiate_refuses_an_id_that_is_too_long(void **state)
{
	char id[STORE_BACKEND_ID_MAX + 1], xml[1024], text[300];

	(void)state;
	memset(text, 'i', sizeof(text));
	text[STORE_BACKEND_ID_MAX + 1] = '\0';
	snprintf(xml, sizeof(xml),
		 "<InitiateMultipartUploadResult><UploadId>%s</UploadId>"
		 "</InitiateMultipartUploadResult>",
		 text);
	assert_int_equal(s3_xml_initiate(xml, strlen(xml), &error, id),
			 S3_XML_BAD);
}

static void
test_complete_waits_with_white_space(void **state)
{
	struct s3_made m;

	(void)state;
	assert_int_equal(
		made("  \n\n   " DECLARATION "<CompleteMultipartUploadResult" NS
		     ">"
		     "<ETag>&quot;3858f62230ac3c915f300c664312c11f-9&quot;"
		     "</ETag></CompleteMultipartUploadResult>",
		     &m),
		S3_XML_OK);
	assert_string_equal(m.etag, "3858f62230ac3c915f300c664312c11f-9");
	assert_string_equal(m.sum, "");
}

static void
test_complete_with_an_error_inside_is_that_error(void **state)
{
	struct s3_made m;

	(void)state;
	assert_int_equal(made(" " DECLARATION
			      "<Error><Code>InternalError</Code></Error>",
			      &m),
			 S3_XML_ERROR);
	assert_string_equal(error.code, "InternalError");
	assert_string_equal(m.etag, "");
}

static void
test_complete_takes_nothing_else_for_an_answer(void **state)
{
	static const char more[] =
		"<CompleteMultipartUploadResult><ETag>\"a\"</ETag>"
		"</CompleteMultipartUploadResult><more/>";
	static const char line[] =
		"<CompleteMultipartUploadResult><ETag>a\nb</ETag>"
		"</CompleteMultipartUploadResult>";
	static const char *const bad[] = {
		"",
		"   ",
		"OK",
		"<CompleteMultipartUploadResult>",
		"<CompleteMultipartUploadResult><ETag>\"a\"</ETag>",
		"<CompleteMultipartUploadResult/>",
		"<CopyObjectResult><ETag></ETag></CopyObjectResult>",
		"<CopyObjectResult><ETag>\"a\"</ETag></CopyObjectResult>",
		more,
		line,
	};
	struct s3_made m;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(made(bad[i], &m), S3_XML_BAD);
}

/* As Ceph 16 answers the first Complete. */
static void
test_complete_may_leave_its_etag_empty(void **state)
{
	struct s3_made m;

	(void)state;
	assert_int_equal(made("<CompleteMultipartUploadResult><ETag></ETag>"
			      "</CompleteMultipartUploadResult>",
			      &m),
			 S3_XML_OK);
	assert_true(m.blank);
	assert_string_equal(m.etag, "");
}

static void
test_document_types_are_refused(void **state)
{
	struct s3_made m;

	(void)state;
	assert_int_equal(made("<!DOCTYPE x [<!ENTITY a \"aaaa\">]>"
			      "<CompleteMultipartUploadResult><ETag>&a;</ETag>"
			      "</CompleteMultipartUploadResult>",
			      &m),
			 S3_XML_BAD);
}

static void
test_depth_and_length_have_ceilings(void **state)
{
	struct s3_made m;
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	buf_add_text(&b, "<CompleteMultipartUploadResult>");
	for (int i = 0; i < S3_XML_DEPTH; i++)
		buf_add_text(&b, "<a>");
	assert_int_equal(made(buf_cstr(&b), &m), S3_XML_BAD);
	buf_clear(&b);
	buf_add_text(&b, "<CompleteMultipartUploadResult><a>");
	for (int i = 0; i <= S3_XML_TEXT; i++)
		buf_add_u8(&b, 'x');
	buf_add_text(&b, "</a><ETag>e</ETag>"
			 "</CompleteMultipartUploadResult>");
	assert_int_equal(made(buf_cstr(&b), &m), S3_XML_BAD);
	buf_free(&b);
}

static void
test_parts_are_read(void **state)
{
	struct s3_parts p;

	(void)state;
	assert_int_equal(
		parts(DECLARATION
		      "<ListPartsResult" NS "><Owner><ID>x</ID></Owner>"
		      "<PartNumberMarker>1</PartNumberMarker>"
		      "<NextPartNumberMarker>3</NextPartNumberMarker>"
		      "<MaxParts>2</MaxParts><IsTruncated>true</IsTruncated>"
		      "<Part><PartNumber>2</PartNumber>"
		      "<LastModified>2010-11-10T20:48:34.000Z</LastModified>"
		      "<ETag>\"7778aef83f66abc1fa1e8477f296d394\"</ETag>"
		      "<Size>10485760</Size></Part>\n"
		      "<Part><PartNumber>3</PartNumber>"
		      "<ETag>aaaa18db4cc2f85cedef654fccc4a4x8</ETag>"
		      "<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C>"
		      "<Size>5</Size></Part></ListPartsResult>",
		      &p),
		S3_XML_OK);
	assert_int_equal(p.n, 2);
	assert_true(p.truncated);
	assert_int_equal(p.next, 3);
	assert_int_equal(p.parts[0].no, 2);
	assert_int_equal(p.parts[0].len, 10485760);
	assert_string_equal(p.parts[0].etag,
			    "7778aef83f66abc1fa1e8477f296d394");
	assert_string_equal(p.parts[0].sum, "");
	assert_int_equal(p.parts[1].no, 3);
	assert_string_equal(p.parts[1].sum, "AAAAAA==");
	s3_parts_free(&p);
}

static void
test_parts_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[] = {
		"<PartNumber>0</PartNumber>",
		"<PartNumber>-1</PartNumber>",
		"<PartNumber>x</PartNumber>",
		"<PartNumber>99999999999</PartNumber>",
		"<Size>1</Size>",
		"<PartNumber>1</PartNumber><Size>1e3</Size>",
		"<PartNumber>1</PartNumber><Size>99999999999999999999</Size>",
		"<PartNumber>1</PartNumber><ETag>a b</ETag>",
	};
	char xml[512];
	struct s3_parts p;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(xml, sizeof(xml),
			 "<ListPartsResult><Part>%s</Part></ListPartsResult>",
			 bad[i]);
		assert_int_equal(parts(xml, &p), S3_XML_BAD);
		assert_int_equal(p.n, 0);
	}
}

static void
test_page_beyond_its_ceiling_is_refused(void **state)
{
	struct s3_parts p;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_add_text(&b, "<ListPartsResult>");
	for (int i = 1; i <= S3_PAGE_MAX; i++)
		buf_printf(&b, "<Part><PartNumber>%d</PartNumber></Part>", i);
	buf_add_text(&b, "</ListPartsResult>");
	assert_int_equal(parts(buf_cstr(&b), &p), S3_XML_OK);
	assert_int_equal(p.n, S3_PAGE_MAX);
	s3_parts_free(&p);
	buf_clear(&b);
	buf_add_text(&b, "<ListPartsResult>");
	for (int i = 1; i <= S3_PAGE_MAX + 1; i++)
		buf_printf(&b, "<Part><PartNumber>%d</PartNumber></Part>", i);
	buf_add_text(&b, "</ListPartsResult>");
	assert_int_equal(parts(buf_cstr(&b), &p), S3_XML_BAD);
	buf_free(&b);
}

static void
test_items_are_read_and_decoded(void **state)
{
	struct s3_items l;

	(void)state;
	assert_int_equal(
		items("<ListBucketResult" NS "><Prefix>p</Prefix>"
		      "<NextContinuationToken>t/=k</NextContinuationToken>"
		      "<IsTruncated>true</IsTruncated>"
		      "<Contents><Key>p/a+b%2Bc%25%C3%BC%00%zz%4</Key>"
		      "<LastModified>2009-10-12T17:50:30.000Z</LastModified>"
		      "<ETag>\"fba9dede5f27731c9771645a39863328\"</ETag>"
		      "<Size>434234</Size></Contents>"
		      "<CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes>"
		      "<EncodingType>url</EncodingType></ListBucketResult>",
		      &l),
		S3_XML_OK);
	assert_int_equal(l.n, 2);
	assert_true(l.truncated);
	assert_string_equal(l.next, "t/=k");
	assert_string_equal(l.items[0].key, "p/a b+c%\xc3\xbc%00%zz%4");
	assert_false(l.items[0].is_prefix);
	assert_int_equal(l.items[0].size, 434234);
	assert_int_equal(l.items[0].mtime, 1255369830);
	assert_string_equal(l.items[1].key, "p/d/");
	assert_true(l.items[1].is_prefix);
	s3_items_free(&l);
}

static void
test_items_without_encoding_stay_as_they_are(void **state)
{
	struct s3_items l;

	(void)state;
	assert_int_equal(items("<ListBucketResult><Contents>"
			       "<Key>a+b%20c</Key></Contents>"
			       "</ListBucketResult>",
			       &l),
			 S3_XML_OK);
	assert_string_equal(l.items[0].key, "a+b%20c");
	assert_false(l.truncated);
	assert_null(l.next);
	s3_items_free(&l);
}

static void
test_items_without_a_key_are_refused(void **state)
{
	struct s3_items l;

	(void)state;
	assert_int_equal(items("<ListBucketResult><Contents><Size>1</Size>"
			       "</Contents></ListBucketResult>",
			       &l),
			 S3_XML_BAD);
}

static void
test_uploads_are_read(void **state)
{
	const char *xml =
		"<ListMultipartUploadsResult" NS "><EncodingType>url"
		"</EncodingType><NextKeyMarker>b%20</NextKeyMarker>"
		"<NextUploadIdMarker>2</NextUploadIdMarker>"
		"<IsTruncated>true</IsTruncated><Upload><Key>a%2Fb</Key>"
		"<UploadId>1</UploadId><Initiator><ID>i</ID></Initiator>"
		"<Initiated>2010-11-10T20:48:33.250Z</Initiated></Upload>"
		"<Upload><Key>b</Key><UploadId>2</UploadId></Upload>"
		"</ListMultipartUploadsResult>";
	struct s3_uploads u;

	(void)state;
	assert_int_equal(s3_xml_uploads(xml, strlen(xml), &error, &u),
			 S3_XML_OK);
	assert_int_equal(u.n, 2);
	assert_string_equal(u.uploads[0].key, "a/b");
	assert_string_equal(u.uploads[0].id, "1");
	assert_true(u.uploads[0].initiated == 1289422113250);
	assert_true(u.uploads[1].initiated == 0);
	assert_string_equal(u.next_key, "b ");
	assert_string_equal(u.next_id, "2");
	s3_uploads_free(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_is_read),
		cmocka_unit_test(test_error_of_any_length_is_cut),
		cmocka_unit_test(test_initiate_gives_the_id),
		cmocka_unit_test(test_initiate_refuses_an_id_that_is_too_long),
		cmocka_unit_test(test_complete_waits_with_white_space),
		cmocka_unit_test(
			test_complete_with_an_error_inside_is_that_error),
		cmocka_unit_test(
			test_complete_takes_nothing_else_for_an_answer),
		cmocka_unit_test(test_complete_may_leave_its_etag_empty),
		cmocka_unit_test(test_document_types_are_refused),
		cmocka_unit_test(test_depth_and_length_have_ceilings),
		cmocka_unit_test(test_parts_are_read),
		cmocka_unit_test(test_parts_that_make_no_sense_are_refused),
		cmocka_unit_test(test_page_beyond_its_ceiling_is_refused),
		cmocka_unit_test(test_items_are_read_and_decoded),
		cmocka_unit_test(test_items_without_encoding_stay_as_they_are),
		cmocka_unit_test(test_items_without_a_key_are_refused),
		cmocka_unit_test(test_uploads_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
