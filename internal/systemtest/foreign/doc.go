// Package foreign holds tests only. In them Koyomi meets programs that nobody
// of us wrote, so that both sides of the protocol are judged by somebody else.
//
// There are two directions. In the one, clients of Exchange use the simulator,
// which runs as `koyomi exchange` in a process of its own: exchangelib,
// ews-javascript-api, DavMail and curl, each for what it does best. In the other,
// our client meets servers and what stands before them in a company: a domain
// controller (Samba) that gives Kerberos tickets, publishes where Exchange is and
// locks accounts; a web server that signs people in by Kerberos and NTLM (Apache
// with mod_auth_gssapi and gss-ntlmssp); proxies and load balancers (haproxy,
// nginx, squid); and a DNS server.
//
// # Where a program is missing
//
// `make deps` installs them by name. A test that does not reach its program is
// skipped and says that it is "not here"; where KOYOMI_REQUIRE is set, as in
// `make test`, it fails. No test passes without having met its program: each
// counts what the other side has seen.
//
// # How they run
//
// Every program runs in the foreground, with files in a folder of the test, in a
// process group of its own that is ended by its id. It listens on an address of
// the loopback network that is the test's alone (see newHost in the tests), so
// that fixed ports can be used and runs beside each other do not collide. Samba
// needs the ports 88, 389 and 636 and therefore root; everything else runs for
// anybody.
//
// A wait has a limit so that a test ends; no limit decides whether it passes
// but those that the protocol gives (ten seconds from a new password to work).
package foreign
