#include "daemon/posture.h"

#include "net/tls_offer.h"

static json_t *name_of(enum nj_tls_offer_list list, uint16_t number)
{
	const char *name = nj_tls_offer_name(list, number);
	char text[8];

	if (name != NULL)
		return json_string(name);
	(void)!nj_text_format(text, sizeof(text), "0x%04x", number);
	return json_string(text);
}

static json_t *names_of(const struct nj_tls_offer *offer, enum nj_tls_offer_list list)
{
	json_t *names = json_array();

	for (uint8_t i = 0; i < offer->count[list]; i++)
		json_array_append_new(names, name_of(list, offer->at[list][i]));
	return names;
}

static enum nj_err tell(void *arg, const struct nj_tls_row *row)
{
	json_t **out_ok = arg;
	struct nj_tls_offer offer;
	json_t *ok;

	NJ_TRY(nj_tls_offer_parse(row->offer, &offer));
	ok = json_pack("{s:I, s:s, s:s, s:s, s:s, s:b}", "seen_ms", (json_int_t)row->seen_ms, "version", row->version,
		       "cipher", row->cipher, "group", row->group, "proof", row->proof, "cut", (int)offer.cut);
	for (int list = 0; list < NJ_TLS_OFFER_LISTS; list++)
		json_object_set_new(ok, nj_tls_offer_list_name((enum nj_tls_offer_list)list),
				    names_of(&offer, (enum nj_tls_offer_list)list));
	*out_ok = ok;
	return NJ_OK;
}

void nj_posture_tell(struct nj_gateway_store *store, struct nj_admin_call *call)
{
	uint8_t uid[NJ_STORE_UID_BYTES];
	const char *text;
	json_t *ok = NULL;
	enum nj_err err;

	if (!nj_admin_text(call, "uid", true, &text))
		return;
	err = nj_hex_decode(nj_view_str(text), uid, sizeof(uid));
	if (err == NJ_OK)
		err = nj_gateway_store_tls_get(store, uid, tell, &ok);
	if (err == NJ_OK)
		nj_admin_ok(call, ok);
	else
		nj_admin_fail(call, err, "nothing is known of its TLS: %s", nj_err_text(err));
}
