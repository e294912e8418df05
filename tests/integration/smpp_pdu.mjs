// npm's "smpp" against our codec, both ways, byte for byte: node smpp_pdu.mjs SMPP_WORDS [SEED]. A line "ok" or "WRONG" a behaviour.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
const { PDU } = createRequire(new URL("npm/", import.meta.url))("smpp");

const [program, seed = "1"] = process.argv.slice(2);
const EACH = 150;
let failures = 0;
function is(what, want, got) {
	const same = JSON.stringify(want) === JSON.stringify(got);
	if (!same) failures++;
	console.log(same ? `ok    ${what}` : `WRONG ${what}: expected ${JSON.stringify(want)}, got ${JSON.stringify(got)}`);
}
function words(mode, lines) {
	const run = spawnSync(program, [mode], { input: lines.join("\n") + "\n", maxBuffer: 1 << 26 });
	if (run.status !== 0) throw new Error(`smpp_words ${mode} ended with ${run.status}`);
	return run.stdout.toString().trimEnd().split("\n");
}

let state = BigInt(seed) * 0x9e3779b97f4a7c15n;
function below(n) {
	state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
	return Number((state >> 33n) % BigInt(n));
}
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const text = (max) => Array.from({ length: below(max) }, () => "0123456789abcXYZ-."[below(18)]).join("");
const octets = (min, max) => Buffer.from(Array.from({ length: min + below(max - min + 1) }, () => below(256)));
const time = () => (below(2) ? "" : "261122144000000+");

// A field: our name, npm's, how it is made.
const byte = (name, as = name) => [name, as, () => below(256)];
const string = (name, max, as = name) => [name, as, () => text(max)];
const when = (name) => [name, name, time];
const source = (max) => [byte("source_addr_ton"), byte("source_addr_npi"), string("source_addr", max)];
const dest = (max) => [byte("dest_addr_ton"), byte("dest_addr_npi"), string("destination_addr", max)];
const message = ["short_message", "short_message", () => octets(0, 254)];
const content = [byte("esm_class"), byte("protocol_id"), byte("priority_flag"), when("schedule_delivery_time"),
	when("validity_period"), byte("registered_delivery"), byte("replace_if_present_flag"), byte("data_coding"),
	byte("sm_default_msg_id"), message];
const bind = [string("system_id", 16), string("password", 9), string("system_type", 13), byte("interface_version"),
	byte("addr_ton"), byte("addr_npi"), string("address_range", 41)];
const submit = [string("service_type", 6), ...source(21), ...dest(21), ...content];
const id = string("message_id", 65);
const dests = ["number_of_dests", "dest_address", () => Array.from({ length: 1 + below(254) }, () => below(4)
	? { dest_addr_ton: below(7), dest_addr_npi: below(19), destination_addr: text(21) } : { dl_name: text(21) })];
const failed = ["no_unsuccess", "unsuccess_sme", () => Array.from({ length: below(256) }, () => ({ dest_addr_ton: below(7),
	dest_addr_npi: below(19), destination_addr: text(21), error_status_code: below(1 << 30) }))];
const bodies = {
	bind_transmitter: bind, bind_receiver: bind, bind_transceiver: bind,
	bind_transmitter_resp: [string("system_id", 16)], bind_receiver_resp: [string("system_id", 16)],
	bind_transceiver_resp: [string("system_id", 16)],
	outbind: [string("system_id", 16), string("password", 9)],
	unbind: [], unbind_resp: [], enquire_link: [], enquire_link_resp: [], generic_nack: [], cancel_sm_resp: [],
	replace_sm_resp: [],
	submit_sm: submit, deliver_sm: submit, submit_sm_resp: [id], deliver_sm_resp: [id], data_sm_resp: [id],
	submit_multi: [string("service_type", 6), ...source(21), dests, ...content],
	submit_multi_resp: [id, failed],
	data_sm: [string("service_type", 6), ...source(65), ...dest(65), byte("esm_class"), byte("registered_delivery"),
		byte("data_coding")],
	query_sm: [id, ...source(21)],
	query_sm_resp: [id, when("final_date"), byte("message_state"), byte("error_code")],
	cancel_sm: [string("service_type", 6), id, ...source(21), ...dest(21)],
	replace_sm: [id, ...source(21), when("schedule_delivery_time"), when("validity_period"), byte("registered_delivery"),
		byte("sm_default_msg_id"), message],
	alert_notification: [...source(65), byte("esme_addr_ton"), byte("esme_addr_npi"), string("esme_addr", 65)],
};

