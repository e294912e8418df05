#include "bus/ipc.h"

#include "base/text.h"
#include "identity/party.h"

#define NAME_MAX_BYTES (NJ_NAME_BYTES - 1)
#define PEM_MAX_BYTES (16 * 1024)

enum {
	ERR_COUNT = 0
#define COUNT_ERR(name, text, exit_code) +1
	NJ_ERR_TABLE(COUNT_ERR)
#undef COUNT_ERR
};

/* ---- pieces that several messages share ---- */

static void put_bounded(struct nj_writer *w, struct nj_view view, size_t min, size_t max)
{
	if (view.len < min || view.len > max) {
		if (w->err == NJ_OK)
			w->err = view.len > max ? NJ_ERR_TOO_LARGE : NJ_ERR_RANGE;
		return;
	}
	nj_write_view16(w, view);
}

static struct nj_view get_bounded(struct nj_reader *r, size_t min, size_t max)
{
	struct nj_view view = nj_read_view16(r);

	if (view.len > max)
		nj_reader_fail(r, NJ_ERR_TOO_LARGE);
	if (view.len < min)
		nj_reader_fail(r, NJ_ERR_RANGE);
	return view;
}

static void put_name(struct nj_writer *w, struct nj_view name)
{
	put_bounded(w, name, 1, NAME_MAX_BYTES);
}

static struct nj_view get_name(struct nj_reader *r)
{
	return get_bounded(r, 1, NAME_MAX_BYTES);
}

static void put_text(struct nj_writer *w, struct nj_view text)
{
	put_bounded(w, text, 0, NJ_IPC_TEXT_MAX);
}

static struct nj_view get_text(struct nj_reader *r)
{
	return get_bounded(r, 0, NJ_IPC_TEXT_MAX);
}

static void put_bool(struct nj_writer *w, bool value)
{
	nj_write_u8(w, value ? 1 : 0);
}

static bool get_bool(struct nj_reader *r)
{
	uint8_t value = nj_read_u8(r);

	if (value > 1)
		nj_reader_fail(r, NJ_ERR_RANGE);
	return value == 1;
}

/* A value of a closed range; outside it the cursor fails. */
static void put_enum(struct nj_writer *w, uint16_t value, uint16_t min, uint16_t max)
{
	if ((value < min || value > max) && w->err == NJ_OK)
		w->err = NJ_ERR_RANGE;
	nj_write_u16(w, value);
}

static uint16_t get_enum(struct nj_reader *r, uint16_t min, uint16_t max)
{
	uint16_t value = nj_read_u16(r);

	if (value < min || value > max)
		nj_reader_fail(r, NJ_ERR_RANGE);
	return value;
}

static void put_count(struct nj_writer *w, uint16_t count, uint16_t max)
{
	if (count > max && w->err == NJ_OK)
		w->err = NJ_ERR_TOO_LARGE;
	nj_write_u16(w, count);
}

/* Zero after failure, so that no loop runs on a refused count. */
static uint16_t get_count(struct nj_reader *r, uint16_t max)
{
	uint16_t count = nj_read_u16(r);

	if (count > max)
		nj_reader_fail(r, NJ_ERR_TOO_LARGE);
	return r->err == NJ_OK ? count : 0;
}

static void put_addr(struct nj_writer *w, const struct nj_addr *addr)
{
	nj_write_bytes(w, addr->ip, sizeof(addr->ip));
	nj_write_u16(w, addr->port);
	nj_write_u32(w, addr->scope);
}

static void get_addr(struct nj_reader *r, struct nj_addr *addr)
{
	nj_read_bytes(r, addr->ip, sizeof(addr->ip));
	addr->port = nj_read_u16(r);
	addr->scope = nj_read_u32(r);
}

/* ---- one pair of functions a layout ---- */

static void put_hello(struct nj_writer *w, const struct nj_ipc *m)
{
	put_bounded(w, m->as.hello.cert_pem, 1, PEM_MAX_BYTES);
	put_bounded(w, m->as.hello.key_pem, 1, PEM_MAX_BYTES);
	put_bounded(w, m->as.hello.ca_pem, 1, PEM_MAX_BYTES);
}

