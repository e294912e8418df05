#include "identity/authority.h"

#include "base/text.h"

#define CA_RECORD "ca"
#define SERVER_RECORD "tls"
#define RECORD_BYTES 49152 /* certificate, key and names of a server, with room */

struct nj_authority {
	struct nj_vault *vault;
	char *ca_pem;
};

/* A text with its end, so that a reader can lend it as a C string. */
static void write_text(struct nj_writer *w, const char *text)
{
	nj_write_view16(w, nj_view_of(text, strlen(text) + 1));
}

static const char *read_text(struct nj_reader *r)
{
	struct nj_view text = nj_read_view16(r);

	if (text.len > 0 && memchr(text.data, '\0', text.len) == text.data + text.len - 1)
		return (const char *)text.data;
	nj_reader_fail(r, NJ_ERR_MALFORMED);
	return "";
}

/* ---- the CA's own pair ---- */

/* A pair that lends its texts from `secret`. */
static enum nj_err load_ca(const struct nj_vault *vault, struct nj_secret **out_secret, struct nj_x509_pair *out_pair)
{
	struct nj_secret *secret;
	struct nj_reader r;
	struct nj_x509_pair pair;

	NJ_TRY(nj_vault_get(vault, CA_RECORD, &secret));
	r = nj_reader_of(nj_secret_bytes(secret), nj_secret_len(secret));
	pair.cert_pem = (char *)(uintptr_t)read_text(&r);
	pair.key_pem = (char *)(uintptr_t)read_text(&r);
	if (nj_reader_end(&r) != NJ_OK) {
		nj_secret_free(secret);
		return NJ_ERR_CORRUPT;
	}
	*out_secret = secret;
	*out_pair = pair;
	return NJ_OK;
}

static enum nj_err store_ca(struct nj_vault *vault, const struct nj_x509_pair *pair)
{
	NJ_CLEANUP_SECRET struct nj_secret *secret = NULL;
	struct nj_writer w;
	size_t len;

	NJ_TRY(nj_secret_new(strlen(pair->cert_pem) + strlen(pair->key_pem) + 6, &secret));
	w = nj_writer_of(nj_secret_bytes(secret), nj_secret_len(secret));
	write_text(&w, pair->cert_pem);
	write_text(&w, pair->key_pem);
	NJ_TRY(nj_writer_end(&w, &len));
	return nj_vault_put(vault, CA_RECORD, nj_view_of(nj_secret_bytes(secret), len));
}

enum nj_err nj_authority_open(struct nj_vault *vault, struct nj_authority **out_authority)
{
	NJ_CLEANUP_SECRET struct nj_secret *secret = NULL;
	struct nj_x509_pair pair;
	struct nj_authority *authority;

	NJ_TRY(load_ca(vault, &secret, &pair));
	authority = calloc(1, sizeof(*authority));
	if (authority != NULL)
		authority->ca_pem = strdup(pair.cert_pem);
	if (authority == NULL || authority->ca_pem == NULL) {
		free(authority);
		return NJ_ERR_NO_MEMORY;
	}
	authority->vault = vault;
	*out_authority = authority;
	return NJ_OK;
}

enum nj_err nj_authority_create(struct nj_vault *vault, const char *common_name, uint64_t now_s,
				struct nj_authority **out_authority)
{
	struct nj_secret *present = NULL;
	struct nj_x509_pair pair = { 0 };
	enum nj_err err = nj_vault_get(vault, CA_RECORD, &present);

	nj_secret_free(present);
	if (err != NJ_ERR_NOT_FOUND)
		return err == NJ_OK ? NJ_ERR_EXISTS : err;
	NJ_TRY(nj_x509_make_ca(common_name, now_s, NJ_AUTHORITY_CA_DAYS, &pair));
	err = store_ca(vault, &pair);
	nj_x509_pair_done(&pair);
	return err == NJ_OK ? nj_authority_open(vault, out_authority) : err;
}

void nj_authority_free(struct nj_authority *authority)
{
	if (authority == NULL)
		return;
	free(authority->ca_pem);
	free(authority);
}

const char *nj_authority_ca_pem(const struct nj_authority *authority)
{
	return authority->ca_pem;
}

/* ---- the server's pair ---- */

/* The stored pair if it is for these names and has more than a third of its life before it, else NJ_ERR_NOT_FOUND. */
static enum nj_err read_server(struct nj_reader *r, const char *const *names, size_t name_count, uint64_t now_s,
			       struct nj_x509_pair *out_pair)
{
	uint64_t issued_s = nj_read_u64(r);
	uint64_t not_after_s = nj_read_u64(r);
	size_t count = nj_read_u16(r);
	bool fits = count == name_count;
	const char *cert;
	const char *key;

