/*
 * Many devices at once: names in, one credentials file a device out, in chunks. Run again after an interruption it goes
 * on where it stopped: what has both a device and a file is kept as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/credential.h"
#include "cli/names.h"
#include "cli/print.h"
#include "crypto/crypto.h"
#include "crypto/x509.h"

#define CHUNK_NAMES 1000
#define CHUNK_CERTIFIED 100 /* with a key and a request each */
#define CSV_MAX_BYTES (128u << 20)
#define LIST_ROWS 1000
#define COMPLAINTS_MAX 20
#define FILE_NAME_BYTES (NJ_NAME_BYTES + 8)
#define DIR_MODE 0700
#define FILE_MODE 0600

struct import {
	struct nj_cli *cli;
	struct nj_names wanted;
	struct nj_names known; /* devices that the gateway has already */
	int dir_fd;
	bool certified;             /* the profile binds by certificate */
	struct nj_x509_pair *pairs; /* of the chunk on its way: a request and its key a name */
	uint64_t added;
	uint64_t kept;
	uint64_t refused;
};

static const char *file_name(const char *name, char out[FILE_NAME_BYTES])
{
	snprintf(out, FILE_NAME_BYTES, "%s.cred", name);
	return out;
}

/* ---- what is there already ---- */

static enum nj_err read_wanted(struct import *import)
{
	const struct nj_args *args = import->cli->args;
	struct nj_why *why = &import->cli->why;
	const char *csv = nj_args_text(args, "csv");
	const char *prefix = nj_args_text(args, "prefix");
	NJ_CLEANUP_FREE char *text = NULL;
	struct nj_why fault = { 0 };
	size_t len = 0;
	enum nj_err err;

	if ((csv != NULL) == nj_args_flag(args, "count"))
		return nj_why(why, NJ_ERR_USAGE, "say either --csv FILE or --count N");
	if (csv == NULL)
		return nj_names_from_count(&import->wanted, prefix != NULL ? prefix : "device-",
					   nj_args_number(args, "count", 0), why);
	NJ_TRY(nj_file_read(csv, CSV_MAX_BYTES, &text, &len, why));
	err = nj_names_from_csv(&import->wanted, nj_view_of(text, len), &fault);
	return err == NJ_OK ? NJ_OK : nj_why(why, err, "%s: %s", csv, fault.text);
}

static void add_known(void *arg, const json_t *item)
{
	const char *name = json_string_value(json_object_get(item, "name"));
	const char *state = json_string_value(json_object_get(item, "state"));

	/* The names of revoked devices are free again. */
	if (state != NULL && strcmp(state, "revoked") == 0)
		return;
	/* A name that does not fit here fits no device either; the gateway refuses it when asked. */
	if (name != NULL)
		(void)!nj_names_add(arg, name, 0);
}

static enum nj_err read_known(struct import *import)
{
	struct nj_cli *cli = import->cli;
	json_t *cursor = NULL;

	do {
		json_t *ok = NULL;
		json_t *args = json_pack("{s:i, s:o*, s:s*}", "limit", LIST_ROWS, "after", cursor, "customer",
					 nj_args_text(cli->args, "customer"));

		cursor = NULL;
		NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "device.list", args, add_known, &import->known,
				      &ok, &cli->why));
		cursor = json_incref(json_object_get(ok, "next"));
		json_decref(ok);
	} while (cursor != NULL && !json_is_null(cursor));
	json_decref(cursor);
	return NJ_OK;
}

/* One that is not there is for the gateway to refuse. */
static void read_profile(struct import *import)
{
	struct nj_cli *cli = import->cli;
	json_t *profile = NULL;
	struct nj_why ignored;
	const char *bind;

	if (nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "profile.show",
			   json_pack("{s:s}", "name", nj_args_text(cli->args, "profile")), NULL, NULL, &profile,
			   &ignored) != NJ_OK)
		return;
	bind = json_string_value(json_object_get(profile, "bind"));
	import->certified = bind != NULL && strcmp(bind, "psk") != 0;
	json_decref(profile);
}

static enum nj_err open_folder(struct import *import)
{
	const char *path = nj_args_text(import->cli->args, "out");

	if (mkdir(path, DIR_MODE) != 0 && errno != EEXIST)
		return nj_why(&import->cli->why, nj_err_from_errno(errno), "cannot make the folder %s: %m", path);
	import->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (import->dir_fd < 0 || faccessat(import->dir_fd, ".", W_OK, 0) != 0)
		return nj_why(&import->cli->why, nj_err_from_errno(errno), "cannot write into the folder %s: %m", path);
	return NJ_OK;
}