static void get_hello(struct nj_reader *r, struct nj_ipc *m)
{
	m->as.hello.cert_pem = get_bounded(r, 1, PEM_MAX_BYTES);
	m->as.hello.key_pem = get_bounded(r, 1, PEM_MAX_BYTES);
	m->as.hello.ca_pem = get_bounded(r, 1, PEM_MAX_BYTES);
}

static void put_grant(struct nj_writer *w, const struct nj_ipc *m)
{
	const struct nj_grant *g = &m->as.grant;

	nj_write_u64(w, g->id);
	nj_write_bytes(w, g->hint, sizeof(g->hint));
	nj_write_bytes(w, g->uid, sizeof(g->uid));
	put_enum(w, g->service, 1, NJ_SERVICE_END - 1);
	put_bool(w, g->plain_allowed);
	put_enum(w, g->bind, 0, NJ_BINDING_TLS);
	put_bool(w, g->tls12);
	put_bool(w, g->rekey);
	nj_write_u32(w, g->bind_ms);
	put_addr(w, &g->source);
	put_enum(w, g->source_prefix, 0, 128);
	nj_write_u32(w, g->lifetime_ms);
	nj_write_bytes(w, g->psk, sizeof(g->psk));
	nj_write_bytes(w, g->password, sizeof(g->password));
}

static void get_grant(struct nj_reader *r, struct nj_ipc *m)
{
	struct nj_grant *g = &m->as.grant;

	g->id = nj_read_u64(r);
	nj_read_bytes(r, g->hint, sizeof(g->hint));
	nj_read_bytes(r, g->uid, sizeof(g->uid));
	g->service = get_enum(r, 1, NJ_SERVICE_END - 1);
	g->plain_allowed = get_bool(r);
	g->bind = (uint8_t)get_enum(r, 0, NJ_BINDING_TLS);
	g->tls12 = get_bool(r);
	g->rekey = get_bool(r);
	g->bind_ms = nj_read_u32(r);
	get_addr(r, &g->source);
	g->source_prefix = (uint8_t)get_enum(r, 0, 128);
	g->lifetime_ms = nj_read_u32(r);
	nj_read_bytes(r, g->psk, sizeof(g->psk));
	nj_read_bytes(r, g->password, sizeof(g->password));
}

static void put_grant_id(struct nj_writer *w, const struct nj_ipc *m)
{
	nj_write_u64(w, m->as.grant_id);
}

static void get_grant_id(struct nj_reader *r, struct nj_ipc *m)
{
	m->as.grant_id = nj_read_u64(r);
}

#define RULES_MAX (NJ_RIGHTS_MAX_PATTERNS * 4)

static void put_profile(struct nj_writer *w, const struct nj_ipc *m)
{
	const struct nj_ipc_profile *p = &m->as.profile;

	nj_write_u32(w, p->request);
	put_name(w, p->customer);
	put_name(w, p->name);
	nj_write_u32(w, p->services);
	put_bool(w, p->plain);
	put_count(w, p->rule_count, RULES_MAX);
	for (uint16_t i = 0; i < p->rule_count && w->err == NJ_OK; i++) {
		put_enum(w, p->rules[i].direction, NJ_PUBLISH, NJ_SUBSCRIBE);
		put_bool(w, p->rules[i].deny);
		put_bounded(w, p->rules[i].pattern, 1, NJ_PATTERN_MAX_BYTES);
		put_bounded(w, p->rules[i].contract, 0, NJ_CONTRACT_TEXT_MAX);
	}
}

static void get_profile(struct nj_reader *r, struct nj_ipc *m)
{
	struct nj_ipc_profile *p = &m->as.profile;

	p->request = nj_read_u32(r);
	p->customer = get_name(r);
	p->name = get_name(r);
	p->services = nj_read_u32(r);
	p->plain = get_bool(r);
	p->rule_count = get_count(r, RULES_MAX);
	for (uint16_t i = 0; i < p->rule_count && r->err == NJ_OK; i++) {
		p->rules[i].direction = (uint8_t)get_enum(r, NJ_PUBLISH, NJ_SUBSCRIBE);
		p->rules[i].deny = get_bool(r);
		p->rules[i].pattern = get_bounded(r, 1, NJ_PATTERN_MAX_BYTES);
		p->rules[i].contract = get_bounded(r, 0, NJ_CONTRACT_TEXT_MAX);
	}
}

