// npm's "smpp" as ESME and as SMSC, against our session: node smpp_session.mjs SMPP_PEER PORT. A line "ok" or "WRONG" a behaviour.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { createRequire } from "node:module";
const smpp = createRequire(new URL("npm/", import.meta.url))("smpp");

const [program, port] = process.argv.slice(2);
let failures = 0;
function is(what, want, got) {
	const same = JSON.stringify(want) === JSON.stringify(got);
	if (!same) failures++;
	console.log(same ? `ok    ${what}` : `WRONG ${what}: expected ${JSON.stringify(want)}, got ${JSON.stringify(got)}`);
}
const within = (ms, what, promise) => Promise.race([promise, new Promise((_, reject) =>
	setTimeout(() => reject(new Error(`${what}: not in ${ms} ms`)), ms).unref())]);
const ask = (session, name, options = {}) =>
	within(8000, name, new Promise((resolve) => session[name](options, resolve)));
const open = () => within(8000, "a connection", new Promise((resolve, reject) => {
	const session = smpp.connect({ host: "127.0.0.1", port: Number(port) }, () => resolve(session));
	session.on("error", reject);
}));
const login = { system_id: "npm", password: "secret08" };
const message = { source_addr: "4711", destination_addr: "491701234567", short_message: "hello" };

async function smsc() {
	const session = await open();
	const early = await ask(session, "submit_sm", message);
	is("a submit before its bind", ["submit_sm_resp", smpp.ESME_RINVBNDSTS], [early.command, early.command_status]);
	const wrong = await ask(session, "bind_transceiver", { ...login, password: "guess" });
	is("a wrong password", ["bind_transceiver_resp", smpp.ESME_RINVPASWD], [wrong.command, wrong.command_status]);
	const bound = await ask(session, "bind_transceiver", { ...login, interface_version: 0x50 });
	is("a bind of version 5.0", [0, "nightjar", 0x34], [bound.command_status, bound.system_id, bound.sc_interface_version]);
	is("a second bind", smpp.ESME_RALYBND, (await ask(session, "bind_receiver", login)).command_status);
	is("enquire_link", "enquire_link_resp", (await ask(session, "enquire_link")).command);

	const receipts = [];
	session.on("deliver_sm", (pdu) => {
		receipts.push(pdu);
		session.send(pdu.response());
	});
	const sent = await Promise.all(Array.from({ length: 300 }, () =>
		ask(session, "submit_sm", { ...message, registered_delivery: 1 })));
	is("300 submits at once", [300, 300], [sent.filter((r) => r.command_status === 0).length,
		new Set(sent.map((r) => r.message_id)).size]);
	for (let i = 0; i < 400 && receipts.length < 300; i++) await new Promise((resolve) => setTimeout(resolve, 20));
	const ids = new Set(sent.map((r) => r.message_id));
	is("their receipts", [300, true, true, true], [receipts.length, receipts.every((r) => ids.has(r.receipted_message_id)),
		receipts.every((r) => r.message_state === 2 && r.esm_class === 4),
		receipts.every((r) => r.short_message.message.startsWith(`id:${r.receipted_message_id} sub:001 dlvrd:001 `))]);

	is("a full queue", smpp.ESME_RMSGQFUL, (await ask(session, "submit_sm", { ...message, destination_addr: "777" })).command_status);
	is("a throttle", smpp.ESME_RTHROTTLED, (await ask(session, "submit_sm", { ...message, destination_addr: "888" })).command_status);
	for (const [what, change, status] of [["a reserved TON", { dest_addr_ton: 7 }, smpp.ESME_RINVDSTTON],
		["no destination", { destination_addr: "" }, smpp.ESME_RINVDSTADR],
		["a schedule that is none", { schedule_delivery_time: "2611221440000009" }, smpp.ESME_RINVSCHED],
		["a source too long", { source_addr: "1".repeat(21) }, smpp.ESME_RINVSRCADR],
		["part 3 of 2", { sar_msg_ref_num: 1, sar_total_segments: 2, sar_segment_seqnum: 3 }, 0xc4],
		["message and payload", { message_payload: "x" }, 0xc1]]) {
		const refused = await ask(session, "submit_sm", { ...message, ...change });
		is(what, ["submit_sm_resp", status], [refused.command, refused.command_status]);
	}
	const multi = await ask(session, "submit_multi", { ...message, dest_address: [{ dest_addr_ton: 1, dest_addr_npi: 1,
		destination_addr: "49170" }, { dest_addr_ton: 2, dest_addr_npi: 1, destination_addr: "0170" }, { dl_name: "gates" }] });
	is("submit_multi", [0, 1, "0170", smpp.ESME_RINVDSTADR], [multi.command_status, multi.unsuccess_sme.length,
		multi.unsuccess_sme[0].destination_addr, multi.unsuccess_sme[0].error_status_code]);
	const query = await ask(session, "query_sm", { message_id: sent[0].message_id });
	is("query_sm", [sent[0].message_id, 2], [query.message_id, query.message_state]);
	is("cancel_sm", "cancel_sm_resp", (await ask(session, "cancel_sm", { message_id: "1" })).command);
	is("replace_sm", "replace_sm_resp", (await ask(session, "replace_sm", { message_id: "1", short_message: "new" })).command);
	const data = await ask(session, "data_sm", { source_addr: "4711", destination_addr: "491701234567", message_payload: "x".repeat(5000) });
	is("data_sm", ["data_sm_resp", 0], [data.command, data.command_status]);
	const alert = new Promise((resolve) => session.on("alert_notification", resolve));
	await ask(session, "submit_sm", { ...message, destination_addr: "999" });
	is("alert_notification", "999", (await within(8000, "alert", alert)).source_addr);
	is("deliver_sm from an ESME", smpp.ESME_RINVCMDID, (await ask(session, "deliver_sm", message)).command_status);
	is("unbind", "unbind_resp", (await ask(session, "unbind")).command);
	session.close();

	const receiver = await open();
	await ask(receiver, "bind_receiver", login);
	is("a submit of a receiver", smpp.ESME_RINVBNDSTS, (await ask(receiver, "submit_sm", message)).command_status);
	receiver.close();
}

