package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func noEnv(string) string { return "" }

// write puts text into a file called koyomi.yaml and returns its name.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "koyomi.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestConfigValuesInRisingOrder(t *testing.T) {
	t.Parallel()
	file := write(t, `
log: {level: warn, format: json}
organisation:
  sip_domains: [a.example, b.example]
safety:
  settle: 1s
mailboxes:
  - address: aya@example.com
    aliases: [a@example.com]
`)
	env := map[string]string{"KOYOMI_LOG_FORMAT": "text", "KOYOMI_SAFETY_SETTLE": "2s", "KOYOMI_ORGANISATION_JITSI_HOSTS": "x.example, y.example"}
	var c connectorConfig
	err := loadConfig(&c, file, func(k string) string { return env[k] }, []string{"safety.settle=4s"})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Log.Level, c.Log.Format, c.Safety.Settle, c.Safety.DraftSettle, c.Organisation.SIPDomains, c.Organisation.JitsiHosts, c.Mailboxes}
	want := []any{"warn", "text", 4 * time.Second, 2 * time.Minute, []string{"a.example", "b.example"}, []string{"x.example", "y.example"},
		[]mailboxConfig{{Address: "aya@example.com", Aliases: []string{"a@example.com"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestConfigMistakesAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, set, env, want string }{
		{"unknown key", "data: /x\nexchange:\n  user: svc\n", "", "", `koyomi.yaml:3: there is no key "user" in exchange; allowed are url, autodiscover, directory, username, `},
		{"unknown key at the top", "datta: /x\n", "", "", `koyomi.yaml:1: there is no key "datta" in the configuration; allowed are data, log,`},
		{"unknown key in a list", "mailboxes:\n  - address: a@example.com\n  - adress: b@example.com\n", "", "", `koyomi.yaml:3: there is no key "adress" in mailboxes; allowed are address,`},
		{"number for a text", "exchange:\n  url: 5\n", "", "", `koyomi.yaml:2: exchange.url is a text: put it in quotes`},
		{"text for a time", "safety:\n  settle: soon\n", "", "", `koyomi.yaml:2: safety.settle: "soon" is not a time such as 3s, 2m or 168h`},
		{"text for a number", "safety:\n\n  writes_per_hour: many\n", "", "", `koyomi.yaml:3: safety.writes_per_hour: "many" is not a whole number, 0 or more`},
		{"negative number", "safety:\n  writes_per_hour: -1\n", "", "", `koyomi.yaml:2: safety.writes_per_hour: "-1" is not a whole number, 0 or more`},
		{"value not in the list", "log:\n  level: loud\n", "", "", `koyomi.yaml:2: log.level: "loud" is not known; allowed are debug, info, warn, error`},
		{"text for a list", "mailboxes: aya@example.com\n", "", "", `koyomi.yaml:1: mailboxes is a list: begin each entry on a line of its own with "- "`},
		{"text for a group", "exchange: https://x.example\n", "", "", `koyomi.yaml:1: exchange is a group of keys, one per line: url, autodiscover,`},
		{"group for a text", "data:\n  url: x\n", "", "", `koyomi.yaml:2: data is a text`},
		{"list at the top", "- a\n", "", "", `koyomi.yaml:1: the configuration is a group of keys`},
		{"key twice", "data: /a\ndata: /b\n", "", "", `koyomi.yaml:2: this is not valid YAML: `},
		{"not YAML", "data: [\n", "", "", `koyomi.yaml:1: this is not valid YAML: `},
		{"anchor", "log: &l {level: info}\n", "", "", `koyomi.yaml:1: anchors, aliases and tags are not supported`},
		{"flag without value", "", "log.level", "", `--set takes key=value`},
		{"flag with unknown key", "", "log.lvel=info", "", `there is no key "log.lvel"`},
		{"flag with wrong value", "", "log.level=loud", "", `--set log.level: "loud" is not known; allowed are debug, info, warn, error`},
		{"variable with wrong value", "", "", "loud", `KOYOMI_LOG_LEVEL: "loud" is not known`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var set []string
			if tt.set != "" {
				set = []string{tt.set}
			}
			err := loadConfig(&connectorConfig{}, write(t, tt.file), func(k string) string {
				if k == "KOYOMI_LOG_LEVEL" {
					return tt.env
				}
				return ""
			}, set)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant …%s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestConfigFileMissing(t *testing.T) {
	t.Parallel()
	err := loadConfig(&kmsConfig{}, filepath.Join(t.TempDir(), "none.yaml"), noEnv, nil)
	if err == nil || !strings.Contains(err.Error(), "there is no such configuration file; `koyomi config ROLE` prints one") {
		t.Error(err)
	}
}

// TestSampleLoads: the sample is a valid configuration as printed, and with
// every commented value put in place.
func TestSampleLoads(t *testing.T) {
	t.Parallel()
	commented := regexp.MustCompile(`(?m)^( *)#([a-z_]+: [^'\s].*|[a-z_]+: '.+')$`)
	for _, r := range roles() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			sample(&b, r.name, r.config())
			config := r.config()
			if err := loadConfig(config, write(t, b.String()), noEnv, nil); err != nil {
				t.Fatalf("%v\n%s", err, b.String())
			}
			if err := config.(interface{ check() error }).check(); err != nil {
				t.Errorf("the sample does not pass its own check: %v", err)
			}
			whole := commented.ReplaceAllString(b.String(), "$1$2")
			again := r.config()
			if err := loadConfig(again, write(t, whole), noEnv, nil); err != nil {
				t.Fatalf("%v\n%s", err, whole)
			}
		})
	}
}

// TestEveryKeyIsDescribed walks all fields: a key, a sentence, and no type that
// the loader does not know.
func TestEveryKeyIsDescribed(t *testing.T) {
	t.Parallel()
	var walk func(t *testing.T, typ reflect.Type, prefix string)
	walk = func(t *testing.T, typ reflect.Type, prefix string) {
		for i := range typ.NumField() {
			f, tags := typ.Field(i), tagsOf(typ.Field(i))
			if tags.key == "" || tags.help == "" || strings.HasSuffix(tags.help, ".") {
				t.Errorf("%s%s: needs a key and a sentence without its full stop", prefix, f.Name)
			}
			switch {
			case f.Type.Kind() == reflect.Struct:
				walk(t, f.Type, join(prefix, tags.key)+".")
			case isList(f.Type):
				walk(t, f.Type.Elem(), join(prefix, tags.key)+".")
			}
		}
	}
	for _, r := range roles() {
		walk(t, reflect.TypeOf(r.config()).Elem(), r.name+": ")
	}
}

func TestConfigDocumentIsCurrent(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	markdown(&b)
	const name = "../../docs/config.md"
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(got), b.String()); d != "" {
		t.Errorf("docs/config.md is out of date; run make generate:\n%s", d)
	}
}

func TestConfigChecks(t *testing.T) {
	t.Parallel()
	good := func() *connectorConfig {
		var c connectorConfig
		var b bytes.Buffer
		sample(&b, "connector", &c)
		if err := loadConfig(&c, write(t, b.String()), noEnv, nil); err != nil {
			t.Fatal(err)
		}
		return &c
	}
	tests := []struct {
		name string
		edit func(*connectorConfig)
		want string
	}{
		{"as printed", func(*connectorConfig) {}, ""},
		{"http to a stranger", func(c *connectorConfig) { c.Exchange.URL = "http://mail.example.com/EWS/Exchange.asmx" }, "exchange.url: http is refused"},
		{"http to loopback", func(c *connectorConfig) { c.Exchange.URL = "http://127.0.0.1:1/EWS/Exchange.asmx" }, ""},
		{"http to a name that looks like loopback", func(c *connectorConfig) { c.KMS.URL = "http://localhost.example.com" }, "kms.url: http is refused"},
		{"password in an address", func(c *connectorConfig) { c.Cloud.URL = "https://a:b@x.example" }, "cloud.url: no user or password"},
		{"no address", func(c *connectorConfig) { c.Cloud.URL = "cloud" }, `cloud.url: "cloud" is not an address`},
		{"nothing", func(c *connectorConfig) { c.Exchange.Username = "" }, "exchange.username is missing"},
		{"metrics for everybody", func(c *connectorConfig) { c.Admin.Listen = "0.0.0.0:8490" }, "admin.listen: 0.0.0.0:8490 can be reached by others"},
		{"settle", func(c *connectorConfig) { c.Safety.Settle = time.Hour }, "safety.settle: 1h0m0s is over the limit of 1m0s"},
		{"bad address", func(c *connectorConfig) { c.Mailboxes[0].Address = "Aya <aya@example.com>" }, "entry 1 needs an address"},
		{"same address twice", func(c *connectorConfig) {
			c.Mailboxes = append(c.Mailboxes, mailboxConfig{Address: "AYA@example.com"})
		}, "entries 1 and 2 have the same address"},
		{"keyword", func(c *connectorConfig) { c.Keywords[0].Word = "meet" }, "is no keyword"},
		{"unknown service", func(c *connectorConfig) { c.Keywords[0].Service = "x" }, `names the service "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good()
			tt.edit(c)
			err := c.check()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestListenersThatOthersReachNeedACertificate(t *testing.T) {
	t.Parallel()
	for listen, tls := range map[string]tlsConfig{"0.0.0.0:443": {}, ":443": {}, "[::]:443": {}, "127.0.0.1:1": {CertFile: "x"}} {
		if err := tls.check(listen); err == nil {
			t.Errorf("%s was accepted", listen)
		}
	}
	for listen, tls := range map[string]tlsConfig{"127.0.0.1:443": {}, "[::1]:443": {}, "0.0.0.0:443": {CertFile: "a", KeyFile: "b"}} {
		if err := tls.check(listen); err != nil {
			t.Errorf("%s: %v", listen, err)
		}
	}
}
