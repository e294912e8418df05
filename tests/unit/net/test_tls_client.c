/* Both ends are ours: a client's context against a server's, over TCP on the loopback, driven by one reactor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

#define IDENTITY "00112233aabbccdd"
#define OTHER_IDENTITY "ffffffff00000000"
static const uint8_t right_key[NJ_TLS_PSK_BYTES] = { 1, 2, 3 };
static const uint8_t wrong_key[NJ_TLS_PSK_BYTES] = { 1, 2, 4 };

#define LABEL "EXPORTER-nightjar-test"

struct end {
	struct nj_conn *conn;
	int opens;
	int closes;
	enum nj_close why;
	struct nj_tls_facts facts;
	uint8_t got[64];
	size_t got_len;
};

static struct end at_client;
static struct end at_server;
static struct nj_reactor *reactor;
static struct nj_clock_fake fake;
static struct nj_tls_ctx *server_ctx;
static struct nj_tls_ctx *client_ctx;

/* What the server's certificate side says. */
static enum nj_tls_admission admission;
static struct nj_tls_trust *trust;
static struct nj_tls_subject subject;
static const char *rejection;

static EVP_PKEY *test_key;
static EVP_PKEY *leaf_key;
static char test_key_pem[1024];
static char ca_pem[2048], leaf_pem[2048], leaf_key_pem[1024], expired_pem[2048], list_pem[2048], named_pem[2048];

static bool find_key(void *arg, struct nj_view identity, uint8_t out_key[NJ_TLS_PSK_BYTES])
{
	if (!nj_view_equal(identity, nj_view_str(IDENTITY)))
		return false;
	memcpy(out_key, right_key, sizeof right_key);
	return true;
}

static enum nj_tls_admission admit(void *arg, void *who)
{
	assert_ptr_equal(who, &at_server);
	return admission;
}

static const struct nj_tls_trust *trust_of(void *arg, void *who, const struct nj_tls_subject *asked)
{
	subject = *asked;
	return trust;
}

static void rejected(void *arg, void *who, const char *reason)
{
	rejection = reason;
}

static void tcp_pair(int *out_client, int *out_server)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sa;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	*out_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*out_client, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(fcntl(*out_client, F_SETFL, O_NONBLOCK), 0);
	*out_server = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(*out_server >= 0);
	close(listener);
}

/* --- certificates --- */

static void pem_text(BIO *pem, char *out, size_t cap)
{
	int n = BIO_read(pem, out, (int)cap - 1);
	assert_true(n > 0);
	out[n] = '\0';
	BIO_free(pem);
}

static void key_text(EVP_PKEY *key, char *out, size_t cap)
{
	BIO *pem = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	pem_text(pem, out, cap);
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(extension);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

struct leaf {
	const char *cn, *uid, *san;
	long number, from_s, to_s;
	bool ca;
};

static X509 *sign(const struct leaf *leaf, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), leaf->number);
	X509_gmtime_adj(X509_getm_notBefore(cert), leaf->from_s);
	X509_gmtime_adj(X509_getm_notAfter(cert), leaf->to_s);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)leaf->cn, -1, -1, 0);
	if (leaf->uid != NULL)
		X509_NAME_add_entry_by_NID(name, NID_serialNumber, MBSTRING_ASC, (const unsigned char *)leaf->uid, -1,
					   -1, 0);
	X509_set_issuer_name(cert, issuer == NULL ? name : X509_get_subject_name(issuer));
	if (leaf->ca)
		add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	if (leaf->san != NULL)
		add_extension(cert, NID_subject_alt_name, leaf->san);
	assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
	return cert;
}

static void cert_text(X509 *cert, char *out, size_t cap)
{
	BIO *pem = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(pem, cert);
	pem_text(pem, out, cap);
	X509_free(cert);
}

