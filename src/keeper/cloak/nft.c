#include "keeper/cloak/nft.h"

#include <inttypes.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V4_MAPPED_BITS 96
#define EXACT_BITS 128
#define GRANTS_MAX 65536 /* of one set */

struct nj_nft {
	struct nft_ctx *ctx;
	bool up; /* the perimeter */
};

/* ---- running ---- */

enum nj_err nj_nft_new(struct nj_nft **out_nft)
{
	struct nj_nft *nft = calloc(1, sizeof(*nft));

	if (nft == NULL)
		return NJ_ERR_NO_MEMORY;
	nft->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (nft->ctx == NULL || nft_ctx_buffer_output(nft->ctx) != 0 || nft_ctx_buffer_error(nft->ctx) != 0) {
		nj_nft_free(nft);
		return NJ_ERR_NO_MEMORY;
	}
	*out_nft = nft;
	return NJ_OK;
}

void nj_nft_free(struct nj_nft *nft)
{
	if (nft == NULL)
		return;
	if (nft->ctx != NULL)
		nft_ctx_free(nft->ctx);
	free(nft);
}

static enum nj_err error_of(const char *said)
{
	if (strstr(said, "Operation not permitted") != NULL)
		return NJ_ERR_DENIED;
	return strstr(said, "No such file") != NULL ? NJ_ERR_NOT_FOUND : NJ_ERR_IO;
}

/* The library speaks in lines for a terminal; the first one says what is wrong. */
static enum nj_err run(struct nj_nft *nft, const char *text, struct nj_why *why)
{
	if (text == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "out of memory");
	if (nft_run_cmd_from_buffer(nft->ctx, text) == 0)
		return NJ_OK;
	const char *said = nft_ctx_get_error_buffer(nft->ctx);
	enum nj_err err = error_of(said);
	if (err == NJ_ERR_DENIED)
		return nj_why(why, err, "nftables: not permitted: CAP_NET_ADMIN is needed, and the table must be ours");
	return nj_why(why, err, "nftables: %.*s", (int)strcspn(said, "\n"), said);
}

static enum nj_err run_and_free(struct nj_nft *nft, char *text, struct nj_why *why)
{
	enum nj_err err = run(nft, text, why);

	free(text);
	return err;
}

/* ---- pieces of rules ---- */

/* "ip saddr 192.0.2.0/24" */
static void put_source(FILE *out, const struct nj_addr *source, uint8_t prefix)
{
	bool v4 = nj_addr_is_v4(source);
	char text[NJ_ADDR_TEXT_BYTES];

	fprintf(out, "%s saddr %s/%u", v4 ? "ip" : "ip6", nj_addr_host_text(source, text),
		(unsigned)prefix - (v4 ? V4_MAPPED_BITS : 0));
}

static const char *protocol_of(const struct nj_settings_guard *guard)
{
	return guard->protocol == NJ_SETTINGS_GUARD_UDP ? "udp" : "tcp";
}

static void put_ports(FILE *out, const char *before, const struct nj_nft_perimeter *p, const char *after)
{
	if (p->cloaked_count == 0)
		return;
	fprintf(out, "\t\t%s {", before);
	for (size_t i = 0; i < p->cloaked_count; i++)
		fprintf(out, "%s %u", i == 0 ? "" : ",", p->cloaked[i]);
	fprintf(out, " } %s\n", after);
}

static void put_caller(FILE *out, const struct nj_nft_caller *caller)
{
	bool v4 = nj_addr_is_v4(&caller->peer);
	char peer[NJ_ADDR_TEXT_BYTES];
	char local[NJ_ADDR_TEXT_BYTES];

	fprintf(out, "\t\t%s saddr %s %s daddr %s tcp sport %u tcp dport %u accept\n", v4 ? "ip" : "ip6",
		nj_addr_host_text(&caller->peer, peer), v4 ? "ip" : "ip6", nj_addr_host_text(&caller->local, local),
		caller->peer.port, caller->local.port);
}

static void put_allow(FILE *out, const struct nj_allow *allow)
{
	fputs("\t\t", out);
	if (allow->prefix != 0)
		put_source(out, &allow->source, allow->prefix);
	if (allow->port != 0)
		fprintf(out, " %s dport %u", allow->protocol == NJ_PROTOCOL_UDP ? "udp" : "tcp", allow->port);
	fputs(" accept\n", out);
}

/* ---- the perimeter ---- */

