#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "wire/credfile.h"

#define HEAD "nightjar-credentials 1\n"
#define NOTE "# Secret: whoever reads this file can act as what it names.\n"
#define KIND "kind: device\n"
#define NAME "name: pump-7\n"
#define CUSTOMER "customer: main\n"
#define UID "uid: 00112233445566778899aabbccddeeff\n"
#define KEY "key: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
#define EPOCH "epoch: 1\n"
#define HOST "host: gw.example.com\n"
#define KNOCK_PORT "knock-port: 62201\n"
#define PORTS "port.mqtts: 8883\nport.https: 8443\n"
#define COUNTER "counter: 41\n"
#define ATTEMPT "attempt: 3\n"
#define PEM_1 "  -----BEGIN CERTIFICATE-----\n"
#define PEM_2 "  -----END CERTIFICATE-----\n"
#define CA "ca:\n" PEM_1 "  TUlJQg==\n" PEM_2
#define LEAST HEAD KIND NAME CUSTOMER UID KEY EPOCH KNOCK_PORT COUNTER ATTEMPT
#define WHOLE HEAD NOTE KIND NAME CUSTOMER UID KEY EPOCH HOST KNOCK_PORT PORTS COUNTER ATTEMPT CA

static void test_whole(void **state)
{
	struct nj_credfile file;
	assert_int_equal(nj_credfile_parse(WHOLE, strlen(WHOLE), &file, NULL), NJ_OK);
	assert_int_equal(file.kind, NJ_CREDFILE_DEVICE);
	assert_string_equal(file.name, "pump-7");
	assert_string_equal(file.customer, "main");
	assert_int_equal(file.uid[15], 0xff);
	assert_int_equal(file.key[31], 0x1f);
	assert_int_equal(file.epoch, 1);
	assert_string_equal(file.host, "gw.example.com");
	assert_int_equal(file.knock_port, 62201);
	assert_int_equal(file.port[NJ_SERVICE_MQTTS], 8883);
	assert_int_equal(file.port[NJ_SERVICE_MQTT], 0);
	assert_int_equal(file.port[NJ_SERVICE_HTTPS], 8443);
	assert_int_equal(file.counter, 41);
	assert_int_equal(file.attempt, 3);
	assert_string_equal(file.ca, "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n");
	char text[NJ_CREDFILE_MAX_BYTES];
	size_t len = 0;
	assert_int_equal(nj_credfile_format(&file, text, sizeof(text), &len), NJ_OK);
	assert_int_equal(len, strlen(WHOLE));
	assert_string_equal(text, WHOLE);
}

#define X10(s) s s s s s s s s s s
#define NAME_64 X10("abcdef") "ghij"
#define HOST_253 X10(X10("ab")) X10("abcde") "abc"

struct row {
	const char *what;
	const char *text;
	enum nj_err want;
	const char *says; /* part of the sentence */
};

