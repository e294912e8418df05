/* What the files of bridges hold, on its way from who reads them to the gateway; and what the dialler is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config/config.h"
#include "crypto/crypto.h"
#include "daemon/bridge_files.h"
#include "daemon/reload.h"

static char dir[] = "/tmp/njbridge.XXXXXX";
static struct nj_settings settings;
static struct nj_why why;

static void put(const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Two bridges: one plain with a password, one with a shared key. */
static int setup(void **state)
{
	char text[2048];
	int len = snprintf(text, sizeof(text),
			   "bridges:\n"
			   "  - name: one\n    address: broker.example\n    as: x\n    username: u\n"
			   "    password_file: %s/password\n    topics: [{filter: \"a/#\", direction: out}]\n"
			   "  - name: two\n    address: \"[::1]\"\n    as: x\n    tls: true\n    psk_identity: i\n"
			   "    psk_file: %s/psk\n    topics: [{filter: \"a/#\", direction: both, local: l/}]\n",
			   dir, dir);
	why.text[0] = '\0';
	put("password", "word \xc3\xa9\r\nignored\n");
	put("psk", "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\n");
	assert_int_equal(nj_settings_parse("test", text, (size_t)len, &settings, &why), NJ_OK);
	return 0;
}

static int begin(void **state)
{
	return nj_crypto_init() == NJ_OK && mkdtemp(dir) != NULL ? 0 : -1;
}

static int end(void **state)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/password", dir);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/psk", dir);
	(void)unlink(path);
	return rmdir(dir);
}

static void refused(const char *says)
{
	assert_int_equal(nj_bridges_check(&settings, &why), NJ_ERR_CONFIG);
	if (strstr(why.text, says) == NULL)
		fail_msg("%s", why.text);
}

static void they_come_as_they_are(void **state)
{
	struct nj_bridge_files files;
	uint8_t *bytes = NULL;
	size_t len = 0;
	int fd = -1;

	assert_int_equal(nj_bridges_fd_new(&settings, &fd, &why), NJ_OK);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(nj_bridges_fd_read(fd, &bytes, &len), NJ_OK);
	assert_int_equal(nj_bridges_files_find(nj_view_of(bytes, len), "one", &files), NJ_OK);
	assert_true(nj_view_equal(files.password, nj_view_str("word \xc3\xa9")));
	assert_int_equal(files.ca.len + files.certificate.len + files.key.len + files.psk.len, 0);
	assert_int_equal(nj_bridges_files_find(nj_view_of(bytes, len), "two", &files), NJ_OK);
	assert_int_equal(files.psk.len, 64);
	assert_int_equal(files.password.len, 0);
	assert_int_equal(nj_bridges_files_find(nj_view_of(bytes, len), "three", &files), NJ_ERR_NOT_FOUND);
	for (size_t cut = 1; cut < len; cut++)
		assert_int_not_equal(nj_bridges_files_find(nj_view_of(bytes, cut), "three", &files), NJ_OK);
	nj_bridges_bytes_free(bytes, len);
	close(fd);
}

static void what_is_wrong_is_named(void **state)
{
	put("password", "\nword\n");
	refused("bridges: one");
	put("password", "word");
	put("psk", "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEE\n");
	refused("64 hex digits");
	settings.bridges[1].psk_file[0] = '\0';
	refused("64 hex digits");
	settings.bridge_count = 1;
	assert_int_equal(nj_bridges_check(&settings, &why), NJ_OK);
	(void)!nj_text_copy(settings.bridges[0].topics[0].filter, NJ_BRIDGE_FILTER_BYTES, "a#");
	refused("topics");
	(void)!nj_text_copy(settings.bridges[0].topics[0].filter, NJ_BRIDGE_FILTER_BYTES, "a");
	(void)!nj_text_copy(settings.bridges[0].password_file, NJ_BRIDGE_PATH_BYTES, "/nonexistent/file");
	refused("/nonexistent/file");
}

static void the_dialler_learns_names_and_addresses(void **state)
{
	struct nj_settings peers;
	int fd = -1;

	assert_int_equal(nj_bridges_peers_fd_new(&settings, &fd, &why), NJ_OK);
	assert_int_equal(nj_config_fd_read(fd, &peers, &why), NJ_OK);
	close(fd);
	assert_int_equal(peers.bridge_count, 2);
	assert_string_equal(peers.bridges[0].name, "one");
	assert_string_equal(peers.bridges[0].host, "broker.example");
	assert_int_equal(peers.bridges[0].port, 1883);
	assert_string_equal(peers.bridges[1].host, "::1");
	assert_int_equal(peers.bridges[1].port, 8883);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(peers.bridges[i].username, "");
		assert_string_equal(peers.bridges[i].password_file, "");
		assert_string_equal(peers.bridges[i].psk_identity, "");
		assert_string_equal(peers.bridges[i].psk_file, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(they_come_as_they_are, setup),
		cmocka_unit_test_setup(what_is_wrong_is_named, setup),
		cmocka_unit_test_setup(the_dialler_learns_names_and_addresses, setup),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
