#include "identity/scram.h"

#include "base/text.h"

#define BINDING_MAX (4 * ((NJ_SCRAM_MESSAGE_BYTES + 2) / 3) + 1)
#define KEY_TEXT_BYTES (4 * ((NJ_SHA256_BYTES + 2) / 3) + 1)
#define SALT_TEXT_BYTES (4 * ((NJ_SCRAM_SALT_BYTES + 2) / 3) + 1)

/* --- keys --- */

static bool is_printable(struct nj_view text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x20 || text.data[i] > 0x7e)
			return false;
	return text.len > 0;
}

/* HMAC keys of more than a block are hashed first (RFC 2104). */
static void init_hmac(struct nj_hmac_key *hmac, struct nj_view password)
{
	uint8_t hashed[NJ_SHA256_BYTES];
	if (password.len <= 64) {
		nj_hmac_key_init(hmac, password.data, password.len);
		return;
	}
	nj_sha256(&password, 1, hashed);
	nj_hmac_key_init(hmac, hashed, sizeof(hashed));
	nj_wipe(hashed, sizeof(hashed));
}

/* Hi() of RFC 5802: PBKDF2 with one block. */
static void salt_password(struct nj_view password, const uint8_t *salt, uint32_t iterations,
			  uint8_t out[NJ_SHA256_BYTES])
{
	struct nj_hmac_key hmac;
	uint8_t first[NJ_SCRAM_SALT_BYTES + 4];
	uint8_t u[NJ_SHA256_BYTES];
	memcpy(first, salt, NJ_SCRAM_SALT_BYTES);
	memcpy(first + NJ_SCRAM_SALT_BYTES, "\0\0\0\1", 4);
	init_hmac(&hmac, password);
	nj_hmac_key_of(&hmac, first, sizeof(first), u);
	memcpy(out, u, NJ_SHA256_BYTES);
	for (uint32_t i = 1; i < iterations; i++) {
		nj_hmac_key_of(&hmac, u, sizeof(u), u);
		for (size_t k = 0; k < NJ_SHA256_BYTES; k++)
			out[k] ^= u[k];
	}
	nj_wipe(&hmac, sizeof(hmac));
	nj_wipe(u, sizeof(u));
}

static void hmac_text(const uint8_t key[NJ_SHA256_BYTES], const char *text, uint8_t out[NJ_SHA256_BYTES])
{
	struct nj_view part = nj_view_str(text);
	nj_hmac_sha256(key, NJ_SHA256_BYTES, &part, 1, out);
}

static void hash(const uint8_t data[NJ_SHA256_BYTES], uint8_t out[NJ_SHA256_BYTES])
{
	struct nj_view part = nj_view_of(data, NJ_SHA256_BYTES);
	nj_sha256(&part, 1, out);
}

enum nj_err nj_scram_verifier_make(struct nj_view password, const uint8_t salt[NJ_SCRAM_SALT_BYTES],
				   uint32_t iterations, struct nj_scram_verifier *out_verifier)
{
	uint8_t salted[NJ_SHA256_BYTES];
	uint8_t client_key[NJ_SHA256_BYTES];
	if (!is_printable(password))
		return NJ_ERR_MALFORMED;
	*out_verifier = (struct nj_scram_verifier){ .iterations = iterations };
	memcpy(out_verifier->salt, salt, NJ_SCRAM_SALT_BYTES);
	salt_password(password, salt, iterations, salted);
	hmac_text(salted, "Client Key", client_key);
	hash(client_key, out_verifier->stored_key);
	hmac_text(salted, "Server Key", out_verifier->server_key);
	nj_wipe(salted, sizeof(salted));
	nj_wipe(client_key, sizeof(client_key));
	return NJ_OK;
}

bool nj_scram_verifier_accepts(const struct nj_scram_verifier *verifier, struct nj_view password)
{
	struct nj_scram_verifier other;
	if (nj_scram_verifier_make(password, verifier->salt, verifier->iterations, &other) != NJ_OK)
		return false;
	return nj_equal_ct(other.stored_key, verifier->stored_key, NJ_SHA256_BYTES);
}

