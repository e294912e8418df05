/* The verbs of keeper.sock, by file: each answers the call once, now or later. The table of them is keeper/admin.c's.
 * Included by the keeper's files; its main thread only. */
#ifndef NJ_KEEPER_VERBS_H
#define NJ_KEEPER_VERBS_H

#include "bus/admin.h"

void nj_keeper_verb_slot_list(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_slot_add(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_slot_remove(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_unlock(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_ca_show(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_ca_crl(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_ca_renew(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_ca_revoke(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_customer_ca_set(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_customer_ca_show(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_customer_ca_remove(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_customer_crl_set(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_device_add(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_device_import(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_device_list(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_device_show(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_device_revoke(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_device_certificate(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_application_certificate(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_device_raise(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_application_raise(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_application_add(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_application_list(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_application_show(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_application_revoke(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_profile_set(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_profile_list(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_profile_show(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_audit_tail(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_audit_verify(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_recovery_open(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_recovery_close(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_recovery_status(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_backup_copy(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_reload(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_kick(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_metrics(void *keeper, struct nj_admin_call *call);
void nj_keeper_verb_status(void *keeper, struct nj_admin_call *call);

/* server.c: a newer certificate for the gateway, when it is time; every second. */
struct nj_keeper;
void nj_keeper_server_tick(struct nj_keeper *keeper);

#endif