static void put_parties(struct nj_writer *w, const struct nj_ipc *m)
{
	const struct nj_ipc_parties *p = &m->as.parties;

	nj_write_u32(w, p->request);
	put_name(w, p->customer);
	put_name(w, p->profile);
	nj_write_u64(w, p->created_ms);
	put_count(w, p->count, NJ_IPC_PARTIES_MAX);
	for (uint16_t i = 0; i < p->count && w->err == NJ_OK; i++) {
		nj_write_bytes(w, p->rows[i].uid, sizeof(p->rows[i].uid));
		put_enum(w, p->rows[i].kind, NJ_PARTY_DEVICE, NJ_PARTY_APPLICATION);
		put_name(w, p->rows[i].name);
	}
}

static void get_parties(struct nj_reader *r, struct nj_ipc *m)
{
	struct nj_ipc_parties *p = &m->as.parties;

	p->request = nj_read_u32(r);
	p->customer = get_name(r);
	p->profile = get_name(r);
	p->created_ms = nj_read_u64(r);
	p->count = get_count(r, NJ_IPC_PARTIES_MAX);
	for (uint16_t i = 0; i < p->count && r->err == NJ_OK; i++) {
		nj_read_bytes(r, p->rows[i].uid, sizeof(p->rows[i].uid));
		p->rows[i].kind = (uint8_t)get_enum(r, NJ_PARTY_DEVICE, NJ_PARTY_APPLICATION);
		p->rows[i].name = get_name(r);
	}
}

static void put_uid(struct nj_writer *w, const struct nj_ipc *m)
{
	nj_write_u32(w, m->as.uid.request);
	nj_write_bytes(w, m->as.uid.uid, sizeof(m->as.uid.uid));
}

static void get_uid(struct nj_reader *r, struct nj_ipc *m)
{
	m->as.uid.request = nj_read_u32(r);
	nj_read_bytes(r, m->as.uid.uid, sizeof(m->as.uid.uid));
}

static void put_trust(struct nj_writer *w, const struct nj_ipc *m)
{
	const struct nj_ipc_trust *t = &m->as.trust;

	nj_write_u32(w, t->request);
	put_bounded(w, t->customer, 0, NAME_MAX_BYTES);
	put_bounded(w, t->ca_pem, 0, NJ_IPC_TRUST_CA_MAX);
	put_bounded(w, t->list_pem, 0, NJ_IPC_TRUST_LIST_MAX);
}

static void get_trust(struct nj_reader *r, struct nj_ipc *m)
{
	struct nj_ipc_trust *t = &m->as.trust;

	t->request = nj_read_u32(r);
	t->customer = get_bounded(r, 0, NAME_MAX_BYTES);
	t->ca_pem = get_bounded(r, 0, NJ_IPC_TRUST_CA_MAX);
	t->list_pem = get_bounded(r, 0, NJ_IPC_TRUST_LIST_MAX);
}

static void put_certificate(struct nj_writer *w, const struct nj_ipc *m)
{
	nj_write_u32(w, m->as.certificate.request);
	put_bounded(w, m->as.certificate.cert_pem, 1, PEM_MAX_BYTES);
	put_bounded(w, m->as.certificate.key_pem, 1, PEM_MAX_BYTES);
}

static void get_certificate(struct nj_reader *r, struct nj_ipc *m)
{
	m->as.certificate.request = nj_read_u32(r);
	m->as.certificate.cert_pem = get_bounded(r, 1, PEM_MAX_BYTES);
	m->as.certificate.key_pem = get_bounded(r, 1, PEM_MAX_BYTES);
}

static void put_bound(struct nj_writer *w, const struct nj_ipc *m)
{
	nj_write_u64(w, m->as.bound.grant_id);
	put_addr(w, &m->as.bound.peer);
	nj_write_u16(w, m->as.bound.local_port);
	put_addr(w, &m->as.bound.via);
	put_bool(w, m->as.bound.weak);
}