static void make_list(X509 *ca, EVP_PKEY *ca_key, long number)
{
	X509_CRL *list = X509_CRL_new();
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_INTEGER *revoked = ASN1_INTEGER_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, -60);
	X509_CRL_set_version(list, 1);
	X509_CRL_set_issuer_name(list, X509_get_subject_name(ca));
	X509_CRL_set1_lastUpdate(list, now);
	ASN1_INTEGER_set(revoked, number);
	X509_REVOKED_set_serialNumber(entry, revoked);
	X509_REVOKED_set_revocationDate(entry, now);
	X509_CRL_add0_revoked(list, entry);
	X509_gmtime_adj(now, 3600);
	X509_CRL_set1_nextUpdate(list, now);
	assert_true(X509_CRL_sign(list, ca_key, EVP_sha256()) > 0);
	BIO *pem = BIO_new(BIO_s_mem());
	PEM_write_bio_X509_CRL(pem, list);
	pem_text(pem, list_pem, sizeof list_pem);
	ASN1_INTEGER_free(revoked);
	ASN1_TIME_free(now);
	X509_CRL_free(list);
}

static int make_all(void **state)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256");
	const struct leaf ca_leaf = { .cn = "ca", .number = 1, .from_s = -60, .to_s = 7200, .ca = true };
	const struct leaf device = { .cn = "pump-7", .uid = "00ff", .number = 7, .from_s = -60, .to_s = 3600 };
	const struct leaf old = { .cn = "pump-7", .uid = "00ff", .number = 8, .from_s = -7200, .to_s = -60 };
	const struct leaf server = { .cn = "gw", .san = "IP:127.0.0.1,DNS:gw.example.com", .number = 9, .to_s = 3600 };
	assert_int_equal(nj_tls_init(), NJ_OK);
	test_key = EVP_EC_gen("P-256");
	leaf_key = EVP_EC_gen("P-256");
	X509 *ca = sign(&ca_leaf, ca_key, NULL, ca_key);
	make_list(ca, ca_key, 7);
	cert_text(sign(&device, leaf_key, ca, ca_key), leaf_pem, sizeof leaf_pem);
	cert_text(sign(&old, leaf_key, ca, ca_key), expired_pem, sizeof expired_pem);
	cert_text(sign(&server, test_key, ca, ca_key), named_pem, sizeof named_pem);
	cert_text(ca, ca_pem, sizeof ca_pem);
	key_text(leaf_key, leaf_key_pem, sizeof leaf_key_pem);
	key_text(test_key, test_key_pem, sizeof test_key_pem);
	EVP_PKEY_free(ca_key);
	return 0;
}

static int free_all(void **state)
{
	EVP_PKEY_free(leaf_key);
	EVP_PKEY_free(test_key);
	return 0;
}

/* --- two ends --- */

static void end_open(struct nj_conn *conn)
{
	struct end *end = nj_conn_user(conn);
	end->opens++;
	end->facts = *nj_conn_tls_facts(conn);
}

static size_t end_data(struct nj_conn *conn, struct nj_view in)
{
	struct end *end = nj_conn_user(conn);
	if (in.len <= sizeof end->got - end->got_len) {
		memcpy(end->got + end->got_len, in.data, in.len);
		end->got_len += in.len;
	}
	return in.len;
}

static void end_close(struct nj_conn *conn, enum nj_close why)
{
	struct end *end = nj_conn_user(conn);
	end->closes++;
	end->why = why;
	end->conn = NULL;
}

static const struct nj_conn_ops end_ops = { .on_open = end_open, .on_data = end_data, .on_close = end_close };

static int setup(void **state)
{
	at_client = at_server = (struct end){ 0 };
	admission = NJ_TLS_REFUSE;
	rejection = NULL;
	trust = NULL;
	client_ctx = server_ctx = NULL;
	nj_clock_fake_init(&fake, 1000ULL * 1000000, 0);
	assert_int_equal(nj_reactor_new(&fake.clock, &reactor), NJ_OK);
	return 0;
}

