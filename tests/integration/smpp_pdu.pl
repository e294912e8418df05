# Perl's Net::SMPP against our codec, both ways: perl smpp_pdu.pl SMPP_WORDS. A line "ok" or "WRONG" a behaviour.
use strict;
use warnings;
use IPC::Open2;
use Net::SMPP;
use Socket;
use Symbol;

my $program = shift;
my $failures = 0;

sub is {
	my ($what, $want, $got) = @_;
	my $same = $want eq $got;
	$failures++ unless $same;
	print $same ? "ok    $what\n" : "WRONG $what: expected $want, got $got\n";
}

sub words {
	my ($mode, $line) = @_;
	my $pid = open2(my $out, my $in, $program, $mode);
	print $in "$line\n";
	close $in;
	my $answer = <$out> // '';
	waitpid $pid, 0;
	chomp $answer;
	return $answer;
}

# A connection whose other end is ours.
my $smpp = gensym;
my $peer = gensym;
socketpair $smpp, $peer, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die;
bless $smpp, 'Net::SMPP';
${*$smpp}{$_} = Net::SMPP::Default->{$_} for keys %{ Net::SMPP::Default() };
$smpp->set_version(0x34);
${*$smpp}{async} = 1;

my %submit = (service_type => 'CMT', source_addr_ton => 5, source_addr_npi => 0, source_addr => 'Depot',
	dest_addr_ton => 1, dest_addr_npi => 1, destination_addr => '491701234567', esm_class => 0x43, protocol_id => 64,
	priority_flag => 2, schedule_delivery_time => '261122144000000+', validity_period => '000001000000000R',
	registered_delivery => 1, replace_if_present_flag => 1, data_coding => 4, sm_default_msg_id => 7,
	short_message => join '', map chr, 0 .. 253);
my %source = map { $_ => $submit{$_} } qw(source_addr_ton source_addr_npi source_addr);
my %dest = map { $_ => $submit{$_} } qw(dest_addr_ton dest_addr_npi destination_addr);
my %bind = (system_id => 'nightjar-test-1', password => 'secret08', system_type => 'TELEMETRY123',
	interface_version => 0x34, addr_ton => 1, addr_npi => 1, address_range => '49*');
# In the order of their tags, as we write them.
my @tlvs = (payload_type => "\0", user_message_reference => "\x12\x34", source_port => "\x13\x88", sar_msg_ref_num => "\0\7",
	sar_total_segments => "\3", sar_segment_seqnum => "\2");

