package ewstest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// TestMain looks for goroutines that were left, and, where KOYOMI_SCHEMA names
// its folder, holds every answer that the tests got against the schema.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		for _, c := range validateAll() {
			code = 1
			fmt.Fprintln(os.Stderr, "schema:", c)
		}
		os.Exit(code)
	}))
}

// noon is the clock of most tests: a Monday.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	svc   = "svc@example.com"
	user1 = "user0001@example.com"
	user2 = "user0002@example.com"
	user3 = "user0003@example.com"
	room  = "room@example.com"
)

// rig is a server with a client that writes its requests by hand.
type rig struct {
	t      *testing.T
	s      *Server
	client *http.Client

	mu   sync.Mutex
	docs [][]byte // answers to hold against the schema
}

// newRig starts a server on pipes in memory. Unless o.Now is set its clock
// stands at noon.
func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	if o.Users == 0 {
		o.Users = 3
	}
	s := NewServer(o)
	s.AddMailbox(room, "Room 1", AsRoom(DefaultRoom()))
	l := newPipeListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	r := &rig{t: t, s: s, client: &http.Client{Transport: &http.Transport{DialContext: l.dial, DisableCompression: true}}}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		s.Close()
		_ = l.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		r.validate()
	})
	return r
}

// pipeListener is a net.Listener without ports.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// envelope wraps the body of a request that is made for a mailbox.
func envelope(mailbox, body string) string {
	header := `<t:RequestServerVersion Version="Exchange2013_SP1"/>`
	if mailbox != "" {
		header += `<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>` + mailbox +
			`</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>`
	}
	return `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="` + wire.NSSoap + `" xmlns:m="` + wire.NSMessages + `" xmlns:t="` +
		wire.NSTypes + `"><s:Header>` + header + `</s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    []byte
	body   *wire.Element // what is in the SOAP body; nil where there is none
}

// send posts a request as it is.
func (r *rig) send(login, password, doc string, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://exchange.example.com"+Path, strings.NewReader(doc))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth(login, password)
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, raw: raw}
	if root, err := wire.Parse(raw, wire.Limits{}); err == nil {
		a.body = root.Body()
	}
	return a
}

// as posts the body of a request as the service account for a mailbox and
// returns the operation's answer.
func (r *rig) as(mailbox, body string) *wire.Element {
	r.t.Helper()
	a := r.send(svc, "password", envelope(mailbox, body))
	if a.status != http.StatusOK || a.body == nil || a.body.Name == "Fault" {
		r.t.Fatalf("status %d: %s", a.status, a.raw)
	}
	r.keep(a.raw)
	return a.body
}

// one is as for a request with one response message, which it returns.
func (r *rig) one(mailbox, body string) *wire.Element {
	r.t.Helper()
	res := r.as(mailbox, body).Child("ResponseMessages")
	if res == nil || len(res.Children) != 1 {
		r.t.Fatal("not one response message")
	}
	return res.Children[0]
}

// ok is one for a request that succeeds.
func (r *rig) ok(mailbox, body string) *wire.Element {
	r.t.Helper()
	m := r.one(mailbox, body)
	if code := m.Value("ResponseCode"); code != "NoError" {
		r.t.Fatalf("%s: %s", code, m.Value("MessageText"))
	}
	return m
}

// code is the response code of a request with one response message, or of the
// fault.
func (r *rig) code(mailbox, body string) string {
	r.t.Helper()
	return r.codeAs(svc, mailbox, body)
}

func (r *rig) codeAs(login, mailbox, body string) string {
	r.t.Helper()
	a := r.send(login, "password", envelope(mailbox, body))
	if a.body == nil {
		return fmt.Sprint(a.status)
	}
	if a.body.Name == "Fault" {
		code := a.body.Value("faultcode")
		return code[strings.IndexByte(code, ':')+1:]
	}
	r.keep(a.raw)
	if res := a.body.Child("ResponseMessages"); res != nil {
		return res.Children[0].Value("ResponseCode")
	}
	return a.body.Value("ResponseMessage", "ResponseCode")
}

// keep holds an answer back for the schema.
func (r *rig) keep(raw []byte) {
	_, rest, ok := bytes.Cut(raw, []byte("Body xmlns:xsi="))
	if !ok {
		return
	}
	_, rest, _ = bytes.Cut(rest, []byte(">"))
	i := bytes.LastIndex(rest, []byte("</"+r.s.traits.prefix+":Body>"))
	if i < 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.docs = append(r.docs, rest[:i])
}

// keepStream holds a document of a stream back for the schema. What gromox
// writes there is listed in doc.go as outside of it.
func (r *rig) keepStream(doc []byte) {
	_, rest, ok := bytes.Cut(doc, []byte(`<soap11:Body xmlns:soap11="`+wire.NSSoap+`">`))
	if i := bytes.LastIndex(rest, []byte("</soap11:Body>")); ok && i >= 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		d := bytes.ReplaceAll(rest[:i], []byte("<m:Notification>"), []byte("<t:Notification>"))
		r.docs = append(r.docs, bytes.ReplaceAll(d, []byte("</m:Notification>"), []byte("</t:Notification>")))
	}
}

// answers are those of all tests, by file name.
var kept struct {
	sync.Mutex
	docs map[string][]byte
}

// validate hands the answers over to what holds them against the published
// schema when all tests are done.
func (r *rig) validate() {
	kept.Lock()
	defer kept.Unlock()
	if kept.docs == nil {
		kept.docs = map[string][]byte{}
	}
	for i, d := range r.docs {
		kept.docs[fmt.Sprintf("%s-%03d.xml", strings.ReplaceAll(r.t.Name(), "/", "-"), i)] = d
	}
}

// validateAll runs xmllint over the answers, where the environment says in
// which folder the schema is, and returns what it complains about.
func validateAll() []string {
	from := os.Getenv("KOYOMI_SCHEMA")
	if from == "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "ews-schema")
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	xsd, err := schema(from, dir)
	if err != nil {
		return []string{err.Error()}
	}
	args := []string{"--noout", "--schema", xsd}
	for name, d := range kept.docs {
		if err := os.WriteFile(filepath.Join(dir, name), d, 0o600); err != nil {
			return []string{err.Error()}
		}
		args = append(args, filepath.Join(dir, name))
	}
	out, err := exec.Command("xmllint", args...).CombinedOutput()
	var complaints []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasSuffix(line, "validates\n") {
			line = strings.ReplaceAll(strings.TrimSpace(line), dir+"/", "")
			complaints = append(complaints, line[:min(len(line), 300)])
		}
	}
	if err != nil && len(complaints) == 0 {
		complaints = append(complaints, err.Error())
	}
	return complaints
}

// schema returns the path of Messages.xsd in a copy of the schema's folder in
// which types.xsd, which it imports, is Types.xsd: file systems that do not
// know the difference have only one of them.
func schema(from, dir string) (string, error) {
	for to, name := range map[string]string{"Messages.xsd": "Messages.xsd", "types.xsd": "Types.xsd", "Types.xsd": "Types.xsd", "xml.xsd": "xml.xsd"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "Messages.xsd"), nil
}

// The bodies of requests that most tests make.

func createMeeting(mode, fields string) string {
	return `<m:CreateItem SendMeetingInvitations="` + mode + `"><m:SavedItemFolderId><t:DistinguishedFolderId Id="calendar"/></m:SavedItemFolderId>` +
		`<m:Items><t:CalendarItem>` + fields + `</t:CalendarItem></m:Items></m:CreateItem>`
}

func attendees(list string, addresses ...string) string {
	out := "<t:" + list + ">"
	for _, a := range addresses {
		out += `<t:Attendee><t:Mailbox><t:EmailAddress>` + a + `</t:EmailAddress></t:Mailbox></t:Attendee>`
	}
	return out + "</t:" + list + ">"
}

func getItem(id string, fields ...string) string {
	return `<m:GetItem><m:ItemShape>` + shapeOf("IdOnly", fields...) + `</m:ItemShape><m:ItemIds><t:ItemId Id="` + id + `"/></m:ItemIds></m:GetItem>`
}

func shapeOf(base string, fields ...string) string {
	out := `<t:BaseShape>` + base + `</t:BaseShape>`
	if len(fields) == 0 {
		return out
	}
	out += `<t:AdditionalProperties>`
	for _, f := range fields {
		if strings.HasPrefix(f, "<") {
			out += f
		} else {
			out += `<t:FieldURI FieldURI="` + f + `"/>`
		}
	}
	return out + `</t:AdditionalProperties>`
}

func updateItem(id *wire.Element, conflict, mode string, changes ...string) string {
	return updateOf(`<t:ItemId Id="`+id.Attr("Id")+`" ChangeKey="`+id.Attr("ChangeKey")+`"/>`, conflict, mode, changes...)
}

func updateOf(id, conflict, mode string, changes ...string) string {
	return `<m:UpdateItem ConflictResolution="` + conflict + `" MessageDisposition="SaveOnly" SendMeetingInvitationsOrCancellations="` + mode +
		`"><m:ItemChanges><t:ItemChange>` + id + `<t:Updates>` + strings.Join(changes, "") + `</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>`
}

