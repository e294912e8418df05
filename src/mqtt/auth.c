#include "mqtt/auth.h"

static struct nj_view method(void)
{
	return nj_view_str(NJ_SCRAM_METHOD);
}

static struct nj_view data_of(const struct nj_mqtt_packet *packet)
{
	bool there = nj_mqtt_has(&packet->properties, NJ_MQTT_P_AUTH_DATA);
	return there ? packet->properties.values[NJ_MQTT_P_AUTH_DATA].data : nj_view_of(NULL, 0);
}

static bool by_method(const struct nj_mqtt_packet *packet)
{
	return nj_mqtt_has(&packet->properties, NJ_MQTT_P_AUTH_METHOD) &&
	       nj_view_equal(packet->properties.values[NJ_MQTT_P_AUTH_METHOD].data, method());
}

static size_t auth_bytes(size_t connect_bytes)
{
	return sizeof(struct nj_mqtt_auth) + connect_bytes;
}

void nj_mqtt_auth_end(struct nj_mqtt_client *client)
{
	struct nj_mqtt_auth *auth = client->auth;
	if (auth == NULL)
		return;
	size_t bytes = auth_bytes(auth->connect_bytes);
	nj_mqtt_budget_give(&client->broker->shared->budget, bytes);
	nj_wipe(auth, bytes);
	free(auth);
	client->auth = NULL;
}

static void send_auth(struct nj_mqtt_client *client, enum nj_mqtt_reason reason, struct nj_view data)
{
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_AUTH };
	packet.as.ack.code = (uint8_t)reason;
	nj_mqtt_set_data(&packet.properties, NJ_MQTT_P_AUTH_METHOD, method());
	nj_mqtt_set_data(&packet.properties, NJ_MQTT_P_AUTH_DATA, data);
	nj_mqtt_client_send(client, &packet);
}

/* Takes client-first; `body` is the CONNECT that is to wait. */
static enum nj_mqtt_fault begin(struct nj_mqtt_client *client, struct nj_view client_first, struct nj_view body)
{
	struct nj_mqtt_broker *broker = client->broker;
	struct nj_view answer;
	char nonce[NJ_SCRAM_NONCE_BYTES];
	if (nj_mqtt_budget_take(&broker->shared->budget, auth_bytes(body.len)) != NJ_OK)
		return NJ_MQTT_FAULT_NO_MEMORY;
	client->auth = calloc(1, auth_bytes(body.len));
	if (client->auth == NULL) {
		nj_mqtt_budget_give(&broker->shared->budget, auth_bytes(body.len));
		return NJ_MQTT_FAULT_NO_MEMORY;
	}
	client->auth->connect_bytes = body.len;
	if (body.len > 0)
		memcpy(client->auth->connect, body.data, body.len);
	nj_scram_nonce(broker->random, nonce);
	if (nj_scram_begin(&client->auth->scram, client->verifier, client->party->names.name, nonce, client_first,
			   &answer) != NJ_OK)
		return NJ_MQTT_FAULT_AUTH_FAILED;
	send_auth(client, NJ_MQTT_R_CONTINUE_AUTH, answer);
	return NJ_MQTT_FAULT_NONE;
}

static enum nj_mqtt_fault finish(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_auth *auth = client->auth;
	if (!by_method(packet))
		return NJ_MQTT_FAULT_AUTH_METHOD;
	if (packet->as.ack.code != NJ_MQTT_R_CONTINUE_AUTH)
		return NJ_MQTT_FAULT_AUTH_UNEXPECTED;
	if (nj_scram_end(&auth->scram, data_of(packet), &auth->last_words) != NJ_OK)
		return NJ_MQTT_FAULT_AUTH_FAILED;
	return NJ_MQTT_FAULT_NONE;
}

/* --- before CONNACK --- */

static bool is_password(const struct nj_mqtt_client *client, const struct nj_mqtt_connect *c)
{
	return c->has_username && c->has_password &&
	       nj_view_equal(c->username, nj_view_str(client->party->names.name)) &&
	       nj_scram_verifier_accepts(client->verifier, c->password);
}