static void get_bound(struct nj_reader *r, struct nj_ipc *m)
{
	m->as.bound.grant_id = nj_read_u64(r);
	get_addr(r, &m->as.bound.peer);
	m->as.bound.local_port = nj_read_u16(r);
	get_addr(r, &m->as.bound.via);
	m->as.bound.weak = get_bool(r);
}

static void put_flow(struct nj_writer *w, const struct nj_ipc *m)
{
	put_addr(w, &m->as.flow.peer);
	nj_write_u16(w, m->as.flow.local_port);
}

static void get_flow(struct nj_reader *r, struct nj_ipc *m)
{
	get_addr(r, &m->as.flow.peer);
	m->as.flow.local_port = nj_read_u16(r);
}

static void put_rekey(struct nj_writer *w, const struct nj_ipc *m)
{
	nj_write_u64(w, m->as.rekey.grant_id);
	nj_write_u32(w, m->as.rekey.epoch);
	nj_write_u64(w, m->as.rekey.floor);
	nj_write_bytes(w, m->as.rekey.value, sizeof(m->as.rekey.value));
}

static void get_rekey(struct nj_reader *r, struct nj_ipc *m)
{
	m->as.rekey.grant_id = nj_read_u64(r);
	m->as.rekey.epoch = nj_read_u32(r);
	m->as.rekey.floor = nj_read_u64(r);
	nj_read_bytes(r, m->as.rekey.value, sizeof(m->as.rekey.value));
}

static void put_kick(struct nj_writer *w, const struct nj_ipc *m)
{
	const struct nj_ipc_kick *k = &m->as.kick;

	nj_write_u32(w, k->request);
	nj_write_bytes(w, k->uid, sizeof(k->uid));
	put_bool(w, k->forget);
	put_bool(w, k->one);
	put_text(w, k->client_id);
}

static void get_kick(struct nj_reader *r, struct nj_ipc *m)
{
	struct nj_ipc_kick *k = &m->as.kick;

	k->request = nj_read_u32(r);
	nj_read_bytes(r, k->uid, sizeof(k->uid));
	k->forget = get_bool(r);
	k->one = get_bool(r);
	k->client_id = get_text(r);
}

static void put_rekey_cut(struct nj_writer *w, const struct nj_ipc *m)
{
	nj_write_u64(w, m->as.rekey_cut.grant_id);
	nj_write_bytes(w, m->as.rekey_cut.uid, sizeof(m->as.rekey_cut.uid));
}

static void get_rekey_cut(struct nj_reader *r, struct nj_ipc *m)
{
	m->as.rekey_cut.grant_id = nj_read_u64(r);
	nj_read_bytes(r, m->as.rekey_cut.uid, sizeof(m->as.rekey_cut.uid));
}

static void put_audit(struct nj_writer *w, const struct nj_ipc *m)
{
	const struct nj_ipc_audit *a = &m->as.audit;

	put_count(w, a->count, NJ_IPC_AUDIT_MAX);
	for (uint16_t i = 0; i < a->count && w->err == NJ_OK; i++) {
		nj_write_u16(w, a->records[i].event);
		put_text(w, a->records[i].customer);
		put_text(w, a->records[i].subject);
		put_text(w, a->records[i].source);
		put_text(w, a->records[i].detail);
	}
}

static void get_audit(struct nj_reader *r, struct nj_ipc *m)
{
	struct nj_ipc_audit *a = &m->as.audit;

	a->count = get_count(r, NJ_IPC_AUDIT_MAX);
	for (uint16_t i = 0; i < a->count && r->err == NJ_OK; i++) {
		a->records[i].event = nj_read_u16(r);
		a->records[i].customer = get_text(r);
		a->records[i].subject = get_text(r);
		a->records[i].source = get_text(r);
		a->records[i].detail = get_text(r);
	}
}

static void put_result(struct nj_writer *w, const struct nj_ipc *m)
{
	nj_write_u32(w, m->as.result.request);
	put_enum(w, m->as.result.err, NJ_OK, ERR_COUNT - 1);
	put_text(w, m->as.result.text);
}

