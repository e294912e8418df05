/*
 * SMPP PDUs as words, for other people's implementations to be compared with:
 *
 *   smpp_words decode     lines of hex in, lines of words out; "fault STATUS FIELD" for what cannot be read
 *   smpp_words encode     the other way
 *   smpp_words pcap FILE  a capture of one TCP connection on port 2775: each sample in a segment of its own, then the
 *                         ESME's again in segments that cut them anywhere; prints how many PDUs that are
 *   smpp_words seeds DIR  the samples as files
 *
 * A line of words: command, status, sequence, then field=value: numbers decimal, bytes hexadecimal, lists with commas,
 * each with dots between its parts ("L" before a distribution list's name). Optional parameters follow by their names,
 * those that have none by "0x" and four digits.
 */
#include <stdio.h>

#include "base/text.h"
#include "sms/smpp/table.h"
#include "unit/sms/smpp_samples.h"

#define LINE 65536

struct words {
	char *next;
	uint8_t arena[LINE];
	size_t used;
};

static uint8_t *take(struct words *words, size_t len)
{
	uint8_t *at = words->arena + words->used;
	if (words->used + len > sizeof(words->arena))
		exit(EX_DATAERR);
	words->used += len;
	return at;
}

static struct nj_view unhex(struct words *words, const char *text)
{
	size_t len = strlen(text) / 2;
	uint8_t *at = take(words, len);
	if (nj_hex_decode(nj_view_str(text), at, len) != NJ_OK)
		exit(EX_DATAERR);
	return nj_view_of(at, len);
}

static void print_hex(struct nj_view view)
{
	for (size_t i = 0; i < view.len; i++)
		printf("%02x", view.data[i]);
}

/* ---- out ---- */

static void print_list(const struct nj_smpp_field *field, const struct nj_smpp_list *list)
{
	struct nj_smpp_dest dest;
	struct nj_smpp_failure failure;
	const char *comma = "";
	size_t cursor = 0;
	if (field->type == NJ_SMPP_DESTS)
		for (; nj_smpp_dest_next(list, &cursor, &dest); comma = ",") {
			if (dest.is_list)
				printf("%sL.", comma);
			else
				printf("%s%u.%u.", comma, dest.address.ton, dest.address.npi);
			print_hex(dest.address.addr);
		}
	else
		for (; nj_smpp_failure_next(list, &cursor, &failure); comma = ",") {
			printf("%s%u.%u.", comma, failure.address.ton, failure.address.npi);
			print_hex(failure.address.addr);
			printf(".%u", failure.status);
		}
}

static void print_tlvs(const struct nj_smpp_tlvs *tlvs)
{
	struct nj_smpp_tlv_item item;
	for (size_t cursor = 0; nj_smpp_tlv_next(tlvs, &cursor, &item);) {
		const char *name = nj_smpp_tlv_name(item.tag);
		if (name != NULL)
			printf(" %s=", name);
		else
			printf(" 0x%04x=", item.tag);
		print_hex(item.data);
	}
}

static void print_pdu(struct nj_view whole)
{
	struct nj_smpp_pdu pdu;
	struct nj_smpp_fault fault = nj_smpp_decode(whole, &pdu);
	if (fault.kind != NJ_SMPP_FAULT_NONE) {
		printf("fault %u %s\n", fault.status, fault.field);
		return;
	}
	const struct nj_smpp_body *body = nj_smpp_body_of(pdu.command);
	printf("%s %u %u", nj_smpp_command_name(pdu.command), pdu.status, pdu.sequence);
	for (unsigned i = 0; i < body->count && whole.len > NJ_SMPP_HEADER; i++) {
		const uint8_t *at = (const uint8_t *)&pdu + body->fields[i].offset;
		printf(" %s=", body->fields[i].name);
		if (body->fields[i].type == NJ_SMPP_U8)
			printf("%u", *at);
		else if (body->fields[i].type == NJ_SMPP_DESTS || body->fields[i].type == NJ_SMPP_FAILURES)
			print_list(&body->fields[i], (const struct nj_smpp_list *)(const void *)at);
		else
			print_hex(*(const struct nj_view *)(const void *)at);
	}
	print_tlvs(&pdu.tlvs);
	printf("\n");
}

/* ---- in ---- */

static uint32_t number(const char *text)
{
	uint64_t value = 0;
	if (nj_number_parse(text, 0, UINT32_MAX, &value) != NJ_OK)
		exit(EX_DATAERR);
	return (uint32_t)value;
}

static uint32_t command_of(const char *name)
{
	for (size_t i = 0; i < SAMPLE_COUNT; i++)
		if (strcmp(nj_smpp_command_name(samples[i].command), name) == 0)
			return samples[i].command;
	exit(EX_DATAERR);
}