bool nj_mqtt_auth_connect(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet, struct nj_view body)
{
	const struct nj_mqtt_properties *p = &packet->properties;
	enum nj_mqtt_fault fault = NJ_MQTT_FAULT_NONE;
	if (!nj_mqtt_has(p, NJ_MQTT_P_AUTH_METHOD)) {
		if (nj_mqtt_has(p, NJ_MQTT_P_AUTH_DATA))
			fault = NJ_MQTT_FAULT_AUTH_UNEXPECTED;
		else if (client->verifier == NULL || is_password(client, &packet->as.connect))
			return true;
		else
			nj_mqtt_client_refuse(client, NJ_MQTT_R_BAD_LOGIN, "wrong user name or password");
	} else if (client->verifier == NULL || !by_method(packet)) {
		fault = NJ_MQTT_FAULT_AUTH_METHOD;
	} else {
		client->by_method = true;
		fault = begin(client, data_of(packet), body);
	}
	if (fault != NJ_MQTT_FAULT_NONE)
		nj_mqtt_client_fault(client, fault);
	return false;
}

void nj_mqtt_auth_waiting(struct nj_mqtt_client *client, const struct nj_mqtt_frame *frame)
{
	struct nj_mqtt_packet packet;
	enum nj_mqtt_fault fault = nj_mqtt_decode(frame, client->version, NJ_MQTT_FROM_CLIENT, &packet);
	if (fault == NJ_MQTT_FAULT_NONE && frame->type == NJ_MQTT_DISCONNECT) {
		nj_mqtt_client_close(client, NJ_MQTT_R_SUCCESS, NJ_CLOSE_PEER, false);
		return;
	}
	if (fault == NJ_MQTT_FAULT_NONE && frame->type != NJ_MQTT_AUTH)
		fault = NJ_MQTT_FAULT_AUTH_UNEXPECTED;
	if (fault == NJ_MQTT_FAULT_NONE)
		fault = finish(client, &packet);
	if (fault != NJ_MQTT_FAULT_NONE) {
		nj_mqtt_client_fault(client, fault);
		return;
	}
	/* It was well-formed when it came. */
	struct nj_mqtt_frame connect = { .type = NJ_MQTT_CONNECT,
					 .body = nj_view_of(client->auth->connect, client->auth->connect_bytes) };
	if (nj_mqtt_decode(&connect, 0, NJ_MQTT_FROM_CLIENT, &packet) == NJ_MQTT_FAULT_NONE)
		nj_mqtt_connect_go_on(client, &packet);
	nj_mqtt_auth_end(client);
}

void nj_mqtt_auth_properties(const struct nj_mqtt_client *client, struct nj_mqtt_properties *properties)
{
	if (client->auth == NULL)
		return;
	nj_mqtt_set_data(properties, NJ_MQTT_P_AUTH_METHOD, method());
	nj_mqtt_set_data(properties, NJ_MQTT_P_AUTH_DATA, client->auth->last_words);
}

/* --- after it --- */

void nj_mqtt_on_auth(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	enum nj_mqtt_fault fault = NJ_MQTT_FAULT_AUTH_UNEXPECTED;
	if (client->by_method && !by_method(packet)) {
		fault = NJ_MQTT_FAULT_AUTH_METHOD;
	} else if (client->by_method && client->auth == NULL && packet->as.ack.code == NJ_MQTT_R_REAUTHENTICATE) {
		fault = begin(client, data_of(packet), nj_view_of(NULL, 0));
	} else if (client->by_method && client->auth != NULL) {
		fault = finish(client, packet);
		if (fault == NJ_MQTT_FAULT_NONE) {
			send_auth(client, NJ_MQTT_R_SUCCESS, client->auth->last_words);
			nj_mqtt_auth_end(client);
		}
	}
	if (fault != NJ_MQTT_FAULT_NONE)
		nj_mqtt_client_fault(client, fault);
}