void nj_scram_verifier_text(const struct nj_scram_verifier *verifier, char out[NJ_SCRAM_TEXT_BYTES])
{
	char salt[SALT_TEXT_BYTES];
	char stored[KEY_TEXT_BYTES];
	char server[KEY_TEXT_BYTES];
	nj_base64_encode(verifier->salt, sizeof(verifier->salt), salt);
	nj_base64_encode(verifier->stored_key, sizeof(verifier->stored_key), stored);
	nj_base64_encode(verifier->server_key, sizeof(verifier->server_key), server);
	/* The longest is shorter than the room. */
	(void)!nj_text_format(out, NJ_SCRAM_TEXT_BYTES, "%s$%u:%s$%s:%s", NJ_SCRAM_METHOD, verifier->iterations, salt,
			      stored, server);
}

/* --- text --- */

/* What comes before the next `until`, which is eaten too; the rest, where there is none. */
static struct nj_view cut(struct nj_view *rest, char until)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->data, until, rest->len) : NULL;
	size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
	struct nj_view part = nj_view_of(rest->data, len);
	size_t eaten = end != NULL ? len + 1 : len;
	*rest = nj_view_of(rest->data + eaten, rest->len - eaten);
	return part;
}

/* The value of the next attribute, which must be this one. */
static enum nj_err cut_attribute(struct nj_view *rest, char name, struct nj_view *out_value)
{
	struct nj_view part = cut(rest, ',');
	if (part.len < 2 || part.data[0] != (uint8_t)name || part.data[1] != '=')
		return NJ_ERR_MALFORMED;
	*out_value = nj_view_of(part.data + 2, part.len - 2);
	return NJ_OK;
}

static enum nj_err decode_exactly(struct nj_view text, void *out, size_t len)
{
	uint8_t room[NJ_SHA256_BYTES + 3];
	size_t got = 0;
	NJ_TRY(nj_base64_decode(text, room, sizeof(room), &got));
	if (got != len)
		return NJ_ERR_MALFORMED;
	memcpy(out, room, len);
	return NJ_OK;
}

enum nj_err nj_scram_verifier_parse(const char *text, struct nj_scram_verifier *out_verifier)
{
	struct nj_scram_verifier verifier;
	struct nj_view rest = nj_view_str(text);
	char digits[8];
	uint64_t iterations = 0;
	if (!nj_view_equal(cut(&rest, '$'), nj_view_str(NJ_SCRAM_METHOD)))
		return NJ_ERR_MALFORMED;
	NJ_TRY(nj_text_copy_view(digits, sizeof(digits), cut(&rest, ':')));
	NJ_TRY(nj_number_parse(digits, NJ_SCRAM_ITERATIONS, NJ_SCRAM_ITERATIONS_MAX, &iterations));
	verifier.iterations = (uint32_t)iterations;
	NJ_TRY(decode_exactly(cut(&rest, '$'), verifier.salt, sizeof(verifier.salt)));
	NJ_TRY(decode_exactly(cut(&rest, ':'), verifier.stored_key, sizeof(verifier.stored_key)));
	NJ_TRY(decode_exactly(rest, verifier.server_key, sizeof(verifier.server_key)));
	*out_verifier = verifier;
	return NJ_OK;
}

/* --- the exchange --- */

void nj_scram_nonce(struct nj_random *random, char out[NJ_SCRAM_NONCE_BYTES])
{
	uint8_t bytes[18];
	nj_random_fill(random, bytes, sizeof(bytes));
	nj_base64_encode(bytes, sizeof(bytes), out);
}

/* gs2-header: no channel binding, and nobody else's name to act under. */
static enum nj_err take_header(struct nj_scram *scram, const char *user, struct nj_view *rest)
{
	const uint8_t *start = rest->data;
	struct nj_view flag = cut(rest, ',');
	struct nj_view authzid = cut(rest, ',');
	if (flag.len != 1 || (flag.data[0] != 'n' && flag.data[0] != 'y'))
		return NJ_ERR_MALFORMED;
	if (authzid.len > 0) {
		if (authzid.len < 2 || memcmp(authzid.data, "a=", 2) != 0)
			return NJ_ERR_MALFORMED;
		scram->known = nj_view_equal(nj_view_of(authzid.data + 2, authzid.len - 2), nj_view_str(user));
	}
	scram->gs2_bytes = (size_t)(rest->data - start);
	memcpy(scram->gs2, start, scram->gs2_bytes);
	return NJ_OK;
}

static bool is_nonce(struct nj_view text)
{
	return is_printable(text) && text.len <= 128 && memchr(text.data, ' ', text.len) == NULL;
}

