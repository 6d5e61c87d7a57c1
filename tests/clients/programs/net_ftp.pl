#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Perl's Net::FTP, as the scripts on it do things.
use strict;
use warnings;
use Net::FTP;

my ($operation, @args) = @ARGV;
if ($operation eq 'version') {
	print "$Net::FTP::VERSION\n";
	exit 0;
}
my $proto = $ENV{PROTO};
my $port = $proto eq 'implicit' ? $ENV{FTPS_PORT} : $ENV{FTP_PORT};
my %ssl = $proto eq 'implicit' ? (SSL => 1) : ();
my $ftp = Net::FTP->new('127.0.0.1', Port => $port, %ssl,
	SSL_verify_mode => 0) or die "connect: $@";
if ($proto eq 'ftps') {
	$ftp->starttls or die 'AUTH TLS: ' . $ftp->message;
}
$ftp->login($ENV{GW_USER}, $ENV{PASSWORD}) or die 'login: ' . $ftp->message;
$ftp->prot('P') if $proto ne 'ftp';
$ftp->binary;

my %operations = (
	upload => sub { $ftp->put($_[0], $_[1]) },
	resume => sub {
		my ($file, $path) = @_;
		my $size = $ftp->size($path);
		open(my $f, '<:raw', $file) or die "$file: $!";
		seek($f, $size, 0);
		$ftp->restart($size);
		return $ftp->put($f, $path);
	},
	download => sub { $ftp->get($_[0], $_[1]) },
	download_rest => sub { $ftp->get($_[0], $_[1], -s $_[1]) },
	list => sub { print map { "$_\n" } $ftp->dir($_[0]); 1 },
	rename_file => sub { $ftp->rename($_[0], $_[1]) },
	make_folder => sub { $ftp->mkdir($_[0]) },
	remove_folder => sub { $ftp->rmdir($_[0]) },
);
$operations{$operation}->(@args) or die "$operation: " . $ftp->message;
$ftp->quit;
