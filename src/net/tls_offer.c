#include "net/tls_offer.h"

#include <stddef.h>

struct named {
	uint16_t number;
	const char *name;
};

static const struct named versions[] = {
	{ 0x0300, "SSLv3" }, { 0x0301, "TLSv1.0" }, { 0x0302, "TLSv1.1" }, { 0x0303, "TLSv1.2" }, { 0x0304, "TLSv1.3" },
};

/* What devices of the field offer (registry "TLS Cipher Suites"); another is shown by its number. */
static const struct named suites[] = {
	{ 0x0004, "RSA-RC4-MD5" },
	{ 0x0005, "RSA-RC4-SHA" },
	{ 0x000a, "RSA-3DES-CBC-SHA" },
	{ 0x002f, "RSA-AES128-CBC-SHA" },
	{ 0x0033, "DHE-RSA-AES128-CBC-SHA" },
	{ 0x0035, "RSA-AES256-CBC-SHA" },
	{ 0x0039, "DHE-RSA-AES256-CBC-SHA" },
	{ 0x003c, "RSA-AES128-CBC-SHA256" },
	{ 0x003d, "RSA-AES256-CBC-SHA256" },
	{ 0x0067, "DHE-RSA-AES128-CBC-SHA256" },
	{ 0x006b, "DHE-RSA-AES256-CBC-SHA256" },
	{ 0x009c, "RSA-AES128-GCM-SHA256" },
	{ 0x009d, "RSA-AES256-GCM-SHA384" },
	{ 0x009e, "DHE-RSA-AES128-GCM-SHA256" },
	{ 0x009f, "DHE-RSA-AES256-GCM-SHA384" },
	{ 0x00a8, "PSK-AES128-GCM-SHA256" },
	{ 0x00ae, "PSK-AES128-CBC-SHA256" },
	{ 0x00ff, "EMPTY-RENEGOTIATION-INFO-SCSV" },
	{ 0x1301, "AES-128-GCM-SHA256" },
	{ 0x1302, "AES-256-GCM-SHA384" },
	{ 0x1303, "CHACHA20-POLY1305-SHA256" },
	{ 0x1304, "AES-128-CCM-SHA256" },
	{ 0x1305, "AES-128-CCM-8-SHA256" },
	{ 0xc009, "ECDHE-ECDSA-AES128-CBC-SHA" },
	{ 0xc00a, "ECDHE-ECDSA-AES256-CBC-SHA" },
	{ 0xc013, "ECDHE-RSA-AES128-CBC-SHA" },
	{ 0xc014, "ECDHE-RSA-AES256-CBC-SHA" },
	{ 0xc023, "ECDHE-ECDSA-AES128-CBC-SHA256" },
	{ 0xc024, "ECDHE-ECDSA-AES256-CBC-SHA384" },
	{ 0xc027, "ECDHE-RSA-AES128-CBC-SHA256" },
	{ 0xc028, "ECDHE-RSA-AES256-CBC-SHA384" },
	{ 0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ 0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ 0xc02f, "ECDHE-RSA-AES128-GCM-SHA256" },
	{ 0xc030, "ECDHE-RSA-AES256-GCM-SHA384" },
	{ 0xc0ac, "ECDHE-ECDSA-AES128-CCM" },
	{ 0xc0ae, "ECDHE-ECDSA-AES128-CCM-8" },
	{ 0xcca8, "ECDHE-RSA-CHACHA20-POLY1305" },
	{ 0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305" },
	{ 0xccaa, "DHE-RSA-CHACHA20-POLY1305" },
};

static const struct named groups[] = {
	{ 0x0015, "secp224r1" }, { 0x0017, "secp256r1" }, { 0x0018, "secp384r1" }, { 0x0019, "secp521r1" },
	{ 0x001d, "x25519" },    { 0x001e, "x448" },      { 0x0100, "ffdhe2048" }, { 0x0101, "ffdhe3072" },
	{ 0x0102, "ffdhe4096" }, { 0x0103, "ffdhe6144" }, { 0x0104, "ffdhe8192" },
};

static const struct named signatures[] = {
	{ 0x0201, "rsa_pkcs1_sha1" },
	{ 0x0202, "dsa_sha1" },
	{ 0x0203, "ecdsa_sha1" },
	{ 0x0301, "rsa_pkcs1_sha224" },
	{ 0x0302, "dsa_sha224" },
	{ 0x0303, "ecdsa_sha224" },
	{ 0x0401, "rsa_pkcs1_sha256" },
	{ 0x0402, "dsa_sha256" },
	{ 0x0403, "ecdsa_secp256r1_sha256" },
	{ 0x0501, "rsa_pkcs1_sha384" },
	{ 0x0502, "dsa_sha384" },
	{ 0x0503, "ecdsa_secp384r1_sha384" },
	{ 0x0601, "rsa_pkcs1_sha512" },
	{ 0x0602, "dsa_sha512" },
	{ 0x0603, "ecdsa_secp521r1_sha512" },
	{ 0x0804, "rsa_pss_rsae_sha256" },
	{ 0x0805, "rsa_pss_rsae_sha384" },
	{ 0x0806, "rsa_pss_rsae_sha512" },
	{ 0x0807, "ed25519" },
	{ 0x0808, "ed448" },
	{ 0x0809, "rsa_pss_pss_sha256" },
	{ 0x080a, "rsa_pss_pss_sha384" },
	{ 0x080b, "rsa_pss_pss_sha512" },
};

#define TABLE(rows)                                    \
	{                                              \
		rows, sizeof(rows) / sizeof((rows)[0]) \
	}
static const struct {
	const struct named *rows;
	size_t count;
} tables[NJ_TLS_OFFER_LISTS] = {
	[NJ_TLS_OFFER_VERSIONS] = TABLE(versions),
	[NJ_TLS_OFFER_SUITES] = TABLE(suites),
	[NJ_TLS_OFFER_GROUPS] = TABLE(groups),
	[NJ_TLS_OFFER_SIGNATURES] = TABLE(signatures),
};

/* RFC 8701 2: 0x0a0a, 0x1a1a … 0xfafa. */
static bool is_grease(uint16_t number)
{
	return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff);
}