enum nj_err nj_scram_begin(struct nj_scram *scram, const struct nj_scram_verifier *verifier, const char *user,
			   const char *nonce, struct nj_view client_first, struct nj_view *out_server_first)
{
	struct nj_view name;
	struct nj_view their_nonce;
	char salt[SALT_TEXT_BYTES];
	scram->known = true;
	scram->verifier = *verifier;
	if (client_first.len > NJ_SCRAM_MESSAGE_BYTES - 1)
		return NJ_ERR_TOO_LARGE;
	NJ_TRY(take_header(scram, user, &client_first));
	struct nj_view bare = client_first;
	NJ_TRY(cut_attribute(&client_first, 'n', &name));
	NJ_TRY(cut_attribute(&client_first, 'r', &their_nonce));
	if (!is_nonce(their_nonce))
		return NJ_ERR_MALFORMED;
	scram->known = scram->known && nj_view_equal(name, nj_view_str(user));
	nj_base64_encode(scram->verifier.salt, sizeof(scram->verifier.salt), salt);
	NJ_TRY(nj_text_format(scram->nonce, sizeof(scram->nonce), "%.*s%s", (int)their_nonce.len,
			      (const char *)their_nonce.data, nonce));
	NJ_TRY(nj_text_format(scram->answer, sizeof(scram->answer), "r=%s,s=%s,i=%u", scram->nonce, salt,
			      scram->verifier.iterations));
	NJ_TRY(nj_text_format(scram->said, sizeof(scram->said), "%.*s,%s", (int)bare.len, (const char *)bare.data,
			      scram->answer));
	scram->nonce_bytes = strlen(scram->nonce);
	scram->said_bytes = strlen(scram->said);
	*out_server_first = nj_view_str(scram->answer);
	return NJ_OK;
}

static bool header_is_bound(const struct nj_scram *scram, struct nj_view binding)
{
	char want[BINDING_MAX];
	nj_base64_encode(scram->gs2, scram->gs2_bytes, want);
	return nj_view_equal(binding, nj_view_str(want));
}

/* Splits client-final; `out_bare` is what is signed of it. */
static enum nj_err take_final(const struct nj_scram *scram, struct nj_view final, struct nj_view *out_bare,
			      uint8_t out_proof[NJ_SHA256_BYTES])
{
	struct nj_view rest = final;
	struct nj_view binding;
	struct nj_view nonce;
	NJ_TRY(cut_attribute(&rest, 'c', &binding));
	NJ_TRY(cut_attribute(&rest, 'r', &nonce));
	if (!header_is_bound(scram, binding) || !nj_view_equal(nonce, nj_view_of(scram->nonce, scram->nonce_bytes)))
		return NJ_ERR_FORGED;
	/* The proof is last; whatever an extension says before it is signed too. */
	while (rest.len > 0 && memchr(rest.data, ',', rest.len) != NULL)
		(void)cut(&rest, ',');
	if (rest.len < 2 || memcmp(rest.data, "p=", 2) != 0)
		return NJ_ERR_MALFORMED;
	NJ_TRY(decode_exactly(nj_view_of(rest.data + 2, rest.len - 2), out_proof, NJ_SHA256_BYTES));
	*out_bare = nj_view_of(final.data, (size_t)(rest.data - final.data) - 1);
	return NJ_OK;
}

enum nj_err nj_scram_end(struct nj_scram *scram, struct nj_view client_final, struct nj_view *out_server_final)
{
	struct nj_view parts[3] = { nj_view_of(scram->said, scram->said_bytes), nj_view_str(",") };
	uint8_t client_key[NJ_SHA256_BYTES];
	uint8_t signature[NJ_SHA256_BYTES];
	uint8_t stored[NJ_SHA256_BYTES];
	char text[KEY_TEXT_BYTES];
	NJ_TRY(take_final(scram, client_final, &parts[2], client_key));
	nj_hmac_sha256(scram->verifier.stored_key, NJ_SHA256_BYTES, parts, 3, signature);
	for (size_t i = 0; i < NJ_SHA256_BYTES; i++)
		client_key[i] ^= signature[i];
	hash(client_key, stored);
	nj_wipe(client_key, sizeof(client_key));
	if (!nj_equal_ct(stored, scram->verifier.stored_key, NJ_SHA256_BYTES) || !scram->known)
		return NJ_ERR_FORGED;
	nj_hmac_sha256(scram->verifier.server_key, NJ_SHA256_BYTES, parts, 3, signature);
	nj_base64_encode(signature, sizeof(signature), text);
	NJ_TRY(nj_text_format(scram->answer, sizeof(scram->answer), "v=%s", text));
	*out_server_final = nj_view_str(scram->answer);
	return NJ_OK;
}