static int teardown(void **state)
{
	if (at_client.conn != NULL)
		nj_conn_abort(at_client.conn, NJ_CLOSE_SHUTDOWN);
	if (at_server.conn != NULL)
		nj_conn_abort(at_server.conn, NJ_CLOSE_SHUTDOWN);
	assert_int_equal(nj_reactor_turn(reactor, 0), NJ_OK);
	nj_reactor_free(reactor);
	nj_tls_ctx_free(client_ctx);
	nj_tls_ctx_free(server_ctx);
	nj_tls_trust_unref(trust);
	return 0;
}

static void start_end(struct end *end, int fd, struct nj_tls_ctx *ctx)
{
	const struct nj_conn_config config = {
		.fd = fd, .tls = ctx, .max_in_bytes = 4096, .max_out_bytes = 65536, .ops = &end_ops, .user = end
	};
	assert_int_equal(nj_conn_new(reactor, &config, &end->conn), NJ_OK);
}

static void connect_ends(const struct nj_tls_client_config *client)
{
	const struct nj_tls_certificates certificates = { .admit = admit, .trust = trust_of, .rejected = rejected };
	const struct nj_tls_server_config server = {
		.cert_pem = named_pem, .key_pem = test_key_pem, .psk = find_key, .certificates = &certificates
	};
	struct nj_why why = { 0 };
	int client_fd;
	int server_fd;
	assert_int_equal(nj_tls_server_ctx_new(&server, &server_ctx, &why), NJ_OK);
	assert_int_equal(nj_tls_client_ctx_new(client, &client_ctx, &why), NJ_OK);
	tcp_pair(&client_fd, &server_fd);
	start_end(&at_server, server_fd, server_ctx);
	start_end(&at_client, client_fd, client_ctx);
	for (int i = 0; i < 40; i++)
		assert_int_equal(nj_reactor_turn(reactor, 0), NJ_OK);
}

static struct nj_tls_client_config with_psk(const uint8_t *key)
{
	struct nj_tls_client_config config = { .psk_identity = IDENTITY };
	memcpy(config.psk, key, sizeof config.psk);
	return config;
}

static struct nj_tls_client_config with_certificate(const char *cert)
{
	return (struct nj_tls_client_config){
		.cert_pem = cert, .key_pem = leaf_key_pem, .ca_pem = ca_pem, .server_name = "127.0.0.1"
	};
}

static void trust_new(const char *crl)
{
	struct nj_why why = { 0 };
	assert_int_equal(nj_tls_trust_new(ca_pem, crl, &trust, &why), NJ_OK);
}

static void assert_nobody_in(void)
{
	assert_int_equal(at_server.opens, 0);
	assert_int_equal(at_server.closes, 1);
	assert_int_equal(at_client.closes, 1);
}

/* --- PSK --- */

static void a_psk_proves_both_ends(void **state)
{
	const struct nj_tls_client_config config = with_psk(right_key);
	connect_ends(&config);
	assert_int_equal(at_client.opens, 1);
	assert_int_equal(at_server.opens, 1);
	assert_true(at_client.facts.psk_bound);
	assert_true(at_server.facts.psk_bound);
	assert_false(at_client.facts.certificate_bound);
	assert_int_equal(nj_conn_send(at_client.conn, "ping", 4), NJ_OK);
	assert_int_equal(nj_conn_send(at_server.conn, "pong!", 5), NJ_OK);
	for (int i = 0; i < 4; i++)
		assert_int_equal(nj_reactor_turn(reactor, 0), NJ_OK);
	assert_memory_equal(at_server.got, "ping", 4);
	assert_memory_equal(at_client.got, "pong!", 5);
}

static void a_wrong_key_gets_neither_in(void **state)
{
	const struct nj_tls_client_config config = with_psk(wrong_key);
	connect_ends(&config);
	assert_nobody_in();
	assert_int_equal(at_client.opens, 0);
}

