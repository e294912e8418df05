#include "cli/help.h"

#include <string.h>

#include "base/text.h"

#define PAGE_WIDTH 80
#define SYNOPSIS_BYTES 64

static size_t columns_of(const char *text, size_t len)
{
	size_t columns = 0;

	/* Bytes that continue a UTF-8 character take no column of their own. */
	for (size_t i = 0; i < len; i++)
		columns += ((unsigned char)text[i] & 0xc0) != 0x80;
	return columns;
}

/* Goes on at column `column`; 0 is a line's begin. */
static void wrap_from(FILE *out, const char *text, int column, int indent, int width)
{
	bool fresh = true; /* nothing of the text is on this line yet */

	while (*text != '\0') {
		size_t len = strcspn(text, " \n");
		int columns = (int)columns_of(text, len);

		if (!fresh && column + 1 + columns > width) {
			fputc('\n', out);
			column = 0;
			fresh = true;
		}
		if (len > 0) {
			int blanks = !fresh ? 1 : column == 0 ? indent : 0;

			fprintf(out, "%*s%.*s", blanks, "", (int)len, text);
			column += blanks + columns;
			fresh = false;
		}
		text += len;
		if (*text == '\n') {
			fputc('\n', out);
			column = 0;
			fresh = true;
		}
		text += *text != '\0';
	}
	if (column > 0)
		fputc('\n', out);
}

void nj_help_wrap(FILE *out, const char *text, int indent, int width)
{
	wrap_from(out, text, 0, indent, width);
}

/* "--out FILE" */
static const char *synopsis(const struct nj_option *option, char out[SYNOPSIS_BYTES])
{
	snprintf(out, SYNOPSIS_BYTES, "--%s%s%s", option->name, option->argument != NULL ? " " : "",
		 option->argument != NULL ? option->argument : "");
	return out;
}

static bool in_group(const struct nj_command *command, const char *group)
{
	size_t len = strlen(group);

	return strncmp(command->path, group, len) == 0 && command->path[len] == ' ';
}

void nj_help_usage(FILE *out, const struct nj_command *command)
{
	char text[SYNOPSIS_BYTES];
	bool others = false;

	fprintf(out, "usage: nightjar %s", command->path);
	if (command->set.max_operands > 0)
		fprintf(out, " %s", command->set.operands);
	for (size_t i = 0; i < command->set.option_count; i++) {
		const struct nj_option *option = &command->set.options[i];

		if (option->required)
			fprintf(out, " %s", synopsis(option, text));
		others |= !option->required && option->type != NJ_OPTION_REST;
	}
	if (others)
		fputs(" [OPTIONS]", out);
	for (size_t i = 0; i < command->set.option_count; i++) {
		if (command->set.options[i].type == NJ_OPTION_REST)
			fprintf(out, " [%s]", synopsis(&command->set.options[i], text));
	}
	fputc('\n', out);
}

/* A synopsis wider than its column has its help on the next line. */
static void print_option(FILE *out, const struct nj_option *option, int width)
{
	char text[SYNOPSIS_BYTES];
	char help[256];
	int columns;

	synopsis(option, text);
	columns = (int)columns_of(text, strlen(text));
	snprintf(help, sizeof(help), "%s%s", option->help, option->repeatable ? " (may be repeated)" : "");
	fprintf(out, "  %s", text);
	if (columns > width)
		fprintf(out, "\n%*s", width + 4, "");
	else
		fprintf(out, "%*s", width - columns + 2, "");
	wrap_from(out, help, width + 4, width + 4, PAGE_WIDTH);
}

void nj_help_command(FILE *out, const struct nj_command *command)
{
	static const struct nj_option help = { "help", NULL, "this page", NJ_OPTION_FLAG };
	char text[SYNOPSIS_BYTES];
	int width = 6;

	nj_help_usage(out, command);
	fprintf(out, "\n  %s\n\noptions:\n", command->summary);
	for (size_t i = 0; i < command->set.option_count; i++) {
		int columns = (int)strlen(synopsis(&command->set.options[i], text));

		width = columns > width && columns <= 24 ? columns : width;
	}
	for (size_t i = 0; i < command->set.option_count; i++)
		print_option(out, &command->set.options[i], width);
	print_option(out, &help, width);
	if (command->details != NULL) {
		fputc('\n', out);
		nj_help_wrap(out, command->details, 0, PAGE_WIDTH);
	}
}