static const struct row rows[] = {
	{ "the least", LEAST, NJ_OK, NULL },
	{ "an application", HEAD "kind: application\n" NAME CUSTOMER UID KEY EPOCH KNOCK_PORT COUNTER ATTEMPT, NJ_OK,
	  NULL },
	{ "empty lines and notes", LEAST "\n\n# note\n", NJ_OK, NULL },
	{ "no line feed at the end", LEAST "host: a", NJ_OK, NULL },
	{ "empty", "", NJ_ERR_MALFORMED, "line 1" },
	{ "another file", "-----BEGIN PRIVATE KEY-----\n", NJ_ERR_MALFORMED, "not a credentials file" },
	{ "a later version", "nightjar-credentials 2\n", NJ_ERR_NEWER, "line 1" },
	{ "version 10", "nightjar-credentials 10\n", NJ_ERR_NEWER, "line 1" },
	{ "version 0", "nightjar-credentials 0\n", NJ_ERR_MALFORMED, "line 1" },
	{ "carriage returns", "nightjar-credentials 1\r\n", NJ_ERR_MALFORMED, "line 1" },
	{ "no kind", HEAD NAME CUSTOMER UID KEY EPOCH KNOCK_PORT COUNTER ATTEMPT, NJ_ERR_NOT_FOUND, "'kind'" },
	{ "no name", HEAD KIND CUSTOMER UID KEY EPOCH KNOCK_PORT COUNTER ATTEMPT, NJ_ERR_NOT_FOUND, "'name'" },
	{ "no customer", HEAD KIND NAME UID KEY EPOCH KNOCK_PORT COUNTER ATTEMPT, NJ_ERR_NOT_FOUND, "'customer'" },
	{ "no uid", HEAD KIND NAME CUSTOMER KEY EPOCH KNOCK_PORT COUNTER ATTEMPT, NJ_ERR_NOT_FOUND, "'uid'" },
	{ "no key", HEAD KIND NAME CUSTOMER UID EPOCH KNOCK_PORT COUNTER ATTEMPT, NJ_ERR_NOT_FOUND, "'key'" },
	{ "no epoch", HEAD KIND NAME CUSTOMER UID KEY KNOCK_PORT COUNTER ATTEMPT, NJ_ERR_NOT_FOUND, "'epoch'" },
	{ "no port", HEAD KIND NAME CUSTOMER UID KEY EPOCH COUNTER ATTEMPT, NJ_ERR_NOT_FOUND, "'knock-port'" },
	{ "no counter", HEAD KIND NAME CUSTOMER UID KEY EPOCH KNOCK_PORT ATTEMPT, NJ_ERR_NOT_FOUND, "'counter'" },
	{ "no attempt", HEAD KIND NAME CUSTOMER UID KEY EPOCH KNOCK_PORT COUNTER, NJ_ERR_NOT_FOUND, "'attempt'" },
	{ "an unknown key", LEAST "hots: a\n", NJ_ERR_NOT_FOUND, "line 11: unknown key; 'host' is the nearest" },
	{ "nothing near", LEAST "zzzzzz: a\n", NJ_ERR_NOT_FOUND, "line 11: unknown key" },
	{ "an unknown service", LEAST "port.ftp: 21\n", NJ_ERR_NOT_FOUND, "line 11" },
	{ "a key twice", LEAST COUNTER, NJ_ERR_EXISTS, "line 11: 'counter'" },
	{ "an optional key twice", LEAST HOST HOST, NJ_ERR_EXISTS, "line 12: 'host'" },
	{ "no colon", LEAST "host a\n", NJ_ERR_MALFORMED, "line 11" },
	{ "no space", LEAST "host:a\n", NJ_ERR_MALFORMED, "line 11" },
	{ "no value", LEAST "host:\n", NJ_ERR_MALFORMED, "line 11" },
	{ "an empty value", LEAST "host: \n", NJ_ERR_MALFORMED, "line 11" },
	{ "a space too many", LEAST "host:  a\n", NJ_ERR_MALFORMED, "line 11" },
	{ "a space behind", LEAST "host: a \n", NJ_ERR_MALFORMED, "line 11" },
	{ "an indented key", LEAST " host: a\n", NJ_ERR_NOT_FOUND, "line 11" },
	{ "another kind", HEAD "kind: robot\n", NJ_ERR_MALFORMED, "line 2" },
	{ "name of 64", HEAD KIND "name: " NAME_64 "\n" CUSTOMER UID KEY EPOCH KNOCK_PORT COUNTER ATTEMPT, NJ_OK,
	  NULL },
	{ "name of 65", HEAD KIND "name: " NAME_64 "k\n", NJ_ERR_TOO_LARGE, "line 3" },
	{ "a bad name", HEAD KIND "name: ../x\n", NJ_ERR_MALFORMED, "line 3" },
	{ "uid of 31 digits", HEAD "uid: 00112233445566778899aabbccddeef\n", NJ_ERR_MALFORMED, "line 2" },
	{ "uid of 33 digits", HEAD "uid: 00112233445566778899aabbccddeefff\n", NJ_ERR_MALFORMED, "line 2" },
	{ "uid that is no hex", HEAD "uid: 00112233445566778899aabbccddeefg\n", NJ_ERR_MALFORMED, "line 2" },
	{ "epoch 4294967295", HEAD KIND NAME CUSTOMER UID KEY "epoch: 4294967295\n" KNOCK_PORT COUNTER ATTEMPT, NJ_OK,
	  NULL },
	{ "epoch 4294967296", HEAD "epoch: 4294967296\n", NJ_ERR_RANGE, "line 2" },
	{ "port 0", HEAD "knock-port: 0\n", NJ_ERR_RANGE, "line 2" },
	{ "port 65535", LEAST "port.mqtt: 65535\n", NJ_OK, NULL },
	{ "port 65536", LEAST "port.mqtt: 65536\n", NJ_ERR_RANGE, "line 11" },
	{ "a leading zero", HEAD "knock-port: 01\n", NJ_ERR_MALFORMED, "line 2" },
	{ "a sign", HEAD "counter: -1\n", NJ_ERR_MALFORMED, "line 2" },
	{ "counter 2^63-1", HEAD KIND NAME CUSTOMER UID KEY EPOCH KNOCK_PORT "counter: 9223372036854775807\n" ATTEMPT,
	  NJ_OK, NULL },
	{ "counter 2^63", HEAD "counter: 9223372036854775808\n", NJ_ERR_RANGE, "line 2" },
	{ "counter of 21 digits", HEAD "counter: 100000000000000000000\n", NJ_ERR_TOO_LARGE, "line 2" },
	{ "attempt 2^32-1", HEAD KIND NAME CUSTOMER UID KEY EPOCH KNOCK_PORT COUNTER "attempt: 4294967295\n", NJ_OK,
	  NULL },
	{ "attempt 2^32", HEAD "attempt: 4294967296\n", NJ_ERR_RANGE, "line 2" },
	{ "host of 253", LEAST "host: " HOST_253 "\n", NJ_OK, NULL },
	{ "host of 254", LEAST "host: " HOST_253 "d\n", NJ_ERR_TOO_LARGE, "line 11" },
	{ "host, IPv6 with scope", LEAST "host: fe80::1%eth0\n", NJ_OK, NULL },
	{ "host that is an option", LEAST "host: -oProxy\n", NJ_ERR_MALFORMED, "line 11" },
	{ "host for a shell", LEAST "host: a;b\n", NJ_ERR_MALFORMED, "line 11" },
	{ "ca", LEAST CA, NJ_OK, NULL },
	{ "two of them, and a key after", LEAST CA PEM_1 PEM_2 HOST, NJ_OK, NULL },
	{ "ca on its line", LEAST "ca: x\n", NJ_ERR_MALFORMED, "line 11: 'ca:'" },
	{ "ca without lines", LEAST "ca:\n", NJ_ERR_MALFORMED, "line 11" },
	{ "ca without its end", LEAST "ca:\n" PEM_1 "  AA==\n", NJ_ERR_MALFORMED, "line 11" },
	{ "ca without its begin", LEAST "ca:\n  AA==\n" PEM_2, NJ_ERR_MALFORMED, "line 11" },
	{ "ca with an empty line", LEAST "ca:\n" PEM_1 "  \n" PEM_2, NJ_ERR_MALFORMED, "line 11" },
	{ "ca with a tabulator", LEAST "ca:\n" PEM_1 "  A\tA\n" PEM_2, NJ_ERR_MALFORMED, "line 11" },
	{ "lines of a block alone", LEAST PEM_1, NJ_ERR_MALFORMED, "line 11" },
};