/* A server that shows a certificate instead proves nothing to who pinned no CA. */
static void a_server_that_ignores_the_psk_is_refused(void **state)
{
	struct nj_tls_client_config config = with_psk(right_key);
	config.psk_identity = OTHER_IDENTITY;
	admission = NJ_TLS_FROM_13;
	connect_ends(&config);
	assert_nobody_in();
	assert_int_equal(at_client.opens, 0);
	assert_int_equal(at_client.why, NJ_CLOSE_TLS);
}

static void both_ends_export_the_same(void **state)
{
	const struct nj_tls_client_config config = with_psk(right_key);
	uint8_t a[32] = { 1 };
	uint8_t b[32] = { 2 };
	uint8_t other[32] = { 3 };
	connect_ends(&config);
	assert_int_equal(nj_conn_export(at_client.conn, LABEL, a, sizeof a), NJ_OK);
	assert_int_equal(nj_conn_export(at_server.conn, LABEL, b, sizeof b), NJ_OK);
	assert_int_equal(nj_conn_export(at_server.conn, LABEL "2", other, sizeof other), NJ_OK);
	assert_memory_equal(a, b, sizeof a);
	assert_memory_not_equal(a, other, sizeof a);
}

static void nothing_is_exported_before_the_end_of_the_handshake(void **state)
{
	const struct nj_tls_client_config config = with_psk(right_key);
	struct nj_why why = { 0 };
	uint8_t out[32];
	int client_fd;
	int server_fd;
	assert_int_equal(nj_tls_client_ctx_new(&config, &client_ctx, &why), NJ_OK);
	tcp_pair(&client_fd, &server_fd);
	start_end(&at_client, client_fd, client_ctx);
	start_end(&at_server, server_fd, NULL);
	assert_int_equal(nj_conn_export(at_client.conn, LABEL, out, sizeof out), NJ_ERR_STATE);
	assert_int_equal(nj_conn_export(at_server.conn, LABEL, out, sizeof out), NJ_ERR_STATE);
}

/* --- certificates --- */

static void certificates_prove_both_ends(void **state)
{
	const struct nj_tls_client_config config = with_certificate(leaf_pem);
	admission = NJ_TLS_FROM_13;
	trust_new(NULL);
	connect_ends(&config);
	assert_int_equal(at_server.opens, 1);
	assert_true(at_server.facts.certificate_bound);
	assert_false(at_server.facts.psk_bound);
	assert_true(at_client.facts.certificate_bound);
	assert_string_equal(subject.serial_number, "00ff");
	assert_string_equal(subject.common_name, "pump-7");
	assert_non_null(at_server.facts.offer);
	assert_int_equal(at_server.facts.offer->at[NJ_TLS_OFFER_VERSIONS][0], 0x0304);
	assert_string_equal(at_server.facts.group, "x25519");
	assert_null(at_client.facts.offer);
}

static void no_admission_means_no_answer(void **state)
{
	const struct nj_tls_client_config config = with_certificate(leaf_pem);
	trust_new(NULL);
	connect_ends(&config);
	assert_nobody_in();
	assert_int_equal(at_client.opens, 0);
	assert_null(rejection);
}

static void assert_rejected(const char *cert, const char *crl, const char *reason)
{
	const struct nj_tls_client_config config = with_certificate(cert);
	admission = NJ_TLS_FROM_13;
	if (trust == NULL)
		trust_new(crl);
	connect_ends(&config);
	assert_nobody_in();
	assert_string_equal(rejection, reason);
}

static void an_expired_certificate_is_rejected(void **state)
{
	assert_rejected(expired_pem, NULL, "certificate has expired");
}

static void a_revoked_certificate_is_rejected(void **state)
{
	assert_rejected(leaf_pem, list_pem, "certificate revoked");
}

static void a_certificate_of_nobody_is_rejected(void **state)
{
	const struct nj_tls_client_config config = with_certificate(leaf_pem);
	admission = NJ_TLS_FROM_13;
	connect_ends(&config);
	assert_nobody_in();
	assert_string_equal(rejection, "the certificate names no device that has knocked");
}

