#include "daemon/keeper_config.h"

#include "daemon/ceiling.h"

const char *nj_key_file_of(const struct nj_settings *settings, const struct nj_paths *paths)
{
	return settings->vault.key_file[0] != '\0' ? settings->vault.key_file : paths->key_file;
}

struct nj_keeper_config nj_keeper_config_of(const struct nj_settings *settings, const struct nj_paths *paths)
{
	struct nj_keeper_config config = {
		.store_path = paths->keeper_db,
		.key_file = nj_key_file_of(settings, paths),
		.clock = nj_clock_system(),
		.random = nj_random_system(),
		.host = settings->host,
		.knock_port = settings->ports.knock,
		.max_devices = settings->limits.devices,
		.max_grants = nj_ceiling_grants(settings->limits.devices),
		.grant_ms = settings->knock.grant_ms,
		.rekey_off = !settings->knock.rekey,
		.rekey_ms = settings->knock.rekey_interval_ms,
		.limits = {
			.device_burst = settings->knock.rate_device_burst,
			.device_refill_ms = settings->knock.rate_device_refill_ms,
			.global_per_s = settings->knock.rate_global,
			.time_window_ms = settings->knock.time_window_ms,
		},
		.guards = settings->guard,
		.guard_count = settings->guard_count,
		.proxies = settings->proxy,
		.proxy_count = settings->proxy_count,
		.locals = settings->local,
		.local_count = settings->local_count,
	};

	config.ports[NJ_SERVICE_MQTTS] = settings->ports.mqtts;
	config.ports[NJ_SERVICE_MQTT] = settings->ports.mqtt;
	config.ports[NJ_SERVICE_ENROLMENT] = settings->ports.enrolment;
	return config;
}