static void check_row(const struct row *row)
{
	static struct nj_credfile untouched;
	struct nj_credfile file;
	struct nj_why why = { "" };
	memset(&untouched, 0xee, sizeof(untouched));
	memset(&file, 0xee, sizeof(file));
	enum nj_err err = nj_credfile_parse(row->text, strlen(row->text), &file, &why);
	if (err != row->want)
		fail_msg("%s: %s: %s", row->what, nj_err_name(err), why.text);
	if (err == NJ_OK)
		return;
	assert_memory_equal(&file, &untouched, sizeof(file));
	if (!strstr(why.text, row->says))
		fail_msg("%s: says '%s'", row->what, why.text);
	/* Without a place for the sentence the answer is the same. */
	assert_int_equal(nj_credfile_parse(row->text, strlen(row->text), &file, NULL), err);
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
}

static void test_zero_bytes(void **state)
{
	static const char in_name[] = HEAD "name: a\0b\n";
	static const char in_pem[] = LEAST "ca:\n" PEM_1 PEM_2 "  \0\n";
	struct nj_credfile file;
	assert_int_equal(nj_credfile_parse(in_name, sizeof(in_name) - 1, &file, NULL), NJ_ERR_MALFORMED);
	assert_int_equal(nj_credfile_parse(in_pem, sizeof(in_pem) - 1, &file, NULL), NJ_ERR_MALFORMED);
	assert_int_equal(nj_credfile_parse(NULL, 0, &file, NULL), NJ_ERR_MALFORMED);
}

