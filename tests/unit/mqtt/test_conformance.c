/*
 * The conversations of tests/vectors/mqtt.txt, each with a broker of its own: bytes in, packets out. What the lines
 * mean is said at the head of that file.
 */
#include "unit/mqtt/client.h"

#include "base/file.h"
#include "base/text.h"

#define VECTORS NJ_TEST_DIR "/vectors/mqtt.txt"
#define VECTORS_MAX (256 * 1024)
#define PEERS 8
#define LINE_BYTES (16 * 1024)

struct scene {
	struct gate gate;
	struct peer *peers[PEERS];
	char names[PEERS][4];
	const char *title;
	unsigned line;
	size_t piece; /* bytes that are sent at once */
};

/* A line's bytes. `any_length`, `open`: what an expected packet leaves open. */
struct bytes {
	uint8_t data[LINE_BYTES];
	size_t len;
	bool any_length;
	bool open;
};

static _Noreturn void wrong(const struct scene *scene, const char *what)
{
	fail_msg("mqtt.txt:%u (%s): %s", scene->line, scene->title, what);
	abort();
}

/* --- bytes as they are written --- */

static void put(const struct scene *scene, struct bytes *b, const void *data, size_t len)
{
	if (b->len + len > sizeof(b->data))
		wrong(scene, "the line is too long");
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static const char *put_text(const struct scene *scene, struct bytes *b, const char *at)
{
	char quote = *at;
	const char *end = strchr(at + 1, quote);
	if (end == NULL)
		wrong(scene, "a quote does not end");
	size_t len = (size_t)(end - at - 1);
	uint8_t head[2] = { (uint8_t)(len >> 8), (uint8_t)len };
	if (quote == '\'')
		put(scene, b, head, sizeof(head));
	put(scene, b, at + 1, len);
	return end + 1;
}

static const char *put_hex(const struct scene *scene, struct bytes *b, const char *at)
{
	uint8_t byte;
	while (*at != '\0' && strchr("0123456789abcdef", *at) != NULL) {
		if (nj_hex_decode(nj_view_of(at, 2), &byte, 1) != NJ_OK)
			wrong(scene, "half a byte");
		put(scene, b, &byte, 1);
		at += 2;
	}
	return at;
}

static const char *put_all(const struct scene *scene, struct bytes *b, const char *at, char until);

static const char *put_block(const struct scene *scene, struct bytes *b, const char *at)
{
	static struct bytes blocks[4];
	static unsigned depth;
	struct bytes *inner = &blocks[depth++];
	uint8_t head[4];
	struct nj_writer w = nj_writer_of(head, sizeof(head));
	inner->len = 0;
	inner->any_length = inner->open = false;
	at = put_all(scene, inner, at + 1, *at == '{' ? '}' : ')');
	nj_mqtt_varint_write(&w, (uint32_t)inner->len);
	put(scene, b, head, w.pos);
	put(scene, b, inner->data, inner->len);
	depth--;
	return at + 1;
}

static const char *put_all(const struct scene *scene, struct bytes *b, const char *at, char until)
{
	while (*at != until) {
		const char *before = at;
		if (*at == ' ')
			at++;
		else if (*at == '\'' || *at == '"')
			at = put_text(scene, b, at);
		else if (*at == '{' || *at == '(')
			at = put_block(scene, b, at);
		else if (strncmp(at, "..", 2) == 0 && b->len == 1)
			b->any_length = true, at += 2;
		else if (*at == '*' && at[1] == '\0')
			b->open = true, at++;
		else
			at = put_hex(scene, b, at);
		if (at == before)
			wrong(scene, "what is this?");
	}
	return at;
}

static struct bytes *bytes_of(const struct scene *scene, const char *text)
{
	static struct bytes b;
	b.len = 0;
	b.any_length = b.open = false;
	put_all(scene, &b, text, '\0');
	return &b;
}

/* --- clients --- */

static struct peer **peer_named(struct scene *scene, struct nj_view name)
{
	size_t unused = PEERS;
	for (size_t i = 0; i < PEERS; i++) {
		if (scene->names[i][0] != '\0' && nj_view_equal(nj_view_str(scene->names[i]), name))
			return &scene->peers[i];
		if (scene->names[i][0] == '\0' && unused == PEERS)
			unused = i;
	}
	if (unused == PEERS || nj_text_copy_view(scene->names[unused], sizeof(scene->names[unused]), name) != NJ_OK)
		wrong(scene, "too many clients, or a name too long");
	return &scene->peers[unused];
}

static void open_peer(struct scene *scene, struct peer **peer, char who)
{
	if (*peer != NULL)
		peer_close(*peer);
	*peer = peer_open(&scene->gate, (size_t)(who - 'a'), V5);
}

/* The next packet's length; 0 when there is none. */
static size_t next_packet(struct peer *peer, size_t *out_head)
{
	struct nj_mqtt_frame frame;
	size_t need = 0;
	read_more(peer);
	enum nj_mqtt_fault fault = nj_mqtt_frame(nj_view_of(peer->in, peer->held), PEER_BYTES, &frame, &need);
	if (peer->held == 0 || fault != NJ_MQTT_FAULT_NONE || need > 0)
		return 0;
	*out_head = frame.total - frame.body.len;
	return frame.total;
}

static _Noreturn void wrong_packet(const struct scene *scene, const struct peer *peer, size_t len)
{
	char hex[257];
	nj_hex_encode(peer->in, len < 128 ? len : 128, hex);
	fail_msg("mqtt.txt:%u (%s): %s came", scene->line, scene->title, len > 0 ? hex : "nothing");
	abort();
}

static void expect_packet(const struct scene *scene, struct peer *peer, const struct bytes *want)
{
	size_t head = 1;
	size_t total = next_packet(peer, &head);
	size_t skip = want->any_length ? head : 1;
	size_t rest = want->len - 1;
	bool fits = total > 0 && want->len > 0 && peer->in[0] == want->data[0] && total >= skip + rest &&
		    (want->open || total == skip + rest) && memcmp(peer->in + skip, want->data + 1, rest) == 0;
	if (!fits)
		wrong_packet(scene, peer, total);
	peer->held -= total;
	memmove(peer->in, peer->in + total, peer->held);
}

static void expect_quiet(const struct scene *scene, struct peer *peer)
{
	read_more(peer);
	if (peer->held > 0)
		wrong_packet(scene, peer, peer->held);
}

static void expect_end(const struct scene *scene, struct peer *peer)
{
	uint8_t byte;
	expect_quiet(scene, peer);
	ssize_t got = recv(peer->fd, &byte, 1, 0);
	if (got > 0 || (got < 0 && errno != ECONNRESET))
		wrong(scene, "the connection is open");
}

/* "= 5 ID" and the like: CONNECT that starts clean, and its answer, whatever it is beside 0. */
static void join_as(const struct scene *scene, struct peer *peer, const char *text)
{
	uint32_t expiry = 0;
	uint64_t number = 0;
	char id[32];
	const char *space = strchr(text + 2, ' ');
	size_t len = space != NULL ? (size_t)(space - text - 2) : strlen(text + 2);
	if (nj_text_copy_view(id, sizeof(id), nj_view_of(text + 2, len)) != NJ_OK)
		wrong(scene, "no client identifier");
	if (space != NULL && nj_number_parse(space + 1, 0, UINT32_MAX, &number) != NJ_OK)
		wrong(scene, "no number of seconds");
	expiry = (uint32_t)number;
	peer->version = (uint8_t)(text[0] - '0');
	join(peer, id, expiry == 0, expiry);
	peer->held -= peer->packet_bytes;
	memmove(peer->in, peer->in + peer->packet_bytes, peer->held);
	peer->packet_bytes = 0;
}

/* In pieces, as long as the broker listens. */
static void say(const struct scene *scene, struct peer *peer, const struct bytes *b)
{
	for (size_t at = 0; at < b->len; at += scene->piece) {
		size_t len = b->len - at < scene->piece ? b->len - at : scene->piece;
		if (send(peer->fd, b->data + at, len, MSG_NOSIGNAL) != (ssize_t)len)
			return;
		turns(peer->gate);
	}
}

static void act(struct scene *scene, struct peer **peer, char who, char what, const char *text)
{
	while (*text == ' ')
		text++;
	if (what == '+' || what == '=')
		open_peer(scene, peer, who);
	if (*peer == NULL)
		wrong(scene, "no such connection");
	if (what == '=') {
		join_as(scene, *peer, text);
	} else if (what == '>') {
		say(scene, *peer, bytes_of(scene, text));
	} else if (what == '<') {
		expect_packet(scene, *peer, bytes_of(scene, text));
	} else if (what == '.') {
		expect_quiet(scene, *peer);
	} else if (what == '!') {
		expect_end(scene, *peer);
	} else if (what == '-') {
		peer_close(*peer);
		*peer = NULL;
	} else if (what != '+') {
		wrong(scene, "no such line");
	}
}

/* "first a b": from here on a is whoever of the two has something to read. */
static void sort_two(struct scene *scene, const char *text)
{
	const char *space = strchr(text, ' ');
	if (space == NULL)
		wrong(scene, "two names");
	struct peer **a = peer_named(scene, nj_view_of(text, (size_t)(space - text)));
	struct peer **b = peer_named(scene, nj_view_str(space + 1));
	if (*a == NULL || *b == NULL)
		wrong(scene, "no such connection");
	read_more(*a);
	if ((*a)->held > 0)
		return;
	struct peer *other = *a;
	*a = *b;
	*b = other;
}

static void play_line(struct scene *scene, const char *line)
{
	uint64_t ms;
	if (strncmp(line, "first ", 6) == 0) {
		sort_two(scene, line + 6);
		return;
	}
	size_t len = strcspn(line, "+=<>.!- ");
	if (strncmp(line, "wait ", 5) == 0) {
		if (nj_number_parse(line + 5, 1, UINT32_MAX, &ms) != NJ_OK)
			wrong(scene, "no number of milliseconds");
		advance(&scene->gate, ms);
		return;
	}
	if (line[0] < 'a' || line[0] > 'd' || len > 3)
		wrong(scene, "clients are a, b, c, d and a1, a2, …");
	act(scene, peer_named(scene, nj_view_of(line, len)), line[0], line[len], line + len + 1);
}

/* --- the file --- */

static void open_scene(struct scene *scene, const char *title, unsigned line)
{
	*scene = (struct scene){ .title = title, .line = line, .piece = scene->piece };
	gate_open(&scene->gate);
}

/* Whatever is still to be read was not expected. */
static void close_scene(struct scene *scene)
{
	if (scene->title == NULL)
		return;
	for (size_t i = 0; i < PEERS; i++)
		if (scene->peers[i] != NULL)
			expect_quiet(scene, scene->peers[i]);
	for (size_t i = 0; i < PEERS; i++)
		if (scene->peers[i] != NULL)
			peer_close(scene->peers[i]);
	gate_close(&scene->gate);
}

static bool is_note(const char *line)
{
	return line[0] == '\0' || line[0] == '#' || strncmp(line, "5: ", 3) == 0 || strncmp(line, "3: ", 3) == 0;
}

static void play_all(size_t piece)
{
	static struct scene scene;
	char *text;
	size_t len;
	unsigned number = 0;
	unsigned played = 0;
	assert_int_equal(nj_file_read(VECTORS, VECTORS_MAX, &text, &len, NULL), NJ_OK);
	scene.title = NULL;
	scene.piece = piece;
	for (char *line = text; *line != '\0';) {
		size_t line_len = strcspn(line, "\n");
		char *next = line + line_len + (line[line_len] != '\0');
		line[line_len] = '\0';
		number++;
		scene.line = number;
		if (strncmp(line, "== ", 3) == 0) {
			close_scene(&scene);
			open_scene(&scene, line + 3, number);
			played++;
		} else if (!is_note(line)) {
			play_line(&scene, line);
		}
		line = next;
	}
	close_scene(&scene);
	assert_true(played > 0);
	free(text);
}

static void every_conversation_goes_as_written(void **state)
{
	play_all(LINE_BYTES);
}

static void and_the_same_byte_by_byte(void **state)
{
	play_all(1);
}

static void and_in_pieces_of_three(void **state)
{
	play_all(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_conversation_goes_as_written),
		cmocka_unit_test(and_the_same_byte_by_byte),
		cmocka_unit_test(and_in_pieces_of_three),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