static void a_client_without_a_certificate_is_refused(void **state)
{
	const struct nj_tls_client_config config = { .ca_pem = ca_pem, .server_name = "127.0.0.1" };
	admission = NJ_TLS_FROM_13;
	trust_new(NULL);
	connect_ends(&config);
	assert_nobody_in();
}

static void a_server_of_another_name_is_refused(void **state)
{
	struct nj_tls_client_config config = with_certificate(leaf_pem);
	config.server_name = "other.example.com";
	admission = NJ_TLS_FROM_13;
	trust_new(NULL);
	connect_ends(&config);
	assert_nobody_in();
	assert_int_equal(at_client.opens, 0);
}

static void a_list_that_comes_later_names_the_live_session(void **state)
{
	const struct nj_tls_client_config config = with_certificate(leaf_pem);
	struct nj_tls_trust *later = NULL;
	admission = NJ_TLS_FROM_13;
	trust_new(NULL);
	connect_ends(&config);
	assert_int_equal(at_server.opens, 1);
	assert_int_equal(nj_tls_trust_new(ca_pem, list_pem, &later, NULL), NJ_OK);
	assert_false(nj_conn_revoked_by(at_server.conn, trust));
	assert_true(nj_conn_revoked_by(at_server.conn, later));
	nj_tls_trust_unref(later);
}

static void a_trust_is_whole_or_not_at_all(void **state)
{
	static const struct {
		const char *what, *ca, *crl;
		enum nj_err want;
	} rows[] = {
		{ "a CA alone", ca_pem, NULL, NJ_OK },
		{ "with its list", ca_pem, list_pem, NJ_OK },
		{ "an empty list", ca_pem, "", NJ_OK },
		{ "no PEM", "nothing", NULL, NJ_ERR_CONFIG },
		{ "nothing", "", NULL, NJ_ERR_CONFIG },
		{ "not a CA", leaf_pem, NULL, NJ_ERR_CONFIG },
		{ "a list that is none", ca_pem, ca_pem, NJ_ERR_CONFIG },
		{ "a list that is no PEM", ca_pem, "x", NJ_ERR_CONFIG },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct nj_tls_trust *made = NULL;
		enum nj_err err = nj_tls_trust_new(rows[i].ca, rows[i].crl, &made, NULL);
		if (err != rows[i].want)
			fail_msg("%s: %s", rows[i].what, nj_err_name(err));
		assert_true((made != NULL) == (err == NJ_OK));
		nj_tls_trust_unref(made);
	}
}

static void wrong_client_configurations_say_why(void **state)
{
	const struct nj_tls_client_config rows[] = {
		{ .cert_pem = leaf_pem, .key_pem = leaf_key_pem },
		{ .psk_identity = "" },
		{ .ca_pem = ca_pem },
		{ .ca_pem = "x", .server_name = "gw" },
		{ .ca_pem = ca_pem, .server_name = "gw", .cert_pem = leaf_pem },
		{ .ca_pem = ca_pem, .server_name = "gw", .cert_pem = leaf_pem, .key_pem = test_key_pem },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct nj_tls_ctx *made = NULL;
		assert_int_not_equal(nj_tls_client_ctx_new(&rows[i], &made, NULL), NJ_OK);
		assert_null(made);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_psk_proves_both_ends),
		TEST(a_wrong_key_gets_neither_in),
		TEST(a_server_that_ignores_the_psk_is_refused),
		TEST(both_ends_export_the_same),
		TEST(nothing_is_exported_before_the_end_of_the_handshake),
		TEST(certificates_prove_both_ends),
		TEST(no_admission_means_no_answer),
		TEST(an_expired_certificate_is_rejected),
		TEST(a_revoked_certificate_is_rejected),
		TEST(a_certificate_of_nobody_is_rejected),
		TEST(a_client_without_a_certificate_is_refused),
		TEST(a_server_of_another_name_is_refused),
		TEST(a_list_that_comes_later_names_the_live_session),
		cmocka_unit_test(a_trust_is_whole_or_not_at_all),
		cmocka_unit_test(wrong_client_configurations_say_why),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
