/* Help, manual page and shell completion, all written from the table of subcommands. Main thread. */
#ifndef NJ_CLI_HELP_H
#define NJ_CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

/* The program's page; that of a first word ("device"); that of a command. */
void nj_help_program(FILE *out);
void nj_help_group(FILE *out, const char *group);
void nj_help_command(FILE *out, const struct nj_command *command);
/* One line: "usage: nightjar device add NAME …". */
void nj_help_usage(FILE *out, const struct nj_command *command);
/* nightjar(1) as troff. */
void nj_help_manual(FILE *out);
void nj_help_bash(FILE *out);

/* Writes text in lines of at most `width` columns, each after `indent` blanks. */
void nj_help_wrap(FILE *out, const char *text, int indent, int width);

#endif