	for (size_t i = 0; i < count && r->err == NJ_OK; i++) {
		const char *name = read_text(r);

		fits = fits && strcmp(name, names[i]) == 0;
	}
	cert = read_text(r);
	key = read_text(r);
	if (nj_reader_end(r) != NJ_OK || issued_s > not_after_s)
		return NJ_ERR_CORRUPT;
	if (!fits || now_s > not_after_s - (not_after_s - issued_s) / 3)
		return NJ_ERR_NOT_FOUND;
	out_pair->cert_pem = strdup(cert);
	out_pair->key_pem = strdup(key);
	return out_pair->cert_pem != NULL && out_pair->key_pem != NULL ? NJ_OK : NJ_ERR_NO_MEMORY;
}

static enum nj_err load_server(struct nj_authority *authority, const char *const *names, size_t name_count,
			       uint64_t now_s, struct nj_x509_pair *out_pair)
{
	NJ_CLEANUP_SECRET struct nj_secret *secret = NULL;
	struct nj_x509_pair pair = { 0 };
	struct nj_reader r;
	enum nj_err err;

	NJ_TRY(nj_vault_get(authority->vault, SERVER_RECORD, &secret));
	r = nj_reader_of(nj_secret_bytes(secret), nj_secret_len(secret));
	err = read_server(&r, names, name_count, now_s, &pair);
	if (err == NJ_OK)
		*out_pair = pair;
	else
		nj_x509_pair_done(&pair);
	return err;
}

static enum nj_err store_server(struct nj_authority *authority, const char *const *names, size_t name_count,
				uint64_t now_s, const struct nj_x509_pair *pair)
{
	NJ_CLEANUP_SECRET struct nj_secret *secret = NULL;
	uint64_t not_after_s;
	struct nj_writer w;
	size_t len;

	NJ_TRY(nj_x509_not_after(pair->cert_pem, &not_after_s));
	NJ_TRY(nj_secret_new(RECORD_BYTES, &secret));
	w = nj_writer_of(nj_secret_bytes(secret), nj_secret_len(secret));
	nj_write_u64(&w, now_s);
	nj_write_u64(&w, not_after_s);
	nj_write_u16(&w, (uint16_t)name_count);
	for (size_t i = 0; i < name_count; i++)
		write_text(&w, names[i]);
	write_text(&w, pair->cert_pem);
	write_text(&w, pair->key_pem);
	NJ_TRY(nj_writer_end(&w, &len));
	return nj_vault_put(authority->vault, SERVER_RECORD, nj_view_of(nj_secret_bytes(secret), len));
}

enum nj_err nj_authority_renew_server(struct nj_authority *authority, const char *const *names, size_t name_count,
				      uint64_t now_s, struct nj_x509_pair *out_pair)
{
	NJ_CLEANUP_SECRET struct nj_secret *secret = NULL;
	struct nj_x509_pair ca;
	struct nj_x509_pair pair = { 0 };
	enum nj_err err;

	if (name_count > NJ_AUTHORITY_NAMES_MAX)
		return NJ_ERR_LIMIT;
	NJ_TRY(load_ca(authority->vault, &secret, &ca));
	NJ_TRY(nj_x509_issue_server(&ca, names, name_count, now_s, NJ_AUTHORITY_SERVER_DAYS, &pair));
	err = store_server(authority, names, name_count, now_s, &pair);
	if (err == NJ_OK)
		*out_pair = pair;
	else
		nj_x509_pair_done(&pair);
	return err;
}

enum nj_err nj_authority_server(struct nj_authority *authority, const char *const *names, size_t name_count,
				uint64_t now_s, struct nj_x509_pair *out_pair, bool *out_renewed)
{
	enum nj_err err;

	if (name_count > NJ_AUTHORITY_NAMES_MAX)
		return NJ_ERR_LIMIT;
	err = load_server(authority, names, name_count, now_s, out_pair);
	if (err != NJ_OK && err != NJ_ERR_NOT_FOUND)
		return err;
	if (err == NJ_ERR_NOT_FOUND)
		NJ_TRY(nj_authority_renew_server(authority, names, name_count, now_s, out_pair));
	if (out_renewed != NULL)
		*out_renewed = err == NJ_ERR_NOT_FOUND;
	return NJ_OK;
}

enum nj_err nj_authority_certify(struct nj_authority *authority, const char *request_pem, const char *common_name,
				 const uint8_t uid[16], uint64_t now_s, char **out_cert_pem)
{
	NJ_CLEANUP_SECRET struct nj_secret *secret = NULL;
	struct nj_x509_pair ca;

	NJ_TRY(load_ca(authority->vault, &secret, &ca));
	return nj_x509_issue_for_request(&ca, request_pem, common_name, uid, now_s, NJ_AUTHORITY_CLIENT_DAYS,
					 out_cert_pem);
}

enum nj_err nj_authority_list(struct nj_authority *authority, const struct nj_x509_revoked *rows, size_t count,
			      uint64_t now_s, char **out_list_pem)
{
	NJ_CLEANUP_SECRET struct nj_secret *secret = NULL;
	struct nj_x509_pair ca;

	NJ_TRY(load_ca(authority->vault, &secret, &ca));
	return nj_x509_make_list(&ca, rows, count, now_s, NJ_AUTHORITY_LIST_DAYS, out_list_pem);
}