// Optional parameters in the order of their tags: our name, npm's, bytes of a number or how octets are made. Where npm has
// another length than 3.4 (source_telematics_id, ms_validity), there is none.
const all = "submit_sm submit_multi deliver_sm data_sm".split(" ");
const sent = "submit_sm submit_multi data_sm".split(" ");
const parameters = [
	["dest_addr_subunit", 1, sent], ["dest_network_type", 1, ["data_sm"]], ["dest_bearer_type", 1, ["data_sm"]],
	["dest_telematics_id", 2, ["data_sm"]], ["source_addr_subunit", 1, sent], ["source_network_type", 1, ["data_sm"]],
	["source_bearer_type", 1, ["data_sm"]], ["qos_time_to_live", 4, ["data_sm"]], ["payload_type", 1, all],
	["additional_status_info_text", "string", ["data_sm_resp"]],
	["receipted_message_id", "string", ["deliver_sm", "data_sm"]],
	["ms_msg_wait_facilities", 1, sent], ["privacy_indicator", 1, all], ["source_subaddress", [2, 23], all],
	["dest_subaddress", [2, 23], all], ["user_message_reference", 2, all],
	["user_response_code", 1, ["submit_sm", "deliver_sm", "data_sm"]], ["source_port", 2, all],
	["destination_port", 2, all, "dest_port"], ["sar_msg_ref_num", 2, all], ["language_indicator", 1, all],
	["sar_total_segments", 1, all], ["sar_segment_seqnum", 1, all],
	["sc_interface_version", 1, ["bind_transmitter_resp", "bind_receiver_resp", "bind_transceiver_resp"]],
	["callback_num_pres_ind", 1, sent, "callback_num_pres_ind", true],
	["callback_num_atag", [1, 65], sent, "callback_num_atag", true],
	["number_of_messages", 1, ["submit_sm", "data_sm"]], ["callback_num", [4, 19], all, "callback_num", true],
	["dpf_result", 1, ["data_sm_resp"]], ["set_dpf", 1, ["data_sm"]], ["ms_availability_status", 1, ["alert_notification"]],
	["network_error_code", [3, 3], ["deliver_sm", "data_sm", "data_sm_resp"]],
	["message_payload", [0, 2000], all], ["delivery_failure_reason", 1, ["data_sm_resp"]],
	["more_messages_to_send", 1, ["submit_sm", "data_sm"]], ["message_state", 1, ["deliver_sm", "data_sm"]],
	["ussd_service_op", 1, ["submit_sm"]], ["display_time", 1, sent], ["sms_signal", 2, sent],
	["alert_on_message_delivery", 1, sent], ["its_reply_type", 1, ["submit_sm", "data_sm"]],
	["its_session_info", [2, 2], ["submit_sm", "deliver_sm", "data_sm"]],
];

function word(name, value) {
	if (name === "number_of_dests")
		return value.map((d) => ("dl_name" in d ? `L.${hex(d.dl_name)}`
			: `${d.dest_addr_ton}.${d.dest_addr_npi}.${hex(d.destination_addr)}`)).join(",");
	if (name === "no_unsuccess")
		return value.map((d) => `${d.dest_addr_ton}.${d.dest_addr_npi}.${hex(d.destination_addr)}.${d.error_status_code}`).join(",");
	return typeof value === "number" ? `${value}` : hex(value);
}

// One PDU: npm's options for it, and its words.
function make(command) {
	const options = { sequence_number: 1 + below(0x7ffffffe) };
	let line = `${command} 0 ${options.sequence_number}`;
	for (const [ours, theirs, random] of bodies[command]) {
		options[theirs] = random();
		line += ` ${ours}=${word(ours, options[theirs])}`;
	}
	for (const [name, kind, where, theirs = name, many] of parameters) {
		if (!where.includes(command) || below(3) > 0) continue;
		let value, bytes;
		if (typeof kind === "number") {
			value = below(2 ** (8 * kind - 1));
			bytes = Buffer.alloc(kind);
			bytes.writeUIntBE(value, 0, kind);
		} else if (kind === "string") {
			value = text(65);
			bytes = Buffer.from(`${value}\0`);
		} else {
			value = bytes = octets(...kind);
		}
		options[theirs] = many ? [value] : value;
		line += ` ${name}=${hex(bytes)}`;
	}
	return { options, line };
}

for (const command of Object.keys(bodies)) {
	const made = Array.from({ length: EACH }, () => make(command));
	const theirs = made.map(({ options }) => new PDU(command, structuredClone2(options)).toBuffer().toString("hex"));
	const lines = made.map(({ line }) => line);
	const ours = words("encode", lines);
	let wrong = lines.findIndex((_, i) => ours[i] !== theirs[i]);
	is(`${command}: we write what npm writes`, [undefined, undefined], [lines[wrong] && theirs[wrong], ours[wrong]]);
	const read = words("decode", theirs);
	wrong = lines.findIndex((line, i) => read[i] !== line);
	is(`${command}: we read what npm wrote`, undefined, lines[wrong] && [lines[wrong], read[wrong]]);
	const back = ours.map((bytes, i) => look(made[i].options, PDU.fromBuffer(Buffer.from(bytes, "hex"))));
	is(`${command}: npm reads what we wrote`, undefined, back.find((problem) => problem !== undefined));
}

function structuredClone2(options) {
	return Object.fromEntries(Object.entries(options).map(([name, value]) => [name,
		Array.isArray(value) ? value.map((v) => (Buffer.isBuffer(v) || typeof v === "number" ? v : { ...v })) : value]));
}
// Fields that npm leaves as they are on the wire.
function look(options, pdu) {
	if (!pdu) return "npm refused it";
	for (const [name, value] of Object.entries(options)) {
		const got = pdu[name];
		if (name.endsWith("_time") || name.endsWith("_period") || name === "final_date") continue;
		if (name === "short_message" || name === "message_payload" || name.startsWith("callback_num")) continue;
		const same = Buffer.isBuffer(value) ? value.equals(got) : JSON.stringify(value) === JSON.stringify(got);
		if (!same) return [name, value, got];
	}
	return undefined;
}
process.exit(failures > 0 ? 1 : 0);
