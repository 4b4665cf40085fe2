package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/exchange"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
)

// TestAutodiscoverConfig: the configuration names the hosts, and what is no host
// is refused before anything is asked.
func TestAutodiscoverConfig(t *testing.T) {
	t.Parallel()
	c := exchangeConfig{Username: "svc", Autodiscover: autodiscoverConfig{AllowedHosts: []string{"mail.example.com"}, BlockedHosts: []string{"example.com"}}}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	c.Directory.Servers = []string{"dc1.corp.example.com"}
	var o exchange.Options
	if err := c.find(&o, nil); err != nil || o.Autodiscover == nil || o.Directory == nil {
		t.Fatalf("%+v, %v", o, err)
	}
	if trust := o.Autodiscover.Trust; !trust.Allows("https://mail.example.com/x") || trust.Allows("https://example.com/x") || trust.Allows("https://other.example.com/") {
		t.Error("the hosts of the configuration are not those that are trusted")
	}
	direct := exchangeConfig{URL: "https://mail.example.com/EWS/Exchange.asmx", Username: "svc"}
	o = exchange.Options{}
	if err := direct.find(&o, nil); err != nil || o.Autodiscover != nil {
		t.Errorf("a direct address is looked for: %+v, %v", o.Autodiscover, err)
	}
	for _, host := range []string{"*.example.com", "https://mail.example.com", "a@b"} {
		c.Autodiscover.AllowedHosts = []string{host}
		if err := c.check(); err == nil || !strings.Contains(err.Error(), "exchange.autodiscover") {
			t.Errorf("%q is taken: %v", host, err)
		}
	}
	if err := (&exchangeConfig{Username: "svc"}).check(); err == nil || !strings.Contains(err.Error(), "exchange.url") {
		t.Errorf("neither address nor hosts: %v", err)
	}
}

// TestAutodiscoverCommands decides about hosts by command: what the configuration
// says goes before, and each decision is in the record.
func TestAutodiscoverCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := write(t, "data: "+dir+"\nexchange:\n  username: svc\n  autodiscover:\n    allowed_hosts: [mail.example.com]\n    blocked_hosts: [www.example.com]\n")
	settings, err := sqlite.OpenSettings(t.Context(), database(dir, "settings.db", true)) // as a connector that runs has it
	if err != nil {
		t.Fatal(err)
	}
	defer settings.Close()
	if err := settings.PutValue(t.Context(), "exchange.hosts.met", []byte(`[{"host":"met.example.com","state":"pending","origin":"srv"},{"host":"other.example.com","state":"pending","origin":"redirect"}]`)); err != nil {
		t.Fatal(err)
	}
	do := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := call(t, append([]string{"autodiscover", args[0], "--config", config}, args[1:]...)...)
		if code != want {
			t.Errorf("%v: exit code %d, %s%s", args, code, stdout, stderr)
		}
		return stdout + stderr
	}
	if out := do(0, "allow", "MET.example.com", "new.example.com:8443"); !strings.Contains(out, "met.example.com allowed\nnew.example.com:8443 allowed\n") {
		t.Error(out)
	}
	do(0, "block", "bad.example.com")
	do(0, "block", "www.example.com") // as the configuration has it
	if out := do(1, "block", "mail.example.com"); !strings.Contains(out, "exchange.autodiscover.allowed_hosts: take it out there") {
		t.Error(out)
	}
	for _, host := range []string{"*.example.com", "https://x.example.com/", ""} {
		do(2, "allow", host)
	}
	var list []knownHost
	if err := json.Unmarshal([]byte(do(0, "list", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range list {
		got = append(got, fmt.Sprint(h.Host, " ", h.State, " ", h.Origin, " ", h.By))
	}
	if want := []string{
		"bad.example.com blocked typed command", "mail.example.com allowed typed configuration", "met.example.com allowed srv command",
		"new.example.com:8443 allowed typed command", "other.example.com pending redirect ", "www.example.com blocked typed configuration",
	}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if out := do(0, "list"); !strings.Contains(out, "pending  other.example.com                        redirect\n") {
		t.Error(out)
	}
	do(0, "forget", "met.example.com")
	if out := do(0, "list"); !strings.Contains(out, "pending  met.example.com") {
		t.Error(out)
	}
	entries, err := settings.AuditSince(t.Context(), time.Time{}, 100)
	if err != nil || len(entries) != 5 || entries[0].Action != "autodiscover.allowed" || entries[0].Subject != "met.example.com" || entries[4].Action != "autodiscover.pending" {
		t.Errorf("%v %+v", err, entries)
	}
	c := connectorConfig{Data: dir, Exchange: exchangeConfig{Autodiscover: autodiscoverConfig{AllowedHosts: []string{"bad.example.com"}}}}
	c.withDecisions(&environment{ctx: t.Context()})
	if a := c.Exchange.Autodiscover; !slices.Equal(a.AllowedHosts, []string{"bad.example.com", "new.example.com:8443"}) || !slices.Equal(a.BlockedHosts, []string{"www.example.com"}) {
		t.Errorf("check takes %+v", a)
	}
}