// Bytes as they are: [sent, received].
function raw(bytes) {
	return within(8000, "an end", new Promise((resolve) => {
		const got = [];
		const socket = connect(Number(port), "127.0.0.1", () => socket.write(Buffer.from(bytes, "hex")));
		socket.on("data", (data) => got.push(data));
		socket.on("close", () => resolve(Buffer.concat(got).toString("hex")));
	}));
}
async function rough() {
	is("a length of 15 ends it", "00000010800000000000000200000000", await raw("0000000f000000150000000000000007"));
	is("a length of 1 GB ends it", "00000010800000000000000200000007", await raw("40000000000000150000000000000007"));
	is("an unknown command does not", "0000001080000000000000030000000900000010800000000000000200000000",
		await raw("00000010000000aa000000000000000900000001"));
}

// The other way: npm's server, with what real ones do.
async function esme() {
	const counts = { submit: 0, bind: 0 };
	const server = smpp.createServer((session) => {
		session.on("error", () => {});
		session.on("bind_transceiver", (pdu) => {
			counts.bind++;
			session.send(pdu.response({ system_id: "npm" }));
		});
		session.on("submit_sm", (pdu) => {
			const n = ++counts.submit;
			if (n === 5) return session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
			// Another command's id; a nack that nobody asked for.
			if (n === 7) session.send(new smpp.PDU("data_sm_resp", { sequence_number: pdu.sequence_number, message_id: "7" }));
			else if (n === 9) session.send(new smpp.PDU("generic_nack", { sequence_number: 0, command_status: 3 }));
			if (n !== 7) session.send(pdu.response({ message_id: `00${(0xab00 + n).toString(16).toUpperCase()}` }));
			// The receipt by another name: decimal, no esm_class in one, no parameters.
			const id = n === 7 ? "7" : n % 2 ? `${0xab00 + n}` : (0xab00 + n).toString(16);
			session.deliver_sm({ source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
				short_message: `id:${id} sub:001 dlvrd:001 submit date:2611221440 done date:2611221441 stat:DELIVRD err:000 text:x` });
			return undefined;
		});
		session.on("enquire_link", (pdu) => session.send(pdu.response()));
		session.on("unbind", (pdu) => {
			session.send(pdu.response());
			session.close();
		});
	});
	await new Promise((resolve) => server.listen(Number(port) + 1, "127.0.0.1", resolve));
	const child = spawn(program, ["esme", `${Number(port) + 1}`, "200"], { stdio: ["ignore", "pipe", "inherit"] });
	let said = "";
	child.stdout.on("data", (data) => (said += data));
	await within(20000, "our ESME", new Promise((resolve) => child.on("close", resolve)));
	is("our ESME at npm's server", "accepted=199 refused=1 lost=0 receipts=199 matched=199 messages=0 wrong_ids=1 foreign=1 end=unbound",
		said.trim());
	server.close();
}

const child = spawn(program, ["smsc", port], { stdio: ["pipe", "pipe", "ignore"] });
await within(8000, "our SMSC", new Promise((resolve) => child.stdout.once("data", resolve)));
for (const test of [smsc, rough, esme]) {
	try {
		await test();
	} catch (error) {
		failures++;
		console.log(`WRONG ${test.name}: ${error.message}`);
	}
}
child.stdin.end();
process.exit(failures > 0 ? 1 : 0);
