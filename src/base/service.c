#include "base/service.h"

struct service {
	uint16_t id;
	uint16_t default_port;
	bool is_tls;
	uint8_t bindings;
	const char *name;
};

static const struct service services[] = {
#define SERVICE_ROW(constant, id, text, port, tls, bindings) { id, port, tls, bindings, text },
	NJ_SERVICE_TABLE(SERVICE_ROW)
#undef SERVICE_ROW
};
#define SERVICES (sizeof(services) / sizeof(services[0]))

static const struct service *find(uint16_t id)
{
	for (size_t i = 0; i < SERVICES; i++)
		if (services[i].id == id)
			return &services[i];
	return NULL;
}

const char *nj_service_name(uint16_t service)
{
	const struct service *found = find(service);
	return found ? found->name : NULL;
}

uint16_t nj_service_from_name(const char *name)
{
	for (size_t i = 0; i < SERVICES; i++)
		if (strcmp(services[i].name, name) == 0)
			return services[i].id;
	return 0;
}

uint16_t nj_service_guard_id(const char *name)
{
	uint32_t hash = 2166136261u;

	for (const char *at = name; *at != '\0'; at++)
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	return (uint16_t)(NJ_SERVICE_GUARD_NAMED | ((hash ^ hash >> 15 ^ hash >> 30) & 0x7fff));
}

bool nj_service_is_tls(uint16_t service)
{
	const struct service *found = find(service);
	return found && found->is_tls;
}

uint8_t nj_service_bindings(uint16_t service)
{
	const struct service *found = find(service);
	return found ? found->bindings : 0;
}