static void print_row(FILE *out, const char *name, const char *summary)
{
	fprintf(out, "  %-20s  %s\n", name, summary);
}

void nj_help_group(FILE *out, const char *group)
{
	fprintf(out, "usage: nightjar %s COMMAND [OPTIONS]\n\ncommands:\n", group);
	for (size_t i = 0; i < nj_command_count; i++) {
		if (in_group(&nj_commands[i], group))
			print_row(out, nj_commands[i].path, nj_commands[i].summary);
	}
	fprintf(out, "\nnightjar %s COMMAND --help tells more.\n", group);
}

void nj_help_program(FILE *out)
{
	fputs("Nightjar " NJ_VERSION ": a gateway between devices and applications that no stranger sees.\n\n"
	      "usage: nightjar COMMAND [OPTIONS]\n\ncommands:\n",
	      out);
	for (size_t i = 0; i < nj_command_count; i++)
		print_row(out, nj_commands[i].path, nj_commands[i].summary);
	fputs("\nnightjar COMMAND --help tells more. Exit codes are those of sysexits.h.\n"
	      "A gateway to try:\n"
	      "  nightjar init --dir demo && nightjar serve --dir demo\n",
	      out);
}

/* ---- manual ---- */

/* troff reads a backslash, and a dot or quote that begins a line, as its own. */
static void troff(FILE *out, const char *text)
{
	bool begins = true;

	for (; *text != '\0'; text++) {
		if (begins && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		begins = *text == '\n';
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else if (*text == '\n' && text[1] == '\n')
			fputs("\n.PP", out);
		else
			fputc(*text, out);
	}
}

static void manual_option(FILE *out, const struct nj_option *option)
{
	fputs(".TP\n.B \\-\\-", out);
	troff(out, option->name);
	if (option->argument != NULL) {
		fputs("\\fR \\fI", out);
		troff(out, option->argument);
		fputs("\\fR", out);
	}
	fputc('\n', out);
	troff(out, option->help);
	fputs(option->repeatable ? " (may be repeated)\n" : "\n", out);
}

static void manual_command(FILE *out, const struct nj_command *command)
{
	fprintf(out, ".SS nightjar %s", command->path);
	if (command->set.max_operands > 0)
		fprintf(out, " %s", command->set.operands);
	fputc('\n', out);
	/* A sentence of what the table keeps as half of one. */
	fputc(command->summary[0] - ('a' <= command->summary[0] && command->summary[0] <= 'z' ? 'a' - 'A' : 0), out);
	troff(out, command->summary + 1);
	fputs(".\n", out);
	if (command->details != NULL) {
		fputs(".PP\n", out);
		troff(out, command->details);
		fputc('\n', out);
	}
	for (size_t i = 0; i < command->set.option_count; i++)
		manual_option(out, &command->set.options[i]);
}

void nj_help_manual(FILE *out)
{
	fputs(".\\\" Written by: nightjar help --man\n"
	      ".TH NIGHTJAR 1 \"\" \"Nightjar " NJ_VERSION "\" \"Nightjar\"\n"
	      ".SH NAME\nnightjar \\- dark gateway between devices and applications\n"
	      ".SH SYNOPSIS\n.B nightjar\n.I COMMAND\n.RI [ OPTIONS ]\n"
	      ".SH DESCRIPTION\n"
	      "Nightjar carries MQTT between devices and the applications that own them, and nothing of it answers a "
	      "stranger: every port is dark until a device has knocked with one sealed datagram.\n"
	      "Commands that change or show something work with the gateway running or stopped.\n"
	      ".SH COMMANDS\n",
	      out);
	for (size_t i = 0; i < nj_command_count; i++)
		manual_command(out, &nj_commands[i]);
	fputs(".SH FILES\n"
	      ".TP\n.I /etc/nightjar/nightjar.yaml\nthe configuration; DIR/nightjar.yaml with \\-\\-dir\n"
	      ".TP\n.I /var/lib/nightjar\nstores and keys; in DIR with \\-\\-dir\n"
	      ".TP\n.I /run/nightjar\nadministration sockets; DIR/run with \\-\\-dir\n"
	      ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nno colours\n"
	      ".SH EXIT STATUS\nThat of sysexits.h: 0 when all went well, 64 for wrong usage, 66 for what is not "
	      "found, 73 for what exists already, 75 to try again later, 77 when not permitted, 78 for a wrong "
	      "configuration. With\n.B knock \\-\\-then\nthe command's own.\n",
	      out);
}

/* ---- completion ---- */

/* The words that may follow `before` ("" or "device"), each once. */
static void next_words(FILE *out, const char *before)
{
	const char *last = "";
	size_t last_len = 0;
	size_t skip = before[0] != '\0' ? strlen(before) + 1 : 0;

	for (size_t i = 0; i < nj_command_count; i++) {
		const char *word = nj_commands[i].path + skip;
		size_t len;

		if (skip > 0 && !in_group(&nj_commands[i], before))
			continue;
		len = strcspn(word, " ");
		if (len == last_len && strncmp(word, last, len) == 0)
			continue;
		fprintf(out, "%.*s ", (int)len, word);
		last = word;
		last_len = len;
	}
}

static void bash_case(FILE *out, const struct nj_command *command)
{
	fprintf(out, "\t\"%s\") words=\"--help", command->path);
	for (size_t i = 0; i < command->set.option_count; i++)
		fprintf(out, " --%s", command->set.options[i].name);
	if (strcmp(command->path, "completion") == 0)
		fputs(" bash", out);
	fputs("\" ;;\n", out);
}

/* The options whose value is a path, as a pattern of bash's `case`. */
static void bash_paths(FILE *out, bool folders)
{
	const char *seen[32];
	size_t count = 0;

	for (size_t i = 0; i < nj_command_count; i++) {
		for (size_t j = 0; j < nj_commands[i].set.option_count; j++) {
			const struct nj_option *option = &nj_commands[i].set.options[j];
			bool fits = option->type == (folders ? NJ_OPTION_FOLDER : NJ_OPTION_FILE);
			size_t k = 0;

			while (k < count && strcmp(seen[k], option->name) != 0)
				k++;
			if (!fits || k < count || count == sizeof(seen) / sizeof(seen[0]))
				continue;
			fprintf(out, "%s--%s", count > 0 ? "|" : "", option->name);
			seen[count++] = option->name;
		}
	}
}

void nj_help_bash(FILE *out)
{
	fputs("# bash completion of nightjar; written by: nightjar completion bash\n"
	      "_nightjar() {\n"
	      "\tlocal current=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" words=\"\"\n"
	      "\tlocal first=\"${COMP_WORDS[1]}\" second=\"${COMP_WORDS[2]}\"\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\tCOMPREPLY=($(compgen -W \"",
	      out);
	next_words(out, "");
	fputs("\" -- \"$current\"))\n\t\treturn\n\tfi\n\tcase \"$before\" in\n\t", out);
	bash_paths(out, false);
	fputs(") COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n\t", out);
	bash_paths(out, true);
	fputs(") COMPREPLY=($(compgen -d -- \"$current\")); return ;;\n\tesac\n", out);
	for (size_t i = 0; i < nj_command_group_count; i++) {
		fprintf(out,
			"\tif [ \"$COMP_CWORD\" -eq 2 ] && [ \"$first\" = %s ]; then\n"
			"\t\tCOMPREPLY=($(compgen -W \"",
			nj_command_groups[i].name);
		next_words(out, nj_command_groups[i].name);
		fputs("\" -- \"$current\"))\n\t\treturn\n\tfi\n", out);
	}
	fputs("\tcase \"$first\" in\n\t", out);
	for (size_t i = 0; i < nj_command_group_count; i++)
		fprintf(out, "%s%s", i > 0 ? "|" : "", nj_command_groups[i].name);
	fputs(") first=\"$first $second\" ;;\n\tesac\n\tcase \"$first\" in\n", out);
	for (size_t i = 0; i < nj_command_count; i++)
		bash_case(out, &nj_commands[i]);
	fputs("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\n"
	      "complete -o filenames -F _nightjar nightjar\n",
	      out);
}
