package foreign

import (
	"context"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// TestAutodiscoverBySRV finds a mailbox from nothing but its address: a DNS
// server says by an SRV record where Autodiscover is, and there the simulator
// says where the mailbox is.
func TestAutodiscoverBySRV(t *testing.T) {
	t.Parallel()
	const dnsmasq = "/usr/sbin/dnsmasq"
	need(t, "dnsmasq-base", dnsmasq)
	s := serve(t, ewstest.Options{TLS: true, Domain: "branch.example"})
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	dir, host := t.TempDir(), newHost(t)
	p := start(t, "dnsmasq", exec.Command(dnsmasq, "--keep-in-foreground", "--log-facility=-", "--log-queries", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
		"--no-poll", "--user=", "--pid-file="+dir+"/pid", "--listen-address="+host, "--port=5353", "--bind-interfaces", "--local=/example/",
		"--host-record=localhost.branch.example,127.0.0.1", "--srv-host=_autodiscover._tcp.branch.example,localhost,"+at.Port()))
	if err := p.listens(net.JoinHostPort(host, "5353")); err != nil {
		t.Fatal(err)
	}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, "5353"))
	}}
	dialer := &net.Dialer{Resolver: resolver}
	origin := "localhost:" + at.Port()
	trust, err := ews.NewTrust([]ews.HostRule{{Host: origin, State: ews.HostAllowed, Origin: "test"}, {Host: at.Host, State: ews.HostAllowed, Origin: "test"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ews.NewDiscoverer(ews.DiscovererOptions{
		Options: ews.Options{
			Credentials: ews.Credentials{Username: "svc@branch.example", Password: ews.NewSecret(password)},
			RootCAs:     trusting(s.CA), DialContext: dialer.DialContext,
		},
		Trust: trust, Resolver: resolver,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	box := "user0001@branch.example"
	found := d.Find(limited(t), box)
	if len(found) != 1 || found[0].Err != nil || found[0].EWSURL == "" {
		t.Fatalf("found %+v\ndnsmasq:\n%s", found, p.last(60))
	}
	if said := p.last(100); !strings.Contains(said, "_autodiscover._tcp.branch.example") {
		t.Errorf("nobody has asked for the SRV record:\n%s", said)
	}
	t.Logf("found %s by %+v", found[0].EWSURL, found[0].Steps)
	sent(t, s, "GetUserSettings")
}