static void take(struct nj_tls_offer *offer, enum nj_tls_offer_list list, uint16_t number)
{
	if (is_grease(number))
		return;
	if (offer->count[list] == NJ_TLS_OFFER_MAX)
		offer->cut = true;
	else
		offer->at[list][offer->count[list]++] = number;
}

static enum nj_err take_all(struct nj_tls_offer *offer, enum nj_tls_offer_list list, struct nj_view numbers)
{
	struct nj_reader r = nj_reader_view(numbers);

	while (r.err == NJ_OK && nj_reader_left(&r) > 0) {
		uint16_t number = nj_read_u16(&r);

		if (r.err == NJ_OK)
			take(offer, list, number);
	}
	return nj_reader_end(&r);
}

static enum nj_err take_versions(struct nj_tls_offer *offer, const struct nj_tls_hello *hello)
{
	struct nj_reader r = nj_reader_view(hello->supported_versions);
	struct nj_view list;

	if (hello->supported_versions.len == 0) {
		take(offer, NJ_TLS_OFFER_VERSIONS, hello->legacy_version);
		return NJ_OK;
	}
	list = nj_read_view(&r, nj_read_u8(&r));
	NJ_TRY(nj_reader_end(&r));
	return take_all(offer, NJ_TLS_OFFER_VERSIONS, list);
}

static enum nj_err take_extension(struct nj_tls_offer *offer, enum nj_tls_offer_list list, struct nj_view extension)
{
	struct nj_reader r = nj_reader_view(extension);
	struct nj_view numbers;

	if (extension.len == 0)
		return NJ_OK;
	numbers = nj_read_view16(&r);
	NJ_TRY(nj_reader_end(&r));
	return take_all(offer, list, numbers);
}

enum nj_err nj_tls_offer_read(const struct nj_tls_hello *hello, struct nj_tls_offer *out_offer)
{
	struct nj_tls_offer offer = { 0 };

	NJ_TRY(take_versions(&offer, hello));
	NJ_TRY(take_all(&offer, NJ_TLS_OFFER_SUITES, hello->suites));
	NJ_TRY(take_extension(&offer, NJ_TLS_OFFER_GROUPS, hello->supported_groups));
	NJ_TRY(take_extension(&offer, NJ_TLS_OFFER_SIGNATURES, hello->signatures));
	*out_offer = offer;
	return NJ_OK;
}

void nj_tls_offer_write(const struct nj_tls_offer *offer, struct nj_writer *w)
{
	for (size_t list = 0; list < NJ_TLS_OFFER_LISTS; list++) {
		nj_write_u8(w, offer->count[list]);
		for (uint8_t i = 0; i < offer->count[list]; i++)
			nj_write_u16(w, offer->at[list][i]);
	}
	nj_write_u8(w, offer->cut ? 1 : 0);
}

enum nj_err nj_tls_offer_parse(struct nj_view bytes, struct nj_tls_offer *out_offer)
{
	struct nj_reader r = nj_reader_view(bytes);
	struct nj_tls_offer offer = { 0 };

	for (size_t list = 0; list < NJ_TLS_OFFER_LISTS; list++) {
		uint8_t count = nj_read_u8(&r);

		if (count > NJ_TLS_OFFER_MAX)
			nj_reader_fail(&r, NJ_ERR_TOO_LARGE);
		for (uint8_t i = 0; i < count && r.err == NJ_OK; i++)
			offer.at[list][i] = nj_read_u16(&r);
		offer.count[list] = count;
	}
	uint8_t cut = nj_read_u8(&r);
	if (cut > 1)
		nj_reader_fail(&r, NJ_ERR_RANGE);
	offer.cut = cut == 1;
	NJ_TRY(nj_reader_end(&r));
	*out_offer = offer;
	return NJ_OK;
}

const char *nj_tls_offer_list_name(enum nj_tls_offer_list list)
{
	static const char *const names[] = {
#define LIST_NAME(name, text) text,
		NJ_TLS_OFFER_TABLE(LIST_NAME)
#undef LIST_NAME
	};

	return names[list];
}

const char *nj_tls_offer_name(enum nj_tls_offer_list list, uint16_t number)
{
	for (size_t i = 0; i < tables[list].count; i++)
		if (tables[list].rows[i].number == number)
			return tables[list].rows[i].name;
	return NULL;
}
