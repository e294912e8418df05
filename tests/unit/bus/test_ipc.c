#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus/ipc.h"
#include "identity/party.h"

static struct nj_ipc message;
static struct nj_ipc back;
static uint8_t bytes[NJ_IPC_MAX_BYTES];
static uint8_t again[NJ_IPC_MAX_BYTES];
static char long_text[70000];

static void fill_hello(void)
{
	message.as.hello.cert_pem = nj_view_str("cert");
	message.as.hello.key_pem = nj_view_str("key");
	message.as.hello.ca_pem = nj_view_str("ca");
}

static void fill_grant(void)
{
	struct nj_grant *g = &message.as.grant;

	g->id = UINT64_C(0x0102030405060708);
	memset(g->hint, 1, sizeof(g->hint));
	memset(g->uid, 2, sizeof(g->uid));
	g->service = NJ_SERVICE_MQTTS;
	g->bind = NJ_BINDING_TLS;
	g->tls12 = true;
	g->bind_ms = 60000;
	g->source_prefix = 128;
	g->lifetime_ms = 30000;
	memset(g->psk, 3, sizeof(g->psk));
	memset(g->password, 4, sizeof(g->password));
}

static void fill_profile(void)
{
	struct nj_ipc_profile *p = &message.as.profile;

	p->request = 7;
	p->customer = nj_view_str("main");
	p->name = nj_view_str("p1");
	p->services = NJ_SERVICE_BIT(NJ_SERVICE_MQTTS);
	p->plain = true;
	p->rule_count = 2;
	p->rules[0] = (struct nj_ipc_rule){ NJ_PUBLISH, false, nj_view_str("a/#") };
	p->rules[1] = (struct nj_ipc_rule){ NJ_SUBSCRIBE, true, nj_view_str("b") };
}

static void fill_parties(void)
{
	struct nj_ipc_parties *p = &message.as.parties;

	p->customer = nj_view_str("main");
	p->profile = nj_view_str("p1");
	p->count = NJ_IPC_PARTIES_MAX;
	for (int i = 0; i < NJ_IPC_PARTIES_MAX; i++)
		p->rows[i] = (struct nj_ipc_party){ .uid = { (uint8_t)i },
						    .kind = NJ_PARTY_DEVICE,
						    .name = nj_view_of(long_text, 64) };
}

static void fill_audit(void)
{
	message.as.audit.count = 1;
	message.as.audit.records[0] = (struct nj_ipc_audit_record){
		.event = 65535,
		.customer = nj_view_str(""),
		.subject = nj_view_str("d1"),
		.source = nj_view_str("192.0.2.1"),
		.detail = nj_view_of(long_text, NJ_IPC_TEXT_MAX),
	};
}

static void fill_rest(void)
{
	switch (message.type) {
	case NJ_IPC_GRANT_END:
	case NJ_IPC_GRANT_ACK:
		message.as.grant_id = 9;
		break;
	case NJ_IPC_BOUND:
		message.as.bound.grant_id = 9;
		message.as.bound.local_port = 8883;
		message.as.bound.weak = true;
		message.as.bound.via.ip[15] = 1;
		message.as.bound.via.port = 4000;
		break;
	case NJ_IPC_REKEY_CUT:
		message.as.rekey_cut.grant_id = 9;
		memset(message.as.rekey_cut.uid, 5, sizeof(message.as.rekey_cut.uid));
		return;
	case NJ_IPC_REKEY_OFFER:
	case NJ_IPC_REKEY_DONE:
	case NJ_IPC_REKEY_READY:
	case NJ_IPC_REKEY_STORED:
		message.as.rekey = (struct nj_ipc_rekey){ .grant_id = 7, .epoch = 2, .value = { 1, [31] = 9 } };
		break;
	case NJ_IPC_FLOW_END:
		message.as.flow.peer.port = 1;
		break;
	case NJ_IPC_TRUST_PUT:
		message.as.trust.request = 4;
		message.as.trust.customer = nj_view_str("main");
		message.as.trust.ca_pem = nj_view_str("ca");
		message.as.trust.list_pem = nj_view_str("list");
		break;
	case NJ_IPC_CERTIFICATE_PUT:
		message.as.certificate.request = 4;
		message.as.certificate.cert_pem = nj_view_str("cert");
		message.as.certificate.key_pem = nj_view_str("key");
		break;
	case NJ_IPC_RESULT:
		message.as.result.request = 3;
		message.as.result.err = NJ_ERR_CRYPTO;
		message.as.result.text = nj_view_str("why");
		break;
	default:
		message.as.uid.request = 5;
		break;
	}
}

static void fill(enum nj_ipc_type type)
{
	memset(&message, 0, sizeof(message));
	message.type = type;
	switch (type) {
	case NJ_IPC_HELLO:
		fill_hello();
		break;
	case NJ_IPC_GRANT:
		fill_grant();
		break;
	case NJ_IPC_PROFILE_PUT:
		fill_profile();
		break;
	case NJ_IPC_PARTIES_PUT:
		fill_parties();
		break;
	case NJ_IPC_AUDIT:
		fill_audit();
		break;
	default:
		fill_rest();
		break;
	}
}