/* ---- chunks ---- */

static void complain(struct import *import, const char *name, const char *text)
{
	import->refused++;
	if (import->refused <= COMPLAINTS_MAX)
		fprintf(stderr, "nightjar: device \"%s\" %s\n", name, text);
}

/* Takes the next names that are to be made; `*next` goes on. */
static json_t *next_chunk(struct import *import, size_t *next)
{
	const size_t most = import->certified ? CHUNK_CERTIFIED : CHUNK_NAMES;
	json_t *chunk = json_array();

	while (*next < import->wanted.count && json_array_size(chunk) < most) {
		const char *name = import->wanted.at[(*next)++]->text;
		char file[FILE_NAME_BYTES];
		bool known = nj_names_has(&import->known, name);
		bool has_file = faccessat(import->dir_fd, file_name(name, file), F_OK, 0) == 0;

		if (known && has_file)
			import->kept++;
		else if (known)
			complain(import, name, "exists already, and its credentials file is not in this folder");
		else if (has_file)
			complain(import, name,
				 "is unknown to the gateway, but has a file in this folder: move it away");
		else
			(void)json_array_append_new(chunk, json_string(name));
	}
	return chunk;
}

static bool write_whole(int fd, const char *text, size_t len)
{
	/* One write(2) of at most 8 KiB to a regular file is short only when the disk is full. */
	return write(fd, text, len) == (ssize_t)len;
}

static enum nj_err write_file(struct import *import, const struct nj_credfile *content)
{
	char text[NJ_CREDFILE_MAX_BYTES];
	char name[FILE_NAME_BYTES];
	size_t len = 0;
	enum nj_err err = nj_credfile_format(content, text, sizeof(text), &len);
	NJ_CLEANUP_FD int fd = -1;

	if (err != NJ_OK)
		return nj_why(&import->cli->why, err, "the credentials of \"%s\" cannot be written", content->name);
	fd = openat(import->dir_fd, file_name(content->name, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (fd < 0 || !write_whole(fd, text, len)) {
		err = nj_why(&import->cli->why, nj_err_from_errno(errno), "cannot write %s: %m", name);
		if (fd >= 0)
			(void)unlinkat(import->dir_fd, name, 0);
	}
	nj_wipe(text, sizeof(text));
	return err;
}

/* A device without its file is of no use to anybody. */
static void take_back(struct import *import, const json_t *item)
{
	struct nj_cli *cli = import->cli;
	struct nj_why ignored;
	json_t *args = json_pack("{s:O, s:s*}", "name", json_object_get(item, "name"), "customer",
				 nj_args_text(cli->args, "customer"));

	(void)!nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "device.revoke", args, NULL, NULL, NULL, &ignored);
}

/* Answers come in the order of the names. */
static enum nj_err add_key(struct import *import, size_t index, struct nj_credfile *content)
{
	if (import->pairs == NULL || index >= CHUNK_CERTIFIED || import->pairs[index].key_pem == NULL)
		return nj_why(&import->cli->why, NJ_ERR_MALFORMED, "a certificate that nobody asked for");
	return nj_text_copy(content->cert_key, sizeof(content->cert_key), import->pairs[index].key_pem);
}

static enum nj_err write_files(struct import *import, const json_t *items, const json_t *shared)
{
	enum nj_err err = NJ_OK;
	size_t index;
	json_t *item;

	json_array_foreach((json_t *)items, index, item)
	{
		NJ_CLEANUP_CREDFILE struct nj_credfile content = { 0 };

		if (err == NJ_OK)
			err = nj_credential_read(item, shared, &content, &import->cli->why);
		if (err == NJ_OK && content.cert[0] != '\0')
			err = add_key(import, index, &content);
		if (err == NJ_OK)
			err = write_file(import, &content);
		if (err == NJ_OK)
			import->added++;
		else
			take_back(import, item);
	}
	/* One flush a chunk instead of one a file. */
	if (err == NJ_OK && syncfs(import->dir_fd) != 0)
		err = nj_why(&import->cli->why, nj_err_from_errno(errno), "the files cannot be written: %m");
	return err;
}

static void keep_item(void *items, const json_t *item)
{
	(void)json_array_append(items, (json_t *)item);
}

/* A key of its own for each name, and the request for it. */
static enum nj_err make_requests(struct import *import, const json_t *names, json_t *args)
{
	json_t *requests;
	enum nj_err err = NJ_OK;