static void test_size_of_text(void **state)
{
	static char text[NJ_CREDFILE_MAX_BYTES + 1];
	struct nj_credfile file;
	memset(text, '\n', sizeof(text));
	memcpy(text, LEAST, strlen(LEAST));
	assert_int_equal(nj_credfile_parse(text, sizeof(text) - 2, &file, NULL), NJ_OK);
	assert_int_equal(nj_credfile_parse(text, sizeof(text) - 1, &file, NULL), NJ_OK);
	assert_int_equal(nj_credfile_parse(text, sizeof(text), &file, NULL), NJ_ERR_TOO_LARGE);
}

/* The longest PEM in the shortest lines is the longest text: it fits, and reads back. */
static void test_size_of_ca(void **state)
{
	static struct nj_credfile file;
	static struct nj_credfile again;
	static char text[NJ_CREDFILE_MAX_BYTES];
	const char *last = "-----END CERTIFICATE-----\n";
	size_t len = 0;
	assert_int_equal(nj_credfile_parse(WHOLE, strlen(WHOLE), &file, NULL), NJ_OK);
	size_t at = strlen("-----BEGIN CERTIFICATE-----\n");
	size_t end = NJ_CREDFILE_CA_BYTES - 1 - strlen(last);
	for (; at + 2 <= end; at += 2)
		memcpy(file.ca + at, "A\n", 2);
	if (at < end)
		memcpy(file.ca + at - 1, "A\n", 2);
	memcpy(file.ca + end, last, strlen(last) + 1);
	assert_int_equal(strlen(file.ca), NJ_CREDFILE_CA_BYTES - 1);
	assert_int_equal(nj_credfile_format(&file, text, sizeof(text), &len), NJ_OK);
	assert_int_equal(nj_credfile_parse(text, len, &again, NULL), NJ_OK);
	assert_string_equal(again.ca, file.ca);
	/* One byte more in the file does not fit the member. */
	char *line = strstr(text, "  A\n");
	memmove(line + 1, line, len - (size_t)(line - text));
	memcpy(line, "  AA", 4);
	assert_int_equal(nj_credfile_parse(text, len + 1, &again, NULL), NJ_ERR_TOO_LARGE);
}

static void test_format_refuses(void **state)
{
	struct nj_credfile good;
	struct nj_credfile file;
	char text[1024];
	size_t len = 77;
	assert_int_equal(nj_credfile_parse(WHOLE, strlen(WHOLE), &good, NULL), NJ_OK);
	size_t need = strlen(WHOLE) + 1;
	assert_true(need < sizeof(text));
	assert_int_equal(nj_credfile_format(&good, text, need - 1, &len), NJ_ERR_FULL);
	assert_int_equal(text[0], 0); /* no half of a key is left behind */
	assert_int_equal(len, 77);
	assert_int_equal(nj_credfile_format(&good, text, need, &len), NJ_OK);
	assert_int_equal(len, need - 1);
	file = good;
	file.kind = 0;
	assert_int_equal(nj_credfile_format(&file, text, sizeof(text), &len), NJ_ERR_MALFORMED);
	file = good;
	file.name[0] = '\n';
	assert_int_equal(nj_credfile_format(&file, text, sizeof(text), &len), NJ_ERR_MALFORMED);
	file = good;
	file.host[0] = ' ';
	assert_int_equal(nj_credfile_format(&file, text, sizeof(text), &len), NJ_ERR_MALFORMED);
	file = good;
	file.knock_port = 0;
	assert_int_equal(nj_credfile_format(&file, text, sizeof(text), &len), NJ_ERR_RANGE);
	file = good;
	file.counter = NJ_KNOCK_COUNTER_MAX + 1;
	assert_int_equal(nj_credfile_format(&file, text, sizeof(text), &len), NJ_ERR_RANGE);
	file = good;
	file.ca[5] = 'x';
	assert_int_equal(nj_credfile_format(&file, text, sizeof(text), &len), NJ_ERR_MALFORMED);
	nj_credfile_wipe(&file);
	assert_int_equal(file.key[31], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),      cmocka_unit_test(test_rows),
		cmocka_unit_test(test_zero_bytes), cmocka_unit_test(test_size_of_text),
		cmocka_unit_test(test_size_of_ca), cmocka_unit_test(test_format_refuses),
	};
	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
