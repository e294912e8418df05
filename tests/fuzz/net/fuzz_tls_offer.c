/* What a ClientHello offers, and the stored form of it: the first byte chooses. A stored offer that parses is written
 * as the same bytes; whatever a hello's lists give is stored and read back as it was. */
#include <stdlib.h>
#include <string.h>

#include "net/tls_offer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() is compiled out of the optimised build that fuzzing uses. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static void round_trip(const struct nj_tls_offer *offer, struct nj_view want)
{
	uint8_t bytes[NJ_TLS_OFFER_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	struct nj_tls_offer again;
	size_t len = 0;

	nj_tls_offer_write(offer, &w);
	must(nj_writer_end(&w, &len) == NJ_OK);
	must(nj_tls_offer_parse(nj_view_of(bytes, len), &again) == NJ_OK);
	must(memcmp(offer, &again, sizeof(again)) == 0);
	if (want.len > 0)
		must(nj_view_equal(want, nj_view_of(bytes, len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_reader r = nj_reader_of(data, size);
	bool stored = nj_read_u8(&r) % 2 == 0;
	struct nj_tls_offer offer;

	memset(&offer, 0, sizeof(offer));
	if (r.err != NJ_OK)
		return 0;
	if (stored) {
		struct nj_view bytes = nj_read_view(&r, nj_reader_left(&r));

		if (nj_tls_offer_parse(bytes, &offer) == NJ_OK)
			round_trip(&offer, bytes);
		return 0;
	}
	struct nj_tls_hello hello = { .legacy_version = nj_read_u16(&r) };
	hello.suites = nj_read_view(&r, nj_read_u8(&r));
	hello.supported_versions = nj_read_view(&r, nj_read_u8(&r));
	hello.supported_groups = nj_read_view(&r, nj_read_u8(&r));
	hello.signatures = nj_read_view(&r, nj_reader_left(&r));
	if (r.err == NJ_OK && nj_tls_offer_read(&hello, &offer) == NJ_OK)
		round_trip(&offer, nj_view_of(NULL, 0));
	return 0;
}