static void get_result(struct nj_reader *r, struct nj_ipc *m)
{
	m->as.result.request = nj_read_u32(r);
	m->as.result.err = get_enum(r, NJ_OK, ERR_COUNT - 1);
	m->as.result.text = get_text(r);
}

/* ---- the table of messages ---- */

struct layout {
	enum nj_ipc_type type;
	const char *name;
	bool from_gateway;
	void (*put)(struct nj_writer *w, const struct nj_ipc *message);
	void (*get)(struct nj_reader *r, struct nj_ipc *message);
};

static const struct layout layouts[] = {
	{ NJ_IPC_HELLO, "hello", false, put_hello, get_hello },
	{ NJ_IPC_GRANT, "grant", false, put_grant, get_grant },
	{ NJ_IPC_GRANT_END, "grant-end", false, put_grant_id, get_grant_id },
	{ NJ_IPC_PROFILE_PUT, "profile-put", false, put_profile, get_profile },
	{ NJ_IPC_PARTIES_PUT, "parties-put", false, put_parties, get_parties },
	{ NJ_IPC_PARTY_CUT, "party-cut", false, put_uid, get_uid },
	{ NJ_IPC_PARTY_QUERY, "party-query", false, put_uid, get_uid },
	{ NJ_IPC_TRUST_PUT, "trust-put", false, put_trust, get_trust },
	{ NJ_IPC_CERTIFICATE_PUT, "certificate-put", false, put_certificate, get_certificate },
	{ NJ_IPC_REKEY_OFFER, "rekey-offer", false, put_rekey, get_rekey },
	{ NJ_IPC_REKEY_DONE, "rekey-done", false, put_rekey, get_rekey },
	{ NJ_IPC_REKEY_CUT, "rekey-cut", false, put_rekey_cut, get_rekey_cut },
	{ NJ_IPC_KICK, "kick", false, put_kick, get_kick },
	{ NJ_IPC_REKEY_READY, "rekey-ready", true, put_rekey, get_rekey },
	{ NJ_IPC_REKEY_STORED, "rekey-stored", true, put_rekey, get_rekey },
	{ NJ_IPC_GRANT_ACK, "grant-ack", true, put_grant_id, get_grant_id },
	{ NJ_IPC_BOUND, "bound", true, put_bound, get_bound },
	{ NJ_IPC_FLOW_END, "flow-end", true, put_flow, get_flow },
	{ NJ_IPC_AUDIT, "audit", true, put_audit, get_audit },
	{ NJ_IPC_RESULT, "result", true, put_result, get_result },
};

#define COUNT_TYPE(name, number, text) +1
_Static_assert(sizeof(layouts) / sizeof(layouts[0]) == 0 NJ_IPC_TABLE(COUNT_TYPE), "a message without a layout");
#undef COUNT_TYPE

static const struct layout *layout_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if ((uint16_t)layouts[i].type == type)
			return &layouts[i];
	return NULL;
}

enum nj_err nj_ipc_encode(const struct nj_ipc *message, struct nj_writer *w)
{
	const struct layout *layout = layout_of((uint16_t)message->type);

	if (layout == NULL)
		return NJ_ERR_UNSUPPORTED;
	nj_write_u16(w, (uint16_t)message->type);
	layout->put(w, message);
	return w->err;
}

enum nj_err nj_ipc_decode(struct nj_view bytes, struct nj_ipc *out_message)
{
	struct nj_reader r = nj_reader_view(bytes);
	uint16_t type = nj_read_u16(&r);
	const struct layout *layout;

	if (r.err != NJ_OK)
		return r.err;
	layout = layout_of(type);
	if (layout == NULL)
		return NJ_ERR_UNSUPPORTED;
	out_message->type = layout->type;
	layout->get(&r, out_message);
	return nj_reader_end(&r);
}

const char *nj_ipc_name(enum nj_ipc_type type)
{
	const struct layout *layout = layout_of((uint16_t)type);

	return layout == NULL ? "unknown" : layout->name;
}

bool nj_ipc_from_gateway(enum nj_ipc_type type)
{
	const struct layout *layout = layout_of((uint16_t)type);

	return layout != NULL && layout->from_gateway;
}