static const struct nj_smpp_field *field_of(const struct nj_smpp_body *body, const char *name)
{
	for (unsigned i = 0; i < body->count; i++)
		if (strcmp(body->fields[i].name, name) == 0)
			return &body->fields[i];
	return NULL;
}

static uint16_t tag_of(const char *name)
{
	uint8_t tag[2];
	for (unsigned i = 0; i <= 0xffff; i++)
		if (nj_smpp_tlv_name((uint16_t)i) != NULL && strcmp(nj_smpp_tlv_name((uint16_t)i), name) == 0)
			return (uint16_t)i;
	if (strncmp(name, "0x", 2) != 0 || nj_hex_decode(nj_view_str(name + 2), tag, sizeof(tag)) != NJ_OK)
		exit(EX_DATAERR);
	return (uint16_t)(tag[0] << 8 | tag[1]);
}

static void read_list(struct words *words, const struct nj_smpp_field *field, char *text, struct nj_smpp_list *out_list)
{
	uint8_t *room = take(words, 8192);
	struct nj_writer w = nj_writer_of(room, 8192);
	unsigned count = 0;
	for (char *item = strsep(&text, ","); item != NULL && *item != '\0'; item = strsep(&text, ","), count++) {
		char *first = strsep(&item, ".");
		bool is_list = strcmp(first, "L") == 0;
		struct nj_smpp_address address = { 0 };
		if (!is_list) {
			address.ton = (uint8_t)number(first);
			address.npi = (uint8_t)number(strsep(&item, "."));
		}
		address.addr = unhex(words, strsep(&item, "."));
		if (field->type == NJ_SMPP_DESTS)
			nj_smpp_dest_write(&w, &(struct nj_smpp_dest){ is_list, address });
		else
			nj_smpp_failure_write(&w, &(struct nj_smpp_failure){ address, number(item) });
	}
	*out_list = (struct nj_smpp_list){ (uint8_t)count, nj_view_of(room, w.pos) };
}

static void read_field(struct words *words, struct nj_smpp_pdu *pdu, const struct nj_smpp_field *field, char *value)
{
	uint8_t *at = (uint8_t *)pdu + field->offset;
	if (field->type == NJ_SMPP_U8)
		*at = (uint8_t)number(value);
	else if (field->type == NJ_SMPP_DESTS || field->type == NJ_SMPP_FAILURES)
		read_list(words, field, value, (struct nj_smpp_list *)(void *)at);
	else
		*(struct nj_view *)(void *)at = unhex(words, value);
}

static void print_bytes(struct words *words, char *line)
{
	struct nj_smpp_pdu pdu;
	struct nj_smpp_pdu with_tlvs;
	static uint8_t out[LINE];
	size_t len = 0;
	words->used = 0;
	uint32_t command = command_of(strsep(&line, " "));
	uint32_t status = number(strsep(&line, " "));
	nj_smpp_pdu_init(&pdu, command, status, number(strsep(&line, " ")));
	const struct nj_smpp_body *body = nj_smpp_body_of(command);
	uint8_t *raw = take(words, 8192);
	struct nj_writer w = nj_writer_of(raw, 8192);
	for (char *word = strsep(&line, " "); word != NULL; word = strsep(&line, " ")) {
		char *name = strsep(&word, "=");
		const struct nj_smpp_field *field = field_of(body, name);
		if (field != NULL)
			read_field(words, &pdu, field, word);
		else
			nj_smpp_tlv_append(&w, tag_of(name), unhex(words, word));
	}
	/* What is known goes through the table: read from the block, then written from values. */
	const char *fault_field = "";
	struct nj_reader r = nj_reader_of(raw, w.pos);
	with_tlvs = pdu;
	if (nj_smpp_tlvs_read(&r, body->where, &with_tlvs.tlvs, &fault_field) != NJ_SMPP_FAULT_NONE ||
	    nj_smpp_encode(&with_tlvs, out, sizeof(out), &len) != NJ_OK)
		printf("refused\n");
	else {
		print_hex(nj_view_of(out, len));
		printf("\n");
	}
}

/* ---- a capture ---- */

static void put_le32(FILE *file, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		fputc((int)(value >> 8 * i & 0xff), file);
}

