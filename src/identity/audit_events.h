/* Every kind of audit record. Names are stable: they are part of the hash chain and of what people filter by. */
#ifndef NJ_IDENTITY_AUDIT_EVENTS_H
#define NJ_IDENTITY_AUDIT_EVENTS_H

/* X(constant, name, help) */
#define NJ_AUDIT_EVENT_TABLE(X)                                                                                     \
	X(NJ_AUDIT_INIT, "init", "the gateway was created")                                                         \
	X(NJ_AUDIT_START, "start", "the keeper began to serve")                                                     \
	X(NJ_AUDIT_STOP, "stop", "the keeper stopped in order")                                                     \
	X(NJ_AUDIT_RESTART, "restart", "a process died and was started again")                                      \
	X(NJ_AUDIT_RELOAD, "reload", "a new configuration took effect")                                             \
	X(NJ_AUDIT_CLOAK_WEAK, "cloak.weak", "the ports are not fully dark; the detail says why")                   \
	X(NJ_AUDIT_VAULT_CREATED, "vault.created", "the vault and its slots were made")                             \
	X(NJ_AUDIT_VAULT_UNLOCKED, "vault.unlocked", "the vault was opened; the detail names the slot")             \
	X(NJ_AUDIT_VAULT_DEGRADED, "vault.degraded", "a slot that should have opened the vault failed")             \
	X(NJ_AUDIT_VAULT_SLOT_ADDED, "vault.slot-added", "a slot was added to the vault")                           \
	X(NJ_AUDIT_VAULT_SLOT_REMOVED, "vault.slot-removed", "a slot was taken from the vault")                     \
	X(NJ_AUDIT_VAULT_UNLOCK_FAILED, "vault.unlock-failed", "passphrases that did not open the vault")           \
	X(NJ_AUDIT_VAULT_RECOVERED, "vault.recovered", "a new key file was made with the recovery key")             \
	X(NJ_AUDIT_VAULT_REKEYED, "vault.rekeyed", "the vault has a new key, everything was sealed anew")           \
	X(NJ_AUDIT_BACKUP, "backup", "a backup was made")                                                           \
	X(NJ_AUDIT_RESTORED, "restored", "the stores were put back from a backup; the detail says which")           \
	X(NJ_AUDIT_RELOAD_REFUSED, "reload.refused", "a new configuration was refused; the detail says why")        \
	X(NJ_AUDIT_CERTIFICATE_ISSUED, "certificate.issued", "the built-in CA issued a certificate")                \
	X(NJ_AUDIT_CERTIFICATE_REVOKED, "certificate.revoked", "a certificate of the built-in CA was revoked")      \
	X(NJ_AUDIT_CUSTOMER_CA_SET, "customer.ca-set", "a customer's own CA or revocation list was set or removed") \
	X(NJ_AUDIT_KNOCK_ACCEPTED, "knock.accepted", "a knock was burnt and opened its service")                    \
	X(NJ_AUDIT_KNOCK_REFUSED, "knock.refused", "an authentic knock was burnt and opened nothing")               \
	X(NJ_AUDIT_KNOCK_FORGED, "knock.forged", "a datagram with a known hint failed authentication")              \
	X(NJ_AUDIT_KNOCK_LIMITED, "knock.limited", "authentic knocks came faster than the limit")                   \
	X(NJ_AUDIT_KEY_OFFERED, "key.offered", "a device was offered its next root key")                            \
	X(NJ_AUDIT_KEY_STORED, "key.stored",                                                                        \
	  "a device proved that it holds its next root key, which replaced the last")                               \
	X(NJ_AUDIT_KEY_DONE, "key.done", "a device was told that its new root key is in force")                     \
	X(NJ_AUDIT_KEY_PROMOTED, "key.promoted",                                                                    \
	  "a device was bound under its next root key, which replaced the last")                                    \
	X(NJ_AUDIT_KEY_DROPPED, "key.dropped", "an offered root key was given up; the detail says why")             \
	X(NJ_AUDIT_KEY_REJECTED, "key.rejected", "an answer in a rekey did not prove the new key")                  \
	X(NJ_AUDIT_KEY_RECOVERED, "key.recovered",                                                                  \
	  "a device got a new root key by its recovery key, which replaced the last")                               \
	X(NJ_AUDIT_RECOVERY_OPENED, "recovery.opened", "the recovery window was opened; the detail says for whom")  \
	X(NJ_AUDIT_RECOVERY_SHUT, "recovery.shut", "the recovery window was shut; the detail says why")             \
	X(NJ_AUDIT_RECOVERY_REFUSED, "recovery.refused", "somebody asked for a recovery window with a wrong key")   \
	X(NJ_AUDIT_KEY_OLD, "key.old", "an authentic knock under a replaced root key opened nothing")               \
	X(NJ_AUDIT_KEY_CLONED, "key.cloned", "a replaced root key was used, and not by its device")                 \
	X(NJ_AUDIT_BOUND, "bound", "a connection proved that it is the device that knocked")                        \
	X(NJ_AUDIT_BIND_FAILED, "bind.failed", "a connection did not prove itself and was closed")                  \
	X(NJ_AUDIT_GRANT_EXPIRED, "grant.expired", "a grant ended unused")                                          \
	X(NJ_AUDIT_GUARD_SHUT, "guard.shut", "a guarded service shut again for who had knocked")                    \
	X(NJ_AUDIT_PERIMETER, "perimeter", "somebody turned the perimeter; the detail says how")                    \
	X(NJ_AUDIT_SESSION_CLOSED, "session.closed", "a bound connection ended")                                    \
	X(NJ_AUDIT_PROXY_REFUSED, "proxy.refused",                                                                  \
	  "a listed proxy's connection did not begin with a PROXY header; the detail says how")                     \
	X(NJ_AUDIT_ORIGIN_REFUSED, "origin.refused",                                                                \
	  "a web page that is not listed asked for a WebSocket; the detail names it and counts")                    \
	X(NJ_AUDIT_LIMIT_MET, "limit.met", "a limit of connections, connects, messages or bytes was met")           \
	X(NJ_AUDIT_SESSION_CUT, "session.cut", "a session was cut: by revocation, or because its key was replaced") \
	X(NJ_AUDIT_SESSION_KICKED, "session.kicked", "an operator ended connections; the detail says whose")        \
	X(NJ_AUDIT_MQTT_TAIL, "mqtt.tail", "an operator looked at messages; the detail has who, and the filter")    \
	X(NJ_AUDIT_BRIDGE_UP, "bridge.up", "a bridge to another broker is connected; the detail says how")          \
	X(NJ_AUDIT_BRIDGE_DOWN, "bridge.down", "a bridge lost its connection; the detail says which, and why")      \
	X(NJ_AUDIT_CUSTOMER_ADDED, "customer.added", "a customer was created")                                      \
	X(NJ_AUDIT_DEVICE_ADDED, "device.added", "a device was created")                                            \
	X(NJ_AUDIT_DEVICE_IMPORTED, "device.imported", "many devices were created at once; the detail counts")      \
	X(NJ_AUDIT_DEVICE_REVOKED, "device.revoked", "a device was revoked")                                        \
	X(NJ_AUDIT_DEVICE_RAISED, "device.raised", "the counter of a device or application was moved on")           \
	X(NJ_AUDIT_APPLICATION_ADDED, "application.added", "an application was created")                            \
	X(NJ_AUDIT_APPLICATION_REVOKED, "application.revoked", "an application was revoked")                        \
	X(NJ_AUDIT_RECONCILED, "reconciled", "a half-made change was finished or undone at start")                  \
	X(NJ_AUDIT_PROFILE_SET, "profile.set", "a profile was created or changed")                                  \
	X(NJ_AUDIT_DENIED, "denied", "a party asked for what its profile does not allow")                           \
	X(NJ_AUDIT_LOGIN, "login", "somebody logged in")                                                            \
	X(NJ_AUDIT_LOGIN_FAILED, "login.failed", "a login was refused")                                             \
	X(NJ_AUDIT_LOST, "lost", "records of the gateway were dropped, the queue was full; the detail counts")

enum nj_audit_event {
#define NJ_AUDIT_EVENT_ENUM(constant, name, help) constant,
	NJ_AUDIT_EVENT_TABLE(NJ_AUDIT_EVENT_ENUM)
#undef NJ_AUDIT_EVENT_ENUM
	    NJ_AUDIT_EVENT_COUNT
};

/* NULL for a number that is none. */
const char *nj_audit_event_name(enum nj_audit_event event);
const char *nj_audit_event_help(enum nj_audit_event event);

#endif
