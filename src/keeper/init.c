#include "keeper/init.h"

#include <unistd.h>

#include "base/text.h"
#include "identity/audit.h"
#include "identity/authority.h"

#define SUFFIXED_BYTES 512

struct making {
	const struct nj_keeper_init_config *config;
	struct nj_keeper_store *store;
	struct nj_vault *vault;
	struct nj_authority *authority;
	struct nj_audit *audit;
};

static enum nj_err make_token(struct making *making, char out_token[NJ_KEEPER_TOKEN_BYTES])
{
	uint8_t token[(NJ_KEEPER_TOKEN_BYTES - 1) / 2];
	uint8_t digest[NJ_SHA256_BYTES];
	char digest_hex[NJ_SHA256_BYTES * 2 + 1];
	struct nj_view part;

	nj_random_fill(making->config->random, token, sizeof(token));
	nj_hex_encode(token, sizeof(token), out_token);
	nj_wipe(token, sizeof(token));
	part = nj_view_str(out_token);
	nj_sha256(&part, 1, digest);
	nj_hex_encode(digest, sizeof(digest), digest_hex);
	return nj_keeper_store_meta_put(making->store, "setup.token", digest_hex);
}

static enum nj_err make_certificates(struct making *making)
{
	const struct nj_keeper_init_config *config = making->config;
	const char *names[NJ_AUTHORITY_NAMES_MAX] = { config->host };
	uint64_t now_s = nj_clock_wall_ms(config->clock) / 1000;
	struct nj_x509_pair pair = { 0 };
	char common_name[64];

	if (config->name_count >= NJ_AUTHORITY_NAMES_MAX)
		return NJ_ERR_LIMIT;
	for (size_t i = 0; i < config->name_count; i++)
		names[i + 1] = config->names[i];
	/* A common name has at most 64 characters (RFC 5280, ub-common-name): a long host name is cut. */
	(void)!nj_text_format(common_name, sizeof(common_name), "Nightjar CA %.40s", config->host);
	NJ_TRY(nj_authority_create(making->vault, common_name, now_s, &making->authority));
	NJ_TRY(nj_authority_server(making->authority, names, config->name_count + 1, now_s, &pair, NULL));
	nj_x509_pair_done(&pair);
	return NJ_OK;
}

static enum nj_err make_audit(struct making *making, struct nj_why *why)
{
	static const struct nj_audit_record first[] = {
		{ .event = NJ_AUDIT_INIT, .source = "init", .detail = "version " NJ_VERSION },
		{ .event = NJ_AUDIT_VAULT_CREATED, .source = "init", .detail = "slots: key file, recovery" },
		{ .event = NJ_AUDIT_CERTIFICATE_ISSUED, .source = "init", .detail = "CA and server" },
	};

	NJ_TRY(nj_audit_create(making->vault, making->config->random));
	NJ_TRY(nj_audit_open(making->vault, making->config->clock, &making->audit, why));
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		NJ_TRY(nj_audit_write(making->audit, &first[i]));
	return nj_audit_checkpoint(making->audit);
}

static enum nj_err make_all(struct making *making, struct nj_keeper_init_result *result, struct nj_why *why)
{
	const struct nj_keeper_init_config *config = making->config;

	NJ_TRY(nj_vault_create(making->store, config->key_file, config->random, &making->vault, result->recovery, why));
	NJ_TRY(make_certificates(making));
	NJ_TRY(make_audit(making, why));
	return make_token(making, result->setup_token);
}

static void making_done(struct making *making)
{
	nj_audit_close(making->audit);
	nj_authority_free(making->authority);
	nj_vault_free(making->vault);
	nj_keeper_store_close(making->store);
}

static void remove_store(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char name[SUFFIXED_BYTES];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (nj_text_format(name, sizeof(name), "%s%s", path, suffixes[i]) == NJ_OK)
			(void)unlink(name);
}

enum nj_err nj_keeper_init(const struct nj_keeper_init_config *config, struct nj_keeper_init_result *out_result,
			   struct nj_why *why)
{
	struct making making = { .config = config };
	struct nj_keeper_init_result result = { 0 };
	bool vault_made;
	enum nj_err err;

	if (why != NULL)
		why->text[0] = '\0';
	NJ_TRY(nj_keeper_store_open(config->store_path, NJ_STORE_CREATE, &making.store, why));
	err = make_all(&making, &result, why);
	vault_made = making.vault != NULL;
	making_done(&making);
	if (err == NJ_OK) {
		*out_result = result;
	} else {
		remove_store(config->store_path);
		if (vault_made)
			(void)unlink(config->key_file);
		if (why != NULL && why->text[0] == '\0')
			(void)nj_why(why, err, "%s: %s", config->store_path, nj_err_text(err));
	}
	nj_wipe(&result, sizeof(result));
	return err;
}
