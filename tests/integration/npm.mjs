// The npm package "mqtt" against the broker: node npm.mjs PORT PORT-WITH-PASSWORD TLS-PORT. A line "ok" or "WRONG" a behaviour.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { get } from "node:http";
import { createRequire } from "node:module";
const mqtt = createRequire(new URL("npm/", import.meta.url))("mqtt");

const [port, guarded, tls] = process.argv.slice(2).map(Number);
let failures = 0;
function is(what, want, got) {
	const same = JSON.stringify(want) === JSON.stringify(got);
	if (!same) failures++;
	console.log(same ? `ok    ${what}` : `WRONG ${what}: expected ${JSON.stringify(want)}, got ${JSON.stringify(got)}`);
}
function client(options) {
	return mqtt.connectAsync({ host: "127.0.0.1", port, reconnectPeriod: 0, connectTimeout: 5000, ...options });
}
// The next `count` messages of a client, as [topic, payload, packet].
function messages(from, count) {
	return new Promise((resolve, reject) => {
		const got = [];
		const timer = setTimeout(() => reject(new Error(`${got.length} of ${count} messages came`)), 5000);
		from.on("message", function take(topic, payload, packet) {
			got.push([topic, payload.toString(), packet]);
			if (got.length < count) return;
			clearTimeout(timer);
			from.removeListener("message", take);
			resolve(got);
		});
	});
}

async function versions() {
	for (const protocolVersion of [4, 5]) {
		const a = await client({ protocolVersion, clientId: `npm-a${protocolVersion}` });
		await a.subscribeAsync("npm/#", { qos: 2 });
		for (const qos of [0, 1, 2]) {
			const coming = messages(a, 1);
			await a.publishAsync(`npm/${qos}`, `at ${qos}`, { qos });
			const [[topic, payload, packet]] = await coming;
			is(`version ${protocolVersion}, QoS ${qos}`, [`npm/${qos}`, `at ${qos}`, qos], [topic, payload, packet.qos]);
		}
		await a.endAsync();
	}
}

async function properties() {
	const a = await client({ protocolVersion: 5, properties: { topicAliasMaximum: 8 }, autoUseTopicAlias: true,
		autoAssignTopicAlias: true });
	const coming = messages(a, 3);
	await a.subscribeAsync("npm/properties/with/a/long/topic", { qos: 1, properties: { subscriptionIdentifier: 42 } });
	const sent = { contentType: "text/plain", responseTopic: "npm/reply", correlationData: Buffer.from([0, 255]),
		userProperties: { a: ["1", "2"] }, messageExpiryInterval: 60, payloadFormatIndicator: true };
	for (const n of ["1", "2", "3"]) await a.publishAsync("npm/properties/with/a/long/topic", n, { qos: 1, properties: { ...sent } });
	const got = await coming;
	is("aliases both ways", ["1", "2", "3"], got.map(([, payload]) => payload));
	is("the topic behind an alias", true, got.every(([topic]) => topic === "npm/properties/with/a/long/topic"));
	const p = got[2][2].properties;
	is("properties", ["text/plain", "npm/reply", [0, 255], { a: ["1", "2"] }, 42],
		[p.contentType, p.responseTopic, [...p.correlationData], p.userProperties, p.subscriptionIdentifier]);
	is("expiry", true, p.messageExpiryInterval > 50 && p.messageExpiryInterval <= 60);
	await a.endAsync();
}

async function session() {
	const options = { protocolVersion: 5, clientId: "npm-lasting", clean: false, properties: { sessionExpiryInterval: 60 } };
	const a = await client(options);
	await a.subscribeAsync("npm/queue", { qos: 2 });
	await a.endAsync();
	const b = await client({ protocolVersion: 4 });
	for (let i = 0; i < 20; i++) await b.publishAsync("npm/queue", `${i}`, { qos: 2 });
	const again = mqtt.connect({ host: "127.0.0.1", port, reconnectPeriod: 0, ...options });
	const got = await messages(again, 20);
	is("what waited, in its order", [...Array(20).keys()].map(String), got.map(([, payload]) => payload));
	await again.endAsync();
	await b.endAsync();
}

