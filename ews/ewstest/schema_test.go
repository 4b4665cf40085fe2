package ewstest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// outside lists the shapes of answers that lie outside the published schema on
// purpose. Each is met by TestSchemaMatrix, which fails where one is not met
// any more, or where a document that has the shape validates as it is.
var outside = []outsider{
	{
		name: "fault",
		why:  "the published schema describes no SOAP fault; testdata/envelope.xsd does",
		is:   has(`:Fault>`), inside: asIs,
	}, {
		name: "fault in SOAP 1.2",
		why:  "seen from proxies in front of Exchange: the envelope is in the namespace of SOAP 1.2",
		is:   has(soap12), inside: replaced(soap12, wire.NSSoap),
	}, {
		name: "Notification of messages",
		why:  "in all traces and in the vendor's examples Notification is in the namespace of messages; the schema has it in that of types",
		is:   has(`<m:Notification>`), inside: replaced(`m:Notification>`, `t:Notification>`),
	}, {
		name: "bad ids without a namespace",
		why:  "a running gromox writes the ids in ErrorSubscriptionIds so",
		is:   has(`<SubscriptionId xmlns="">`), inside: replaced(`<SubscriptionId xmlns="">`, `<t:SubscriptionId>`, `</SubscriptionId>`, `</t:SubscriptionId>`),
	}, {
		name: "characters that XML forbids",
		why:  "Exchange passes on what is in a property, raw and as references; by script only",
		is:   has(`&#x0;`), inside: replaced(string(spoil([]byte("</t:Body>"))), "</t:Body>", string(spoil([]byte("</t:Subject>"))), "</t:Subject>", string(spoil([]byte("</t:Name>"))), "</t:Name>", string(spoil([]byte("</t:Location>"))), "</t:Location>"),
	}, {
		name: "document that ends early",
		why:  "load balancers and time-outs cut answers; by script only",
		is: func(doc []byte) bool {
			return bytes.Contains(doc, []byte("Envelope")) && !bytes.HasSuffix(bytes.TrimSpace(doc), []byte(":Envelope>")) && !bytes.HasSuffix(doc, []byte("</Envelope>"))
		},
	}, {
		name: "page of HTML",
		why:  "IIS answers so when the application under it is in trouble; by script only",
		is:   has(`<html`),
	}, {
		name: "answer of Autodiscover by SOAP",
		why:  "Autodiscover has schemas of its own, which are not published with this one; testdata/autodiscover.xsd is written from [MS-OXWSADISC] 2.2",
		is:   has(`GetUserSettingsResponseMessage`), inside: asIs,
	}, {
		name: "answer of Autodiscover by POX",
		why:  "as before; testdata/pox.xsd is written from [MS-OXDSCLI] 2.2.4",
		is:   has(`/autodiscover/responseschema/2006"`), inside: asIs,
	},
}

// outsider is one shape outside the schema.
type outsider struct {
	name, why string
	is        func(doc []byte) bool
	inside    func(doc []byte) []byte // makes of it what a schema describes; nil where nothing does
}

func has(text string) func([]byte) bool {
	return func(doc []byte) bool { return bytes.Contains(doc, []byte(text)) }
}

func asIs(doc []byte) []byte { return doc }

func replaced(pairs ...string) func([]byte) []byte {
	r := strings.NewReplacer(pairs...)
	return func(doc []byte) []byte { return []byte(r.Replace(string(doc))) }
}

// sheets are documents to hold against the schema, by name.
type sheets struct {
	mu   sync.Mutex
	docs map[string][]byte
}

func (s *sheets) add(name string, doc []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.docs == nil {
		s.docs = map[string][]byte{}
	}
	s.docs[fmt.Sprintf("%s-%03d", strings.NewReplacer(" ", "_", "/", "-").Replace(name), len(s.docs))] = bytes.Clone(doc)
}

// check holds every document against the schema: as it is, or, where it has a
// shape outside, as it would be inside. whole says that every shape of the
// table has to be met.
func (s *sheets) check(t *testing.T, whole bool) {
	t.Helper()
	raw, fixed := map[string][]byte{}, map[string][]byte{}
	met := map[string]int{}
	for name, doc := range s.docs {
		in := doc
		for _, o := range outside {
			if !o.is(doc) {
				continue
			}
			if raw[name] = doc; in != nil {
				if in = nil; o.inside != nil {
					in = o.inside(doc)
				}
				doc = in
			}
			met[o.name]++
		}
		if in != nil {
			fixed[name] = in
		}
	}
	for _, o := range outside {
		if whole && met[o.name] == 0 {
			t.Errorf("no answer has the shape %q any more: take it off the list (%s)", o.name, o.why)
		}
	}
	shown := 0
	for name, why := range lint(t, "envelope.xsd", fixed) {
		if shown++; shown <= 10 {
			t.Errorf("%s lies outside the schema and is not on the list: %.600s\n%.3000s", name, why, s.docs[name])
		}
	}
	complaints := lint(t, "published.xsd", raw)
	for name, doc := range raw {
		if complaints[name] == "" {
			t.Errorf("on the list of what lies outside the schema, and yet inside: %.1500s", doc)
		}
	}
	t.Logf("%d documents validate, %d of them only as they would be inside the schema", len(fixed), len(raw))
}

// lint validates documents with xmllint and returns what it has against those
// that are not valid. published.xsd is envelope.xsd without what the published
// schema lacks.
func lint(t *testing.T, schemaFile string, docs map[string][]byte) map[string]string {
	t.Helper()
	if len(docs) == 0 {
		return nil
	}
	dir := schemaFolder(t)
	args := []string{"--noout", "--nonet", "--schema", filepath.Join(dir, schemaFile)}
	for name, doc := range docs {
		path := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(path, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command("xmllint", args...).CombinedOutput()
	bad, good := map[string]string{}, 0
	for line := range strings.Lines(string(out)) {
		file, what, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), dir+"/"), ".xml")
		switch {
		case ok && what == " validates":
			good++
		case ok && docs[file] != nil && bad[file] == "":
			bad[file] = what
		}
	}
	if good+len(bad) != len(docs) || (err != nil) != (len(bad) > 0) {
		t.Fatalf("xmllint on %d documents: %v, %d valid, %d not\n%.2000s", len(docs), err, good, len(bad), out)
	}
	return bad
}

// schemaFolder is a folder with the published schema and the project's own
// parts beside it.
func schemaFolder(t *testing.T) string {
	t.Helper()
	from := os.Getenv("KOYOMI_SCHEMA")
	if from == "" {
		t.Skip("skipped: not here: KOYOMI_SCHEMA does not name the folder of the schema")
	}
	dir := t.TempDir()
	if _, err := schema(from, dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"envelope.xsd", "errors.xsd", "autodiscover.xsd", "pox.xsd", "poxsettings.xsd"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if name != "envelope.xsd" {
			continue
		}
		for _, ours := range []string{`<xs:element name="Fault" type="s:Fault"/>`, autodiscoverPart, poxPart} {
			if !bytes.Contains(data, []byte(ours)) {
				t.Fatalf("envelope.xsd has no line %s", ours)
			}
			data = bytes.ReplaceAll(data, []byte(ours), nil)
		}
		if err := os.WriteFile(filepath.Join(dir, "published.xsd"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The lines of envelope.xsd that let documents of Autodiscover in.
const (
	autodiscoverPart = `<xs:import namespace="http://schemas.microsoft.com/exchange/2010/Autodiscover" schemaLocation="autodiscover.xsd"/>`
	poxPart          = `<xs:import namespace="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006" schemaLocation="pox.xsd"/>`
)
