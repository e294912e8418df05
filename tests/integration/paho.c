/*
 * Eclipse Paho's C client against the broker: paho HOST:PORT. A line "ok" or "WRONG" a behaviour; the exit status is
 * the number of the wrong.
 */
#include <MQTTClient.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 5000

static int failures;

static void is(const char *what, bool right)
{
	printf("%s %s\n", right ? "ok   " : "WRONG", what);
	failures += !right;
}

static MQTTClient make(const char *uri, const char *id, int version)
{
	MQTTClient client = NULL;
	MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
	options.MQTTVersion = version;
	if (MQTTClient_createWithOptions(&client, uri, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &options) !=
	    MQTTCLIENT_SUCCESS)
		abort();
	return client;
}

/* Connects, with a session that lasts if `expiry_s` is above 0; gives session present, or −1. */
static int join(MQTTClient client, int version, unsigned expiry_s)
{
	MQTTClient_connectOptions v3 = MQTTClient_connectOptions_initializer;
	MQTTClient_connectOptions v5 = MQTTClient_connectOptions_initializer5;
	MQTTClient_connectOptions options = version == MQTTVERSION_5 ? v5 : v3;
	if (version != MQTTVERSION_5) {
		options.MQTTVersion = version;
		options.cleansession = expiry_s == 0;
		int status = MQTTClient_connect(client, &options);
		return status == MQTTCLIENT_SUCCESS ? options.returned.sessionPresent : -1;
	}
	MQTTProperties properties = MQTTProperties_initializer;
	MQTTProperty expiry = { .identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .value.integer4 = expiry_s };
	MQTTProperties_add(&properties, &expiry);
	options.cleanstart = expiry_s == 0;
	MQTTResponse response = MQTTClient_connect5(client, &options, &properties, NULL);
	int present = response.reasonCode == MQTTREASONCODE_SUCCESS ? options.returned.sessionPresent : -1;
	MQTTResponse_free(response);
	MQTTProperties_free(&properties);
	return present;
}

static bool subscribe(MQTTClient client, int version, const char *filter, int qos)
{
	if (version != MQTTVERSION_5)
		return MQTTClient_subscribe(client, filter, qos) == MQTTCLIENT_SUCCESS;
	MQTTResponse response = MQTTClient_subscribe5(client, filter, qos, NULL, NULL);
	bool granted = (int)response.reasonCode == qos;
	MQTTResponse_free(response);
	return granted;
}

static bool publish(MQTTClient client, int version, const char *topic, const char *text, int qos)
{
	MQTTClient_deliveryToken token = 0;
	int len = (int)strlen(text);
	int status;
	if (version == MQTTVERSION_5) {
		MQTTResponse response = MQTTClient_publish5(client, topic, len, text, qos, 0, NULL, &token);
		status = (int)response.reasonCode;
		MQTTResponse_free(response);
	} else {
		status = MQTTClient_publish(client, topic, len, text, qos, 0, &token);
	}
	return status == MQTTCLIENT_SUCCESS &&
	       MQTTClient_waitForCompletion(client, token, WAIT_MS) == MQTTCLIENT_SUCCESS;
}

static bool receive(MQTTClient client, const char *topic, const char *text, int qos)
{
	char *name = NULL;
	int name_len = 0;
	MQTTClient_message *message = NULL;
	if (MQTTClient_receive(client, &name, &name_len, &message, WAIT_MS) < 0 || message == NULL)
		return false;
	bool right = strcmp(name, topic) == 0 && message->payloadlen == (int)strlen(text) &&
		     memcmp(message->payload, text, strlen(text)) == 0 && message->qos == qos;
	if (!right)
		printf("      got %s '%.*s' QoS %d\n", name, message->payloadlen, (const char *)message->payload,
		       message->qos);
	MQTTClient_freeMessage(&message);
	MQTTClient_free(name);
	return right;
}

static void leave(MQTTClient client, int version)
{
	if (version == MQTTVERSION_5)
		MQTTClient_disconnect5(client, 1000, MQTTREASONCODE_SUCCESS, NULL);
	else
		MQTTClient_disconnect(client, 1000);
}

static void test_version(const char *uri, int version)
{
	const char *name = version == MQTTVERSION_5 ? "version 5" : "version 3.1.1";
	char what[64];
	MQTTClient a = make(uri, "paho-a", version);
	MQTTClient b = make(uri, "paho-b", version);
	printf("      %s\n", name);
	is("connect", join(a, version, 0) == 0 && join(b, version, 60) == 0);
	is("subscribe", subscribe(b, version, "paho/+", 2));
	for (int qos = 0; qos <= 2; qos++) {
		(void)snprintf(what, sizeof(what), "QoS %d there and back", qos);
		is(what, publish(a, version, "paho/x", what, qos) && receive(b, "paho/x", what, qos));
	}
	leave(b, version);
	is("publish to who is away",
	   publish(a, version, "paho/x", "one", 1) && publish(a, version, "paho/y", "two", 2));
	/* The client does not tell session present of MQTT 5. */
	is("the session is there", join(b, version, 60) == (version == MQTTVERSION_5 ? 0 : 1));
	is("with what waited", receive(b, "paho/x", "one", 1) && receive(b, "paho/y", "two", 2));
	leave(b, version);
	is("and gone when it starts clean", join(b, version, 0) == 0);
	is("a right that is not there is refused", !subscribe(b, version, "$nightjar/x", 0));
	leave(a, version);
	leave(b, version);
	MQTTClient_destroy(&a);
	MQTTClient_destroy(&b);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 64;
	test_version(argv[1], MQTTVERSION_3_1_1);
	test_version(argv[1], MQTTVERSION_5);
	return failures;
}
