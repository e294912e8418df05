/*
 * Subcommands as rows: name, options, summary, help and handler. Dispatch, help, the manual page and shell completion
 * read the one table (table.c). Main thread.
 */
#ifndef NJ_CLI_COMMAND_H
#define NJ_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/option.h"
#include "cli/session.h"

/* What a handler works with. */
struct nj_cli {
	const struct nj_command *command;
	const struct nj_args *args;
	struct nj_session session;
	bool json;
	int exit_code; /* of the program when the handler gives NJ_OK */
	struct nj_why why;
};

struct nj_command {
	const char *path; /* "device add" */
	struct nj_option_set set;
	const char *summary; /* half a sentence */
	const char *details; /* paragraphs for --help and the manual, or NULL */
	enum nj_err (*run)(struct nj_cli *cli);
};

/* A first word that stands before others: "device". */
struct nj_command_group {
	const char *name;
	const char *summary;
};

extern const struct nj_command nj_commands[];
extern const size_t nj_command_count;
extern const struct nj_command_group nj_command_groups[];
extern const size_t nj_command_group_count;

/* The program: argv[0] is its own name. Returns an exit code. */
int nj_cli_main(int argc, char **argv);

/* Handlers, one file a subject. */
enum nj_err nj_run_init(struct nj_cli *cli);
enum nj_err nj_run_check(struct nj_cli *cli);
enum nj_err nj_run_mqtt_verifier(struct nj_cli *cli);
enum nj_err nj_run_serve(struct nj_cli *cli);
enum nj_err nj_run_reload(struct nj_cli *cli);
enum nj_err nj_run_version(struct nj_cli *cli);
enum nj_err nj_run_status(struct nj_cli *cli);
enum nj_err nj_run_profile_set(struct nj_cli *cli);
enum nj_err nj_run_profile_list(struct nj_cli *cli);
enum nj_err nj_run_profile_show(struct nj_cli *cli);
enum nj_err nj_run_party_add(struct nj_cli *cli);
enum nj_err nj_run_party_list(struct nj_cli *cli);
enum nj_err nj_run_party_show(struct nj_cli *cli);
enum nj_err nj_run_party_raise(struct nj_cli *cli);
enum nj_err nj_run_party_certificate(struct nj_cli *cli);
enum nj_err nj_run_party_revoke(struct nj_cli *cli);
enum nj_err nj_run_ca_show(struct nj_cli *cli);
enum nj_err nj_run_ca_crl(struct nj_cli *cli);
enum nj_err nj_run_ca_renew(struct nj_cli *cli);
enum nj_err nj_run_ca_revoke(struct nj_cli *cli);
enum nj_err nj_run_customer_ca(struct nj_cli *cli);
enum nj_err nj_run_customer_crl(struct nj_cli *cli);
enum nj_err nj_run_device_import(struct nj_cli *cli);
enum nj_err nj_run_knock(struct nj_cli *cli);
enum nj_err nj_run_audit_tail(struct nj_cli *cli);
enum nj_err nj_run_audit_verify(struct nj_cli *cli);
enum nj_err nj_run_backup(struct nj_cli *cli);
enum nj_err nj_run_restore(struct nj_cli *cli);
enum nj_err nj_run_slot_add(struct nj_cli *cli);
enum nj_err nj_run_slot_list(struct nj_cli *cli);
enum nj_err nj_run_slot_remove(struct nj_cli *cli);
enum nj_err nj_run_unlock(struct nj_cli *cli);
enum nj_err nj_run_vault_rekey(struct nj_cli *cli);
enum nj_err nj_run_recover(struct nj_cli *cli);
enum nj_err nj_run_mqtt_sessions(struct nj_cli *cli);
enum nj_err nj_run_mqtt_session(struct nj_cli *cli);
enum nj_err nj_run_mqtt_topics(struct nj_cli *cli);
enum nj_err nj_run_mqtt_retained(struct nj_cli *cli);
enum nj_err nj_run_mqtt_kick(struct nj_cli *cli);
enum nj_err nj_run_mqtt_bridges(struct nj_cli *cli);
enum nj_err nj_run_mqtt_tail(struct nj_cli *cli);
enum nj_err nj_run_metrics(struct nj_cli *cli);
enum nj_err nj_run_recovery_open(struct nj_cli *cli);
enum nj_err nj_run_recovery_close(struct nj_cli *cli);
enum nj_err nj_run_recovery_status(struct nj_cli *cli);
enum nj_err nj_run_why(struct nj_cli *cli);
enum nj_err nj_run_perimeter_on(struct nj_cli *cli);
enum nj_err nj_run_perimeter_off(struct nj_cli *cli);
enum nj_err nj_run_perimeter_confirm(struct nj_cli *cli);
enum nj_err nj_run_perimeter_status(struct nj_cli *cli);
enum nj_err nj_run_completion(struct nj_cli *cli);
enum nj_err nj_run_help(struct nj_cli *cli);

#endif
