# Perl's Net::SMPP as ESME, against our session: perl smpp_session.pl SMPP_PEER PORT. A line "ok" or "WRONG" a behaviour.
use strict;
use warnings;
use IPC::Open2;
use Net::SMPP;

my ($program, $port) = @ARGV;
my $failures = 0;
sub is {
	my ($what, $want, $got) = @_;
	$failures++ if $want ne $got;
	print $want eq $got ? "ok    $what\n" : "WRONG $what: expected $want, got $got\n";
}

my $pid = open2(my $out, my $in, $program, 'smsc', $port);
<$out>;
my ($smpp, $resp) = Net::SMPP->new_transceiver('127.0.0.1', port => $port, system_id => 'perl', password => 'secret08')
	or die "no connection";
is('Net::SMPP binds', '0 nightjar', $resp->status . ' ' . $resp->{system_id});
my $answer = $smpp->submit_sm(source_addr => '4711', destination_addr => '491701234567', short_message => 'hello',
	registered_delivery => 1);
is('a submit has an id', 1, $answer->status == 0 && $answer->message_id =~ /^[0-9A-F]{8}$/ ? 1 : 0);
my $pdu = $smpp->read_pdu;
is('its receipt comes', 'id:' . $answer->message_id . ' stat:DELIVRD ' . $answer->message_id . "\0",
	($pdu->{short_message} =~ /^(id:\S+)/ ? "$1" : '') . ' ' . ($pdu->{short_message} =~ /(stat:\S+)/ ? "$1" : '') . ' '
	. $pdu->{receipted_message_id});
$smpp->deliver_sm_resp(message_id => '', seq => $pdu->seq);
is('query_sm', 2, $smpp->query_sm(message_id => $answer->message_id)->{message_state});
is('enquire_link', 0, $smpp->enquire_link()->status);
is('a full queue', 0x14, $smpp->submit_sm(destination_addr => '777', short_message => 'x')->status);
is('unbind', 0, $smpp->unbind()->status);
close $in;
waitpid $pid, 0;
is('our side ends well', 0, $?);
exit($failures > 0);