async function shared() {
	const members = await Promise.all([0, 1, 2].map(() => client({ protocolVersion: 5 })));
	const got = [0, 0, 0];
	let total = 0;
	const all = new Promise((resolve) => members.forEach((m, i) => m.on("message", () => {
		got[i]++;
		if (++total === 30) resolve();
	})));
	for (const m of members) await m.subscribeAsync("$share/npm/npm/work", { qos: 1 });
	const from = await client({ protocolVersion: 5 });
	for (let i = 0; i < 30; i++) await from.publishAsync("npm/work", `${i}`, { qos: 1 });
	await all;
	is("a shared subscription's members take turns", [10, 10, 10], got);
	for (const c of [...members, from]) await c.endAsync();
}

// SCRAM-SHA-256, the client's side.
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
async function authentication() {
	const attempt = (password) => new Promise((resolve) => {
		const nonce = randomBytes(12).toString("base64");
		const bare = `n=bench,r=${nonce}`;
		let wanted;
		const c = mqtt.connect({ host: "127.0.0.1", port: guarded, protocolVersion: 5, reconnectPeriod: 0,
			properties: { authenticationMethod: "SCRAM-SHA-256", authenticationData: Buffer.from(`n,,${bare}`) } });
		c.handleAuth = (packet, done) => {
			const first = packet.properties.authenticationData.toString();
			const [, r, s, i] = first.match(/^r=([^,]*),s=([^,]*),i=(\d+)$/);
			const salted = pbkdf2Sync(password, Buffer.from(s, "base64"), Number(i), 32, "sha256");
			const key = hmac(salted, "Client Key");
			const said = `${bare},${first},c=biws,r=${r}`;
			const signature = hmac(createHash("sha256").update(key).digest(), said);
			const proof = Buffer.from(key.map((byte, k) => byte ^ signature[k])).toString("base64");
			wanted = `v=${hmac(hmac(salted, "Server Key"), said).toString("base64")}`;
			done(null, { cmd: "auth", reasonCode: 0x18, properties: { authenticationMethod: "SCRAM-SHA-256",
				authenticationData: Buffer.from(`c=biws,r=${r},p=${proof}`) } });
		};
		c.on("connect", (connack) => {
			resolve([0, connack.properties.authenticationData.toString() === wanted]);
			c.end();
		});
		c.on("error", (error) => resolve([error.code]));
	});
	is("SCRAM-SHA-256, and the server proves itself too", [0, true], await attempt("open sesame"));
	is("SCRAM-SHA-256 with a wrong password", [0x87], await attempt("open says me"));
}

// Carried by a WebSocket, plain and TLS: the same ports, told apart by their first byte.
async function websocket() {
	const big = "x".repeat(200000);
	for (const url of [`ws://127.0.0.1:${port}/mqtt`, `wss://127.0.0.1:${tls}/mqtt`, `ws://127.0.0.1:${port}/`])
		for (const protocolVersion of [4, 5]) {
			const a = await mqtt.connectAsync(url, { protocolVersion, reconnectPeriod: 0, connectTimeout: 5000,
				rejectUnauthorized: false });
			await a.subscribeAsync("npm/ws/#", { qos: 2 });
			const coming = messages(a, 103);
			for (const qos of [0, 1, 2]) await a.publishAsync(`npm/ws/${qos}`, big, { qos });
			for (let i = 0; i < 100; i++) a.publish("npm/ws/many", `${i}`, { qos: 1 });
			const got = await coming;
			is(`${url.slice(0, 5)} version ${protocolVersion}: large messages`, 3, got.filter(([, p]) => p === big).length);
			is(`${url.slice(0, 5)} version ${protocolVersion}: many`, [...Array(100).keys()].map(String),
				got.filter(([t]) => t === "npm/ws/many").map(([, p]) => p));
			await a.endAsync();
		}
	const status = (path, headers) => new Promise((resolve) => {
		const request = get({ host: "127.0.0.1", port, path, headers: { Connection: "Upgrade", Upgrade: "websocket",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Protocol": "mqtt", ...headers } });
		request.on("response", (answer) => resolve(answer.statusCode));
		request.on("upgrade", (answer, socket) => resolve(socket.destroy() && answer.statusCode));
		request.on("error", (error) => resolve(error.message));
	});
	is("a request for a WebSocket", 101, await status("/mqtt", {}));
	is("from anybody's page", 403, await status("/mqtt", { Origin: "https://example.org" }));
	is("for another path", 404, await status("/admin", {}));
}

for (const test of [versions, properties, session, shared, authentication, websocket]) {
	try {
		await test();
	} catch (error) {
		failures++;
		console.log(`WRONG ${test.name}: ${error.message}`);
	}
}
process.exit(failures > 0 ? 1 : 0);