# Method, its fields in the order of the standard, parameters.
my @cases = (
	[bind_transmitter => \%bind, [qw(system_id password system_type interface_version addr_ton addr_npi address_range)]],
	[bind_receiver => \%bind, [qw(system_id password system_type interface_version addr_ton addr_npi address_range)]],
	[bind_transceiver => \%bind, [qw(system_id password system_type interface_version addr_ton addr_npi address_range)]],
	[outbind => \%bind, [qw(system_id password)]],
	[unbind => {}, []],
	[enquire_link => {}, []],
	[submit_sm => \%submit, [qw(service_type source_addr_ton source_addr_npi source_addr dest_addr_ton dest_addr_npi
		destination_addr esm_class protocol_id priority_flag schedule_delivery_time validity_period registered_delivery
		replace_if_present_flag data_coding sm_default_msg_id short_message)], @tlvs],
	[deliver_sm => \%submit, [qw(service_type source_addr_ton source_addr_npi source_addr dest_addr_ton dest_addr_npi
		destination_addr esm_class protocol_id priority_flag schedule_delivery_time validity_period registered_delivery
		replace_if_present_flag data_coding sm_default_msg_id short_message)],
		@tlvs[0, 1], receipted_message_id => "abc\0", @tlvs[2 .. $#tlvs], network_error_code => "\3\0\x1b", message_state => "\2"],
	[data_sm => \%submit, [qw(service_type source_addr_ton source_addr_npi source_addr dest_addr_ton dest_addr_npi
		destination_addr esm_class registered_delivery data_coding)], @tlvs, message_payload => 'x' x 3000],
	[query_sm => { message_id => 'AB12', %source }, [qw(message_id source_addr_ton source_addr_npi source_addr)]],
	[cancel_sm => { service_type => 'CMT', message_id => 'AB12', %source, %dest }, [qw(service_type message_id
		source_addr_ton source_addr_npi source_addr dest_addr_ton dest_addr_npi destination_addr)]],
	[replace_sm => { message_id => 'AB12', %submit }, [qw(message_id source_addr_ton source_addr_npi source_addr
		schedule_delivery_time validity_period registered_delivery sm_default_msg_id short_message)]],
	[alert_notification => { %source, esme_addr_ton => 3, esme_addr_npi => 9, esme_addr => '4711' },
		[qw(source_addr_ton source_addr_npi source_addr esme_addr_ton esme_addr_npi esme_addr)],
		ms_availability_status => "\1"],
	[bind_transceiver_resp => { system_id => 'nightjar' }, ['system_id'], sc_interface_version => "\x34"],
	[submit_sm_resp => { message_id => 'AB12' }, ['message_id']],
	[deliver_sm_resp => { message_id => 'AB12' }, ['message_id']],
	[data_sm_resp => { message_id => 'AB12' }, ['message_id'], network_error_code => "\3\0\x1b"],
	[query_sm_resp => { message_id => 'AB12', final_date => '261122144000000+', message_state => 2, error_code => 5 },
		[qw(message_id final_date message_state error_code)]],
	[unbind_resp => {}, []],
	[enquire_link_resp => {}, []],
	[cancel_sm_resp => {}, []],
	[replace_sm_resp => {}, []],
	[generic_nack => {}, []],
);
my %numbers = map { $_ => 1 } qw(interface_version addr_ton addr_npi source_addr_ton source_addr_npi dest_addr_ton dest_addr_npi
	esm_class protocol_id priority_flag registered_delivery replace_if_present_flag data_coding sm_default_msg_id
	message_state error_code esme_addr_ton esme_addr_npi);

for my $case (@cases) {
	my ($method, $values, $fields, @optional) = @$case;
	my $response = $method =~ /_resp$|nack/;
	$smpp->$method((map { $_ => $values->{$_} } @$fields), @optional, seq => 77);
	sysread $peer, my $theirs, 65536;
	my $line = "$method 0 77";
	$line .= " $_=" . ($numbers{$_} ? $values->{$_} : unpack 'H*', $values->{$_}) for @$fields;
	for (my $i = 0; $i < @optional; $i += 2) {
		$line .= " $optional[$i]=" . unpack 'H*', $optional[$i + 1];
	}
	is("$method: we read what Net::SMPP wrote", $line, words('decode', unpack 'H*', $theirs));
	my $ours = words('encode', $line);
	is("$method: we write what Net::SMPP writes", unpack('H*', $theirs), $ours);
	syswrite $peer, pack 'H*', $ours;
	my $pdu = $smpp->read_pdu;
	my $wrong = join ' ', grep { !defined $pdu->{$_} || $pdu->{$_} ne $values->{$_} } @$fields;
	for (my $i = 0; $i < @optional; $i += 2) {
		$wrong .= " $optional[$i]" if ($pdu->{$optional[$i]} // '') ne $optional[$i + 1];
	}
	is("$method: Net::SMPP reads what we wrote", '77', $pdu->seq . $wrong);
}

# submit_multi, whose fields are lists there.
$smpp->submit_multi(%submit, dest_flag => [1, 2], dest_addr_ton => [1, 0], dest_addr_npi => [1, 0],
	destination_addr => ['491701234567', 'all-gates'], seq => 77);
sysread $peer, my $theirs, 65536;
my $line = words('decode', unpack 'H*', $theirs);
is('submit_multi: its addressees', '1.1.343931373031323334353637,L.616c6c2d6761746573', $line =~ / number_of_dests=(\S*)/ ? $1 : $line);
is('submit_multi: we write what Net::SMPP writes', unpack('H*', $theirs), words('encode', $line));

# A response with an error, without a body.
syswrite $peer, pack 'H*', words('encode', 'submit_sm_resp 88 78');
my $pdu = $smpp->read_pdu;
is('a response without a body', '88 78', $pdu->status . ' ' . $pdu->seq);
exit($failures > 0);
