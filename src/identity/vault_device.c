#include "identity/vault_device.h"

#include <assert.h>

#define LABEL_MAX_BYTES 16
#define UID_BYTES 16

struct record_id {
	uint8_t bytes[LABEL_MAX_BYTES + UID_BYTES];
};

static struct nj_view id_of(struct record_id *id, const char *label, const uint8_t uid[UID_BYTES])
{
	size_t len = strlen(label);

	assert(len <= LABEL_MAX_BYTES);
	memcpy(id->bytes, label, len);
	memcpy(id->bytes + len, uid, UID_BYTES);
	return nj_view_of(id->bytes, len + UID_BYTES);
}

void nj_vault_seal_of(struct nj_vault *vault, const char *label, const uint8_t uid[16], uint64_t version,
		      struct nj_view plain, uint8_t *out)
{
	struct record_id id;

	nj_vault_seal(vault, id_of(&id, label, uid), version, plain, out);
}

enum nj_err nj_vault_open_of(const struct nj_vault *vault, const char *label, const uint8_t uid[16], uint64_t version,
			     struct nj_view sealed, uint8_t *out)
{
	struct record_id id;

	return nj_vault_open(vault, id_of(&id, label, uid), version, sealed, out);
}