	if (!import->certified)
		return NJ_OK;
	import->pairs = calloc(CHUNK_CERTIFIED, sizeof(*import->pairs));
	requests = json_array();
	if (import->pairs == NULL)
		err = NJ_ERR_NO_MEMORY;
	for (size_t i = 0; err == NJ_OK && i < json_array_size(names); i++) {
		err = nj_x509_make_request(json_string_value(json_array_get(names, i)), &import->pairs[i]);
		if (err == NJ_OK)
			(void)json_array_append_new(requests, json_string(import->pairs[i].cert_pem));
	}
	(void)json_object_set_new(args, "csrs", requests);
	return err == NJ_OK
		   ? NJ_OK
		   : nj_why(&import->cli->why, err, "no certificate request can be made: %s", nj_err_text(err));
}

static void requests_done(struct import *import)
{
	for (size_t i = 0; import->pairs != NULL && i < CHUNK_CERTIFIED; i++)
		nj_x509_pair_done(&import->pairs[i]);
	free(import->pairs);
	import->pairs = NULL;
}

/* Takes over `names`. */
static enum nj_err import_chunk(struct import *import, json_t *names)
{
	struct nj_cli *cli = import->cli;
	json_t *items = json_array();
	json_t *ok = NULL;
	json_t *args = json_pack("{s:s, s:o, s:s*}", "profile", nj_args_text(cli->args, "profile"), "names", names,
				 "customer", nj_args_text(cli->args, "customer"));
	enum nj_err err = make_requests(import, names, args);

	if (err == NJ_OK)
		err = nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "device.import", args, keep_item, items, &ok,
				     &cli->why);
	else
		json_decref(args);
	if (err == NJ_OK)
		err = write_files(import, items, ok);
	requests_done(import);
	json_decref(items);
	json_decref(ok);
	return err;
}

static enum nj_err import_all(struct import *import)
{
	struct nj_progress progress;
	size_t next = 0;
	enum nj_err err = NJ_OK;

	nj_progress_begin(&progress, "enrolling", import->wanted.count);
	while (err == NJ_OK && next < import->wanted.count) {
		json_t *names = next_chunk(import, &next);

		if (json_array_size(names) > 0)
			err = import_chunk(import, names);
		else
			json_decref(names);
		nj_progress_step(&progress, next);
	}
	nj_progress_end(&progress);
	return err;
}

static void tell(const struct import *import)
{
	if (import->refused > COMPLAINTS_MAX)
		fprintf(stderr, "nightjar: and %" PRIu64 " more\n", import->refused - COMPLAINTS_MAX);
	if (import->cli->json) {
		json_t *told = json_pack("{s:I, s:I, s:I}", "added", (json_int_t)import->added, "kept",
					 (json_int_t)import->kept, "refused", (json_int_t)import->refused);

		nj_print_json(told);
		json_decref(told);
		return;
	}
	printf("%" PRIu64 " device%s added", import->added, import->added == 1 ? "" : "s");
	if (import->kept > 0)
		printf(", %" PRIu64 " were there already", import->kept);
	if (import->refused > 0)
		printf(", %" PRIu64 " refused", import->refused);
	if (import->added > 0)
		printf("; credentials are in %s (keep them secret)", nj_args_text(import->cli->args, "out"));
	printf("\n");
}

enum nj_err nj_run_device_import(struct nj_cli *cli)
{
	struct import import = { .cli = cli, .dir_fd = -1 };
	enum nj_err err;

	nj_names_init(&import.wanted);
	nj_names_init(&import.known);
	err = read_wanted(&import);
	if (err == NJ_OK)
		err = open_folder(&import);
	if (err == NJ_OK)
		err = read_known(&import);
	if (err == NJ_OK)
		read_profile(&import);
	if (err == NJ_OK) {
		err = import_all(&import);
		tell(&import);
	}
	if (err == NJ_OK && import.refused > 0)
		err = nj_why(&cli->why, NJ_ERR_EXISTS, "%" PRIu64 " of the names were refused", import.refused);
	nj_names_done(&import.wanted);
	nj_names_done(&import.known);
	nj_file_close_fd(&import.dir_fd);
	return err;
}