static uint16_t checksum(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* An IPv4 packet with a TCP segment, link type 101. `up`: towards port 2775. */
static void put_segment(FILE *file, bool up, uint32_t sequence[2], uint8_t flags, struct nj_view data)
{
	static uint32_t when;
	uint8_t packet[40 + 2048] = { 0x45, 0, 0,  0, 0, 0,          0x40, 0, 64, 6,
				      0,    0, 10, 0, 0, up ? 1 : 2, 10,   0, 0,  up ? 2 : 1 };
	uint8_t *tcp = packet + 20;
	size_t len = 40 + data.len;
	nj_put_u16(packet + 2, (uint16_t)len);
	nj_put_u16(packet + 10, checksum(packet, 20, 0));
	nj_put_u16(tcp, up ? 40000 : 2775);
	nj_put_u16(tcp + 2, up ? 2775 : 40000);
	nj_put_u32(tcp + 4, sequence[up]);
	nj_put_u32(tcp + 8, sequence[!up]);
	tcp[12] = 0x50;
	tcp[13] = flags;
	nj_put_u16(tcp + 14, 65535);
	if (data.len > 0)
		memcpy(tcp + 20, data.data, data.len);
	nj_put_u16(tcp + 16,
		   checksum(tcp, 20 + data.len, checksum(packet + 12, 8, 6 + 20 + (uint32_t)data.len) ^ 0xffffu));
	put_le32(file, 1795358400 + when / 1000);
	put_le32(file, when++ % 1000 * 1000);
	put_le32(file, (uint32_t)len);
	put_le32(file, (uint32_t)len);
	fwrite(packet, 1, len, file);
	sequence[up] += (uint32_t)data.len + ((flags & 2) != 0 ? 1 : 0);
}

static bool from_esme(uint32_t command)
{
	bool response = (command & NJ_SMPP_RESPONSE) != 0;
	bool esme = nj_smpp_command_states(command & ~NJ_SMPP_RESPONSE, NJ_SMPP_ESME) != 0;
	return response ? !esme : esme;
}

/* `end`, or the end of the header that it would cut: tshark wants to see one at once. */
static size_t after_header(struct nj_view all, size_t end)
{
	size_t len = 0;
	size_t need = 0;
	uint32_t sequence = 0;
	for (size_t at = 0; at < end && at < all.len; at += len) {
		struct nj_view left = nj_view_of(all.data + at, all.len - at);
		if (nj_smpp_frame(left, LINE, &len, &need, &sequence).kind != NJ_SMPP_FAULT_NONE)
			exit(EX_SOFTWARE);
		if (end < at + NJ_SMPP_HEADER)
			return at + NJ_SMPP_HEADER;
	}
	return end < all.len ? end : all.len;
}

static int write_capture(const char *path)
{
	static const uint8_t header[24] = { 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, [16] = 0xff, 0xff, [20] = 101 };
	static uint8_t all[LINE];
	uint32_t sequence[2] = { 1, 1 };
	size_t len = 0;
	size_t count = SAMPLE_COUNT;
	FILE *file = fopen(path, "wb");
	if (file == NULL)
		return EX_CANTCREAT;
	fwrite(header, 1, sizeof(header), file);
	put_segment(file, true, sequence, 2, nj_view_of(NULL, 0));
	put_segment(file, false, sequence, 0x12, nj_view_of(NULL, 0));
	put_segment(file, true, sequence, 0x10, nj_view_of(NULL, 0));
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		struct nj_smpp_pdu pdu;
		struct sample_room room;
		size_t one = sample_write(i, (uint32_t)i + 1, &pdu, &room, all + len, sizeof(all) - len);
		put_segment(file, from_esme(samples[i].command), sequence, 0x18, nj_view_of(all + len, one));
		if (from_esme(samples[i].command)) {
			len += one;
			count++;
		}
	}
	for (size_t at = 0, step = 20, end = 0; at < len; at = end, step = step * 7 % 97 + 20) {
		end = after_header(nj_view_of(all, len), at + step);
		put_segment(file, true, sequence, 0x18, nj_view_of(all + at, end - at));
	}
	printf("%zu\n", count);
	return fclose(file) == 0 ? EX_OK : EX_IOERR;
}

static int write_seeds(const char *folder)
{
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		struct nj_smpp_pdu pdu;
		struct sample_room room;
		uint8_t bytes[4096];
		char path[512];
		size_t len = sample_write(i, (uint32_t)i + 1, &pdu, &room, bytes, sizeof(bytes));
		if (nj_text_format(path, sizeof(path), "%s/%02zu", folder, i) != NJ_OK)
			return EX_USAGE;
		FILE *file = fopen(path, "wb");
		if (file == NULL)
			return EX_CANTCREAT;
		fwrite(bytes, 1, len, file);
		fclose(file);
	}
	return EX_OK;
}

int main(int argc, char **argv)
{
	static char line[LINE];
	static struct words words;
	if (argc == 3 && strcmp(argv[1], "pcap") == 0)
		return write_capture(argv[2]);
	if (argc == 3 && strcmp(argv[1], "seeds") == 0)
		return write_seeds(argv[2]);
	if (argc != 2 || (strcmp(argv[1], "decode") != 0 && strcmp(argv[1], "encode") != 0))
		return EX_USAGE;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		words.used = 0;
		if (argv[1][0] == 'd')
			print_pdu(unhex(&words, line));
		else
			print_bytes(&words, line);
	}
	return EX_OK;
}
