/* SMS-DELIVERs of ours for tpdus.py, a line each: octets, sender, text of the part, reference, parts, part, destination
 * port, with tabs between; 0 and empty for what is not there. Texts in the alphabets that others can read too. */
#include "base/text.h"
#include "sms/text/text.h"
#include "sms/text/tpdu.h"

#define STAMP_S 1795354055
#define ROUNDS 4

static const char *const texts[] = {
	"hello",
	"@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCXYZÄÖÑÜ§¿abcxyzäöñüà",
	"[brackets] {and} ~tilde~ ^ | \\ €",
	"Привет, мир",
	"日本語のメッセージ",
	"smile 😀 and 🌙",
	"ç",
	"",
};

static const struct nj_address senders[] = {
	{ .ton = NJ_TON_INTERNATIONAL, .npi = NJ_NPI_E164, .text = "4915123456789" },
	{ .ton = NJ_TON_UNKNOWN, .npi = NJ_NPI_E164, .text = "12345" },
	{ .ton = NJ_TON_ALPHANUMERIC, .text = "Nightjar" },
	{ .ton = NJ_TON_ALPHANUMERIC, .text = "My Shop" },
};

static void must(enum nj_err err)
{
	if (err != NJ_OK) {
		fprintf(stderr, "%s\n", nj_err_text(err));
		exit(1);
	}
}

static void print_part(const struct nj_sms_text_plan *plan, struct nj_sms_place place, struct nj_view units,
		       const struct nj_address *sender, unsigned port)
{
	uint8_t octets[NJ_SMS_USER_DATA_MAX];
	uint8_t out[NJ_TPDU_BYTES_MAX];
	char hex[2 * NJ_TPDU_BYTES_MAX + 1];
	char utf8[3 * NJ_SMS_PART_UNITS_MAX];
	struct nj_tpdu tpdu = { .type = NJ_TPDU_DELIVER, .no_more = true, .address = *sender };
	struct nj_writer w = nj_writer_of(utf8, sizeof(utf8));
	size_t len = 0;
	must(nj_dcs_encode((struct nj_dcs){ .charset = plan->layout.charset, .class = NJ_SMS_CLASS_NONE },
			   &tpdu.coding));
	must(nj_stamp_make(STAMP_S, place.sequence % 2 == 0 ? 8 : -20, &tpdu.time));
	must(nj_user_data_make(&plan->layout, place, units, octets, &tpdu.user_data));
	must(nj_tpdu_encode(&tpdu, out, sizeof(out), &len));
	must(nj_sms_text_decode(plan->layout.charset, plan->layout.tables, units, &w));
	nj_hex_encode(out, len, hex);
	printf("%s\t%s\t%.*s\t%u\t%u\t%u\t%u\n", hex, sender->text, (int)w.pos, utf8,
	       place.total > 1 ? place.reference : 0U, place.total > 1 ? place.total : 0U,
	       place.total > 1 ? place.sequence : 0U, port);
}

static void print_text(struct nj_view text, unsigned round, bool port)
{
	static uint8_t units[NJ_SMS_UNITS_MAX];
	struct nj_sms_text_rules rules = { .gsm7 = true, .ucs2 = true, .wide_reference = round % 2 != 0 };
	struct nj_sms_text_plan plan;
	struct nj_sms_split split;
	struct nj_view part;
	size_t count = 0;
	if (port)
		rules.elements = nj_view_of("\x05\x04\x3e\x94\x00\x00", 6);
	must(nj_sms_text_plan(&rules, text, &plan, NULL));
	must(nj_sms_text_encode(&plan, text, units, sizeof(units), &count));
	must(nj_sms_split_begin(&split, &plan.layout, nj_view_of(units, count)));
	for (uint8_t sequence = 1; nj_sms_split_next(&split, &part); sequence++) {
		struct nj_sms_place place = { .reference = rules.wide_reference ? 0x1234 : 0x56,
					      .total = (uint8_t)plan.parts,
					      .sequence = sequence };
		print_part(&plan, place, part, &senders[round % (sizeof(senders) / sizeof(senders[0]))],
			   port ? 16020 : 0);
	}
}

int main(void)
{
	static char text[4096];
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (unsigned round = 0; round < ROUNDS; round++) {
			size_t len = strlen(texts[i]);
			for (unsigned times = 0; times <= 2 * round; times++)
				memcpy(text + times * len, texts[i], len);
			print_text(nj_view_of(text, len * (2 * round + 1)), round, false);
			print_text(nj_view_of(text, len * (2 * round + 1)), round, true);
		}
	return 0;
}
