/*
 * The services that a knock can open: numbers on the wire, names for people, usual ports. Shared by the protocol, the
 * profiles and the listeners, so it stands below them all. Any thread.
 */
#ifndef NJ_BASE_SERVICE_H
#define NJ_BASE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

/* X(name, id on the wire, name for people, default port, transport is TLS) */
#define NJ_SERVICE_TABLE(X)                         \
	X(NJ_SERVICE_MQTTS, 1, "mqtts", 8883, true) \
	X(NJ_SERVICE_MQTT, 2, "mqtt", 1883, false)  \
	X(NJ_SERVICE_SMPPS, 3, "smpps", 3550, true) \
	X(NJ_SERVICE_SMPP, 4, "smpp", 2775, false)  \
	X(NJ_SERVICE_HTTPS, 5, "https", 8443, true) \
	X(NJ_SERVICE_ENROLMENT, 6, "enrolment", 0, true)

enum nj_service {
#define NJ_SERVICE_ENUM(name, id, text, port, tls) name = id,
	NJ_SERVICE_TABLE(NJ_SERVICE_ENUM)
#undef NJ_SERVICE_ENUM
	    NJ_SERVICE_END = 7
};
#define NJ_SERVICE_BIT(service) (1u << (service))

/* "mqtts" …; NULL for an unknown id. */
const char *nj_service_name(uint16_t service);
/* 0 for an unknown name. */
uint16_t nj_service_from_name(const char *name);
uint16_t nj_service_default_port(uint16_t service);
bool nj_service_is_tls(uint16_t service);

#endif
