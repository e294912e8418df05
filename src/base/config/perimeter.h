/*
 * The part of the settings that reaches beyond Nightjar's own ports: guarded services of this host, and the perimeter
 * with its allow-list. Values without pointers, as settings.h. Pure; any thread.
 */
#ifndef NJ_BASE_CONFIG_PERIMETER_H
#define NJ_BASE_CONFIG_PERIMETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/text.h"

#define NJ_GUARDS_MAX 16
#define NJ_GUARD_NAMES_MAX 16
#define NJ_ALLOW_MAX 64
#define NJ_ALLOW_TEXT_BYTES 80
#define NJ_GUARD_PARTY_BYTES (2 * NJ_NAME_BYTES) /* "customer/name" */

#define NJ_PROTOCOL_TCP 6
#define NJ_PROTOCOL_UDP 17

enum nj_settings_guard_protocol { NJ_SETTINGS_GUARD_TCP, NJ_SETTINGS_GUARD_UDP };
enum nj_settings_perimeter_mode { NJ_SETTINGS_PERIMETER_OFF, NJ_SETTINGS_PERIMETER_DROP_ALL };

/* A service of this host that is not Nightjar's. */
struct nj_settings_guard {
	char name[NJ_NAME_BYTES];
	enum nj_settings_guard_protocol protocol;
	uint16_t port;
	uint16_t id; /* of the knock's body; nj_settings_check fills it by the name where it is 0 */
	uint32_t grant_ms;
	size_t profile_count;
	char profiles[NJ_GUARD_NAMES_MAX][NJ_NAME_BYTES];
	size_t party_count;
	char parties[NJ_GUARD_NAMES_MAX][NJ_GUARD_PARTY_BYTES]; /* "name" of the first customer, or "customer/name" */
};

/* Who is let in past the perimeter, and to what. */
struct nj_allow {
	struct nj_addr source; /* port 0 */
	uint8_t prefix;        /* of 128 bits; 0: everybody */
	uint8_t protocol;      /* NJ_PROTOCOL_*; 0: all */
	uint16_t port;         /* 0: all */
};

struct nj_settings_perimeter {
	enum nj_settings_perimeter_mode mode;
	size_t allow_count;
	char allow[NJ_ALLOW_MAX][NJ_ALLOW_TEXT_BYTES];
};

/* "192.0.2.7", "192.0.2.0/24 tcp/22", "2001:db8::/32 udp/123", "any tcp/22". NJ_ERR_MALFORMED; also for a prefix with
 * bits beyond its length, and for `any` without a port: that is no perimeter. */
NJ_MUST_USE enum nj_err nj_allow_parse(const char *text, struct nj_allow *out_allow);
/* May `source` reach this port, by any of the rows? */
bool nj_allow_covers(const struct nj_allow *rows, size_t count, const struct nj_addr *source, uint8_t protocol,
		     uint16_t port);
/* All of a list, or an error that names the row. */
NJ_MUST_USE enum nj_err nj_allow_parse_all(const struct nj_settings_perimeter *perimeter,
					   struct nj_allow out_rows[NJ_ALLOW_MAX], struct nj_why *why);

struct nj_settings;
/* The rules of guards and perimeter that span keys; fills guards' ids. nj_settings_check calls it. */
NJ_MUST_USE enum nj_err nj_settings_check_perimeter(struct nj_settings *settings, struct nj_why *why);

#endif