func setField(uri, element string) string {
	return `<t:SetItemField><t:FieldURI FieldURI="` + uri + `"/><t:CalendarItem>` + element + `</t:CalendarItem></t:SetItemField>`
}

func calendarView(from, to string, fields ...string) string {
	return `<m:FindItem Traversal="Shallow"><m:ItemShape>` + shapeOf("IdOnly", fields...) + `</m:ItemShape><m:CalendarView StartDate="` + from +
		`" EndDate="` + to + `"/><m:ParentFolderIds><t:DistinguishedFolderId Id="calendar"/></m:ParentFolderIds></m:FindItem>`
}

// itemOf returns the first item of a response message, and its ItemId.
func itemOf(m *wire.Element) (item, id *wire.Element) {
	items := m.Child("Items")
	if items == nil {
		items = m.Find("RootFolder", "Items")
	}
	if items == nil || len(items.Children) == 0 {
		return nil, nil
	}
	return items.Children[0], items.Children[0].Child("ItemId")
}

// create saves a calendar item and returns its id.
func (r *rig) create(mailbox, mode, fields string) *wire.Element {
	r.t.Helper()
	_, id := itemOf(r.ok(mailbox, createMeeting(mode, fields)))
	if id == nil {
		r.t.Fatal("no id")
	}
	return id
}

// get returns an item with the fields.
func (r *rig) get(mailbox, id string, fields ...string) *wire.Element {
	r.t.Helper()
	it, _ := itemOf(r.ok(mailbox, getItem(id, fields...)))
	return it
}

const tomorrow = `<t:Start>2026-11-24T10:00:00Z</t:Start><t:End>2026-11-24T11:00:00Z</t:End>`

// clientFor returns a client that trusts the server.
func clientFor(t *testing.T, s *Server) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if len(s.CA) > 0 && !pool.AppendCertsFromPEM(s.CA) {
		t.Fatal("the authority's certificate is not readable")
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}