/* Without it, junk for the ports that stay silent would fill the table of connections. */
static void put_raw(FILE *out, const struct nj_nft_perimeter *p)
{
	fprintf(out,
		"\tchain raw_in {\n\t\ttype filter hook prerouting priority -300; policy accept;\n"
		"\t\tfib daddr type local udp dport %u notrack\n",
		p->knock_port);
	put_ports(out, "fib daddr type local tcp dport", p, "notrack");
	fprintf(out,
		"\t}\n\tchain raw_out {\n\t\ttype filter hook output priority -300; policy accept;\n"
		"\t\tudp sport %u notrack\n",
		p->knock_port);
	put_ports(out, "tcp sport", p, "notrack");
	fputs("\t}\n", out);
}

/* The order counts: what a host needs to be reached at all comes before the headers that are dropped unseen. */
static void put_input(FILE *out, const struct nj_nft_perimeter *p)
{
	fputs("\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t\tiifname \"lo\" accept\n", out);
	if (p->caller != NULL)
		put_caller(out, p->caller);
	fputs("\t\tct state established,related accept\n"
	      "\t\tip6 hoplimit 255 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept\n"
	      "\t\ticmpv6 type packet-too-big accept\n"
	      "\t\ticmp type destination-unreachable icmp code 4 accept\n"
	      "\t\tmeta nfproto ipv6 exthdr dst exists drop\n"
	      "\t\tmeta nfproto ipv6 exthdr rt exists drop\n"
	      "\t\tmeta nfproto ipv6 exthdr hbh exists drop\n"
	      "\t\tmeta nfproto ipv4 udp sport 67 udp dport 68 accept\n"
	      "\t\tip6 saddr fe80::/10 udp dport 546 accept\n",
	      out);
	fprintf(out, "\t\tudp dport %u accept\n", p->knock_port);
	put_ports(out, "tcp dport", p, "accept");
	for (size_t i = 0; i < p->guard_count; i++)
		fprintf(out, "\t\t%s dport %u accept\n", protocol_of(&p->guards[i]), p->guards[i].port);
	for (size_t i = 0; i < p->allow_count; i++)
		put_allow(out, &p->allow[i]);
	fputs("\t}\n", out);
}

/* What the kernel would say by itself about packets that it drops elsewhere. */
static void put_output(FILE *out)
{
	fputs("\tchain output {\n\t\ttype filter hook output priority 0; policy accept;\n\t\toifname \"lo\" accept\n"
	      "\t\ticmp type { destination-unreachable, time-exceeded, parameter-problem } drop\n"
	      "\t\ticmpv6 type { destination-unreachable, time-exceeded, parameter-problem } drop\n\t}\n",
	      out);
}

static char *text_of(void (*put)(FILE *out, const void *arg), const void *arg)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	put(out, arg);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* Added, taken away and made anew in one transaction: it does not matter whether it was there. */
static void put_perimeter(FILE *out, const void *arg)
{
	const struct nj_nft_perimeter *p = arg;

	fputs("table inet " NJ_NFT_PERIMETER " { flags owner; }\ndelete table inet " NJ_NFT_PERIMETER "\n"
	      "table inet " NJ_NFT_PERIMETER " {\n\tflags owner;\n",
	      out);
	put_raw(out, p);
	put_input(out, p);
	put_output(out);
	fputs("}\n", out);
}

char *nj_nft_perimeter_text(const struct nj_nft_perimeter *perimeter)
{
	return text_of(put_perimeter, perimeter);
}

enum nj_err nj_nft_perimeter_on(struct nj_nft *nft, const struct nj_nft_perimeter *perimeter, struct nj_why *why)
{
	NJ_TRY(run_and_free(nft, nj_nft_perimeter_text(perimeter), why));
	nft->up = true;
	return NJ_OK;
}

enum nj_err nj_nft_perimeter_off(struct nj_nft *nft, struct nj_why *why)
{
	if (!nft->up)
		return NJ_OK;
	NJ_TRY(run(nft, "delete table inet " NJ_NFT_PERIMETER "\n", why));
	nft->up = false;
	return NJ_OK;
}

/* ---- guards ---- */

struct guards {
	const struct nj_settings_guard *at;
	size_t count;
};

static void put_sets(FILE *out)
{
	static const char *const families[] = { "4", "6" };

	for (size_t i = 0; i < 2; i++) {
		fprintf(
		    out,
		    "\tset open%s { type ipv%s_addr . inet_proto . inet_service; flags timeout; size %d; }\n"
		    "\tset wide%s { type ipv%s_addr . inet_proto . inet_service; flags interval,timeout; size %d; }\n",
		    families[i], families[i], GRANTS_MAX, families[i], families[i], GRANTS_MAX);
	}
}