static size_t encode(const struct nj_ipc *from, uint8_t *to)
{
	struct nj_writer w = nj_writer_of(to, NJ_IPC_MAX_BYTES);
	size_t len = 0;

	assert_int_equal(nj_ipc_encode(from, &w), NJ_OK);
	assert_int_equal(nj_writer_end(&w, &len), NJ_OK);
	return len;
}

/* Every type: back and forth, every shorter length refused, one byte more refused. */
static void round_trips(void **state)
{
	static const enum nj_ipc_type types[] = {
#define TYPE(name, number, text) name,
		NJ_IPC_TABLE(TYPE)
#undef TYPE
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t len;

		fill(types[i]);
		len = encode(&message, bytes);
		assert_int_equal(nj_ipc_decode(nj_view_of(bytes, len), &back), NJ_OK);
		assert_int_equal(back.type, types[i]);
		assert_int_equal(encode(&back, again), len);
		assert_memory_equal(bytes, again, len);
		for (size_t cut = 0; cut < len && cut < 3000; cut++)
			assert_int_not_equal(nj_ipc_decode(nj_view_of(bytes, cut), &back), NJ_OK);
		assert_int_equal(nj_ipc_decode(nj_view_of(bytes, len + 1), &back), NJ_ERR_TRAILING);
		assert_int_equal(nj_ipc_from_gateway(types[i]), types[i] >= NJ_IPC_GRANT_ACK);
		assert_string_not_equal(nj_ipc_name(types[i]), "unknown");
	}
}

static enum nj_err encode_err(void)
{
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));

	return nj_ipc_encode(&message, &w);
}

static void limits(void **state)
{
	fill(NJ_IPC_RESULT);
	message.as.result.text = nj_view_of(long_text, NJ_IPC_TEXT_MAX);
	assert_int_equal(encode_err(), NJ_OK);
	message.as.result.text.len++;
	assert_int_equal(encode_err(), NJ_ERR_TOO_LARGE);
	fill(NJ_IPC_RESULT);
	message.as.result.err = NJ_ERR_CRYPTO + 1;
	assert_int_equal(encode_err(), NJ_ERR_RANGE);
	fill(NJ_IPC_PARTIES_PUT);
	message.as.parties.count++;
	assert_int_equal(encode_err(), NJ_ERR_TOO_LARGE);
	fill(NJ_IPC_PARTIES_PUT);
	message.as.parties.rows[1].name.len = 65;
	assert_int_equal(encode_err(), NJ_ERR_TOO_LARGE);
	message.as.parties.rows[1].name.len = 0;
	assert_int_equal(encode_err(), NJ_ERR_RANGE);
	fill(NJ_IPC_GRANT);
	message.as.grant.service = NJ_SERVICE_END;
	assert_int_equal(encode_err(), NJ_ERR_RANGE);
	fill(NJ_IPC_GRANT);
	message.as.grant.source_prefix = 129;
	assert_int_equal(encode_err(), NJ_ERR_RANGE);
	fill(NJ_IPC_HELLO);
	message.as.hello.ca_pem = nj_view_of(long_text, 16 * 1024 + 1);
	assert_int_equal(encode_err(), NJ_ERR_TOO_LARGE);
	fill(NJ_IPC_AUDIT);
	message.as.audit.count = NJ_IPC_AUDIT_MAX + 1;
	assert_int_equal(encode_err(), NJ_ERR_TOO_LARGE);
	message.type = 99;
	assert_int_equal(encode_err(), NJ_ERR_UNSUPPORTED);
}

static void too_small_a_writer(void **state)
{
	struct nj_writer w;
	size_t len;

	fill(NJ_IPC_GRANT);
	len = encode(&message, bytes);
	w = nj_writer_of(bytes, len - 1);
	assert_int_equal(nj_ipc_encode(&message, &w), NJ_ERR_FULL);
}

static void refused_values(void **state)
{
	size_t len;

	fill(NJ_IPC_BOUND);
	len = encode(&message, bytes);
	bytes[len - 1] = 2; /* weak */
	assert_int_equal(nj_ipc_decode(nj_view_of(bytes, len), &back), NJ_ERR_RANGE);
	bytes[0] = 0;
	bytes[1] = 21;
	assert_int_equal(nj_ipc_decode(nj_view_of(bytes, len), &back), NJ_ERR_UNSUPPORTED);
	fill(NJ_IPC_AUDIT);
	len = encode(&message, bytes);
	bytes[3] = NJ_IPC_AUDIT_MAX + 1; /* count */
	assert_int_equal(nj_ipc_decode(nj_view_of(bytes, len), &back), NJ_ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),
		cmocka_unit_test(limits),
		cmocka_unit_test(too_small_a_writer),
		cmocka_unit_test(refused_values),
	};

	memset(long_text, 'x', sizeof(long_text));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
