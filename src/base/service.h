/*
 * The services that a knock can open: numbers on the wire, names for people, usual ports. Shared by the protocol, the
 * profiles and the listeners, so it stands below them all. Any thread.
 */
#ifndef NJ_BASE_SERVICE_H
#define NJ_BASE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

/* How a connection may prove that it belongs to a knock (docs/protocol/knock.md, "Binding"). Those of a service are
 * what it offers; a profile chooses among them. */
#define NJ_BINDING_PSK 1u         /* TLS 1.3 with the one-time key */
#define NJ_BINDING_CERTIFICATE 2u /* TLS with a client certificate that names the uid */
#define NJ_BINDING_PASSWORD 4u    /* the one-time user name and password, inside the protocol: `plain` profiles */
#define NJ_BINDING_ACCOUNT 8u     /* an account of the service's own, audited as weak */
#define NJ_BINDING_LOGIN 16u      /* a login or bearer token of the grant's identity */
#define NJ_BINDING_TLS (NJ_BINDING_PSK | NJ_BINDING_CERTIFICATE)

/* X(name, id on the wire, name for people, default port, transport is TLS, bindings) */
#define NJ_SERVICE_TABLE(X)                                                            \
	X(NJ_SERVICE_MQTTS, 1, "mqtts", 8883, true, NJ_BINDING_TLS)                    \
	X(NJ_SERVICE_MQTT, 2, "mqtt", 1883, false, NJ_BINDING_PASSWORD)                \
	X(NJ_SERVICE_SMPPS, 3, "smpps", 3550, true, NJ_BINDING_TLS)                    \
	X(NJ_SERVICE_SMPP, 4, "smpp", 2775, false, NJ_BINDING_ACCOUNT)                 \
	X(NJ_SERVICE_HTTPS, 5, "https", 8443, true, NJ_BINDING_TLS | NJ_BINDING_LOGIN) \
	X(NJ_SERVICE_ENROLMENT, 6, "enrolment", 8844, true, NJ_BINDING_PSK)

enum nj_service {
#define NJ_SERVICE_ENUM(name, id, text, port, tls, bindings) name = id,
	NJ_SERVICE_TABLE(NJ_SERVICE_ENUM)
#undef NJ_SERVICE_ENUM
	    NJ_SERVICE_END = 7
};
#define NJ_SERVICE_BIT(service) (1u << (service))

/* Services of the host that Nightjar guards: ids that the configuration gives, and above them those of names. */
#define NJ_SERVICE_GUARD_MIN 0x0100
#define NJ_SERVICE_GUARD_NAMED 0x8000

/* The id of a guard that has none of its own: 0x8000 and the folded 32-bit FNV-1a of its name. */
uint16_t nj_service_guard_id(const char *name);
/* "mqtts" …; NULL for an unknown id. */
const char *nj_service_name(uint16_t service);
/* 0 for an unknown name. */
uint16_t nj_service_from_name(const char *name);
bool nj_service_is_tls(uint16_t service);
/* NJ_BINDING_… of a service; 0 for an unknown id. */
uint8_t nj_service_bindings(uint16_t service);

#endif