static void put_guards(FILE *out, const void *arg)
{
	const struct guards *guards = arg;

	fputs("table inet " NJ_NFT_GUARD "\ndelete table inet " NJ_NFT_GUARD "\n", out);
	if (guards->count == 0)
		return;
	fputs("table inet " NJ_NFT_GUARD " {\n", out);
	put_sets(out);
	fputs("\tchain ask {\n\t\tiifname \"lo\" accept\n\t\tct state established,related accept\n"
	      "\t\tip saddr . meta l4proto . th dport @open4 accept\n"
	      "\t\tip6 saddr . meta l4proto . th dport @open6 accept\n"
	      "\t\tip saddr . meta l4proto . th dport @wide4 accept\n"
	      "\t\tip6 saddr . meta l4proto . th dport @wide6 accept\n\t\tdrop\n\t}\n"
	      "\tchain input {\n\t\ttype filter hook input priority -1; policy accept;\n",
	      out);
	for (size_t i = 0; i < guards->count; i++)
		fprintf(out, "\t\t%s dport %u jump ask\n", protocol_of(&guards->at[i]), guards->at[i].port);
	fputs("\t}\n}\n", out);
}

char *nj_nft_guards_text(const struct nj_settings_guard *guards, size_t count)
{
	const struct guards all = { guards, count };

	return text_of(put_guards, &all);
}

enum nj_err nj_nft_guards_set(struct nj_nft *nft, const struct nj_settings_guard *guards, size_t count,
			      struct nj_why *why)
{
	return run_and_free(nft, nj_nft_guards_text(guards, count), why);
}

enum nj_err nj_nft_guards_there(struct nj_nft *nft)
{
	struct nj_why why;

	return run(nft, "list chain inet " NJ_NFT_GUARD " input\n", &why);
}

/* "open4 { 192.0.2.7 . 6 . 22", without its end. */
static void put_element(FILE *out, const struct nj_settings_guard *guard, const struct nj_addr *source, uint8_t prefix)
{
	bool v4 = nj_addr_is_v4(source);
	unsigned bits = (unsigned)prefix - (v4 ? V4_MAPPED_BITS : 0);
	char text[NJ_ADDR_TEXT_BYTES];

	fprintf(out, "element inet " NJ_NFT_GUARD " %s%s { %s", prefix == EXACT_BITS ? "open" : "wide", v4 ? "4" : "6",
		nj_addr_host_text(source, text));
	if (prefix != EXACT_BITS)
		fprintf(out, "/%u", bits);
	fprintf(out, " . %u . %u",
		guard->protocol == NJ_SETTINGS_GUARD_UDP ? (unsigned)NJ_PROTOCOL_UDP : (unsigned)NJ_PROTOCOL_TCP,
		guard->port);
}

struct element {
	const struct nj_settings_guard *guard;
	struct nj_addr source; /* masked */
	uint8_t prefix;
	uint64_t ms; /* 0: take it away */
};

/* Adding what is there changes no time, taking away what is not there fails: so added, taken away, added. */
static void put_change(FILE *out, const void *arg)
{
	const struct element *e = arg;

	fputs("add ", out);
	put_element(out, e->guard, &e->source, e->prefix);
	fputs(" }\ndelete ", out);
	put_element(out, e->guard, &e->source, e->prefix);
	fputs(" }\n", out);
	if (e->ms == 0)
		return;
	fputs("add ", out);
	put_element(out, e->guard, &e->source, e->prefix);
	fprintf(out, " timeout %" PRIu64 "ms }\n", e->ms);
}

static enum nj_err change(struct nj_nft *nft, struct element *e, struct nj_why *why)
{
	bool v4 = nj_addr_is_v4(&e->source);

	if (e->prefix == 0 || e->prefix > EXACT_BITS || (v4 && e->prefix <= V4_MAPPED_BITS))
		return nj_why(why, NJ_ERR_RANGE, "a prefix of %u bits", e->prefix);
	for (unsigned bit = e->prefix; bit < EXACT_BITS; bit++)
		e->source.ip[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return run_and_free(nft, text_of(put_change, e), why);
}

enum nj_err nj_nft_guard_open(struct nj_nft *nft, const struct nj_settings_guard *guard, const struct nj_addr *source,
			      uint8_t prefix, uint64_t ms, struct nj_why *why)
{
	struct element e = { guard, *source, prefix, ms == 0 ? 1 : ms };

	return change(nft, &e, why);
}

enum nj_err nj_nft_guard_shut(struct nj_nft *nft, const struct nj_settings_guard *guard, const struct nj_addr *source,
			      uint8_t prefix, struct nj_why *why)
{
	struct element e = { guard, *source, prefix, 0 };

	return change(nft, &e, why);
}
