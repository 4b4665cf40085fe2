package ewstest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// mostRequest bounds a request's body, as IIS does for EWS.
const mostRequest = 64 << 20

// request is one call while it is being answered.
type request struct {
	s      *Server
	http   *http.Request
	out    http.ResponseWriter
	header *wire.Element // of the envelope
	body   *wire.Element // the operation
	login  string
	own    *mailbox       // of the login
	back   *backEnd       // that the front end chose
	as     *mailbox       // whose mailbox "calendar" means: the impersonated one, or own
	zone   *time.Location // times are shown in it
	w      *wire.Writer
	call   Call
	fault  Fault

	abort     *failure // found while the answer was being written, and ends the whole request
	streaming bool     // the answer is written by the operation
}

// Handler returns the handler that answers EWS at [Path] in any case.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer s.handler.Done()
		if s.giveToken(w, r) || s.autodiscover(w, r) {
			return
		}
		if !strings.EqualFold(r.URL.Path, Path) {
			http.NotFound(w, r)
			return
		}
		(&request{s: s, http: r, out: w, w: &wire.Writer{}, zone: time.UTC}).serve()
	})
}

// serve takes a request through login, reading, script and operation.
func (r *request) serve() {
	if r.http.Method != http.MethodPost && r.s.traits.noChallenge {
		r.out.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	login, box, ok := r.s.authenticate(r.out, r.http)
	if !ok {
		r.login = login
		r.challenge()
		return
	}
	r.login, r.own, r.as = login, box, box
	r.call = Call{At: r.s.now(), Login: login, Anchor: r.http.Header.Get("X-AnchorMailbox"), Header: r.http.Header.Clone()}
	r.call.Header.Del("Authorization")
	if c := r.http.CookiesNamed(overrideCookie); len(c) > 0 {
		r.call.Affinity = c[len(c)-1].Value
	}
	r.call.Header.Del("Cookie")
	if r.http.Method != http.MethodPost {
		r.page(http.StatusOK, "<html><head><title>Service</title></head><body>You have created a service.</body></html>")
		return
	}
	if r.s.traits.noChunks && r.http.ContentLength < 0 {
		r.page(http.StatusBadRequest, "")
		return
	}
	if !r.route() {
		r.page(http.StatusServiceUnavailable, unavailablePage)
		return
	}
	if err := r.read(); err != nil {
		r.answer(err)
		return
	}
	r.describe()
	release, err := r.charge()
	if err != nil {
		r.answer(err)
		return
	}
	defer release()
	r.lag()
	if strings.HasPrefix(r.call.Op, "Sync") {
		leave, err := r.enterSync()
		if err != nil {
			r.begin()
			r.syncFailure(err)
			r.answer(nil)
			return
		}
		defer leave()
	}
	if r.script() {
		return
	}
	r.answer(r.run())
}

// lag waits for as long as the server takes, which the seed and the number of
// the request decide.
func (r *request) lag() {
	o := &r.s.opt
	wait := o.Latency
	if o.Jitter > 0 {
		g := pseudoGUID("lag", o.Seed<<32+r.s.lags.Add(1))
		wait += time.Duration(binary.BigEndian.Uint64(g[:8]) % uint64(o.Jitter))
	}
	if wait > 0 {
		r.wait(wait)
	}
}

// wait waits, unless the client or the server goes away.
func (r *request) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.http.Context().Done():
	case <-r.s.done:
	}
}

// challenge refuses a request that says not or wrongly who it is.
func (r *request) challenge() {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.http.Body, 1<<20))
	if r.out.Header().Get("WWW-Authenticate") == "" {
		r.s.offer(r.out.Header())
	}
	if r.s.traits.prefix == "s" {
		r.out.Header()["X-FEServer"] = []string{r.s.backs[0].short()}
	}
	r.s.refuse(r.out, r.login)
}

// page answers outside SOAP.
func (r *request) page(status int, html string) {
	r.call.Status = status
	r.nameServers(r.out.Header())
	r.s.log(r.call)
	r.out.Header().Set("Content-Type", "text/html; charset=utf-8")
	r.out.WriteHeader(status)
	_, _ = io.WriteString(r.out, html)
}

// read parses the request and finds out who calls for whom.
func (r *request) read() error {
	data, err := io.ReadAll(http.MaxBytesReader(r.out, r.http.Body, mostRequest))
	r.call.Request = len(data)
	if err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return &failure{code: "ErrorRequestStreamTooBig", text: textOf("ErrorRequestStreamTooBig"), fault: true}
		}
		return &failure{code: "ErrorInvalidRequest", text: "The request ended before its end.", fault: true, status: http.StatusBadRequest}
	}
	root, err := wire.Parse(data, wire.Limits{Bytes: mostRequest, Depth: 100, Elements: 500_000})
	if err != nil {
		return schemaViolation("%v", err)
	}
	if r.body = root.Body(); r.body == nil {
		return schemaViolation("the envelope has no body")
	}
	r.call.Op = strings.TrimSuffix(r.body.Name, "Request")
	r.header = root.Child("Header")
	if err := r.version(); err != nil {
		return err
	}
	if err := r.impersonate(r.header.Child("ExchangeImpersonation")); err != nil {
		return err
	}
	if err := r.mailboxVersion(); err != nil {
		return err
	}
	if id := r.header.Find("TimeZoneContext", "TimeZoneDefinition").Attr("Id"); id != "" && !r.s.traits.utcOnly {
		r.zone = r.s.zones.location(id)
	}
	return nil
}

// version checks RequestServerVersion.
func (r *request) version() error {
	r.call.Version = r.header.Child("RequestServerVersion").Attr("Version")
	if r.call.Version == "" || r.s.traits.newest < 0 {
		return nil
	}
	i, newest := slices.Index(versions, r.call.Version), 0
	for _, b := range r.s.backs {
		newest = max(newest, b.traits.newest)
	}
	if i < 0 || i > newest {
		return faultOf("ErrorInvalidServerVersion")
	}
	return nil
}

// mailboxVersion checks RequestServerVersion against the server that the
// mailbox lives on, which is older than the front end in a mixed farm.
func (r *request) mailboxVersion() error {
	if newest := r.server().traits.newest; newest >= 0 && slices.Index(versions, r.call.Version) > newest {
		return faultOf("ErrorInvalidSchemaVersionForMailboxVersion")
	}
	return nil
}

// impersonate follows the ExchangeImpersonation header ([MS-OXWSCDATA]
// 2.2.4.31).
func (r *request) impersonate(e *wire.Element) error {
	if r.own != nil {
		r.call.Mailbox = r.own.address
	}
	if e == nil {
		return nil
	}
	sid := e.Child("ConnectingSID")
	var who string
	for _, name := range []string{"PrimarySmtpAddress", "SmtpAddress", "PrincipalName"} {
		if v := strings.TrimSpace(sid.Value(name)); v != "" {
			who = v
		}
	}
	if sid.Child("SID") != nil && r.s.traits.fewIDFormats {
		return faultOf("ErrorImpersonationFailed")
	}
	if who == "" {
		return faultOf("ErrorInvalidExchangeImpersonationHeaderData")
	}
	r.s.mu.RLock()
	b := r.s.names[strings.ToLower(who)]
	r.s.mu.RUnlock()
	switch {
	case b == nil && r.s.traits.faultsWith200:
		return faultOf("ErrorCannotFindUser")
	case b == nil:
		return faultOf("ErrorNonExistentMailbox")
	case b != r.own && (!r.s.isService(r.login) || r.denied(b)):
		return faultOf("ErrorImpersonateUserDenied")
	}
	r.as, r.call.Mailbox = b, b.address
	return nil
}

func (r *request) denied(b *mailbox) bool {
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	return b.denied
}

// describe notes what the call log keeps.
func (r *request) describe() {
	for _, name := range []string{"SendMeetingInvitations", "SendMeetingInvitationsOrCancellations", "SendMeetingCancellations"} {
		if v := r.body.Attr(name); v != "" {
			r.call.SendMode = v
		}
	}
	r.call.Conflict = r.body.Attr("ConflictResolution")
	for e := range r.body.Child("ItemIds").All("ItemId") {
		r.call.Items = append(r.call.Items, strings.Clone(e.Attr("Id")))
	}
	for e := range r.body.Child("ItemChanges").All("ItemChange") {
		for _, id := range e.Children {
			if v := cmpID(id); v != "" {
				r.call.Items = append(r.call.Items, strings.Clone(v))
			}
		}
	}
	for e := range r.body.Child("SubscriptionIds").All("SubscriptionId") {
		r.call.Subs = append(r.call.Subs, strings.Clone(e.Text))
	}
	if id := r.body.Value("SubscriptionId"); id != "" {
		r.call.Subs = append(r.call.Subs, strings.Clone(id))
	}
}

// cmpID returns the id in one of the three elements that name an item.
func cmpID(e *wire.Element) string {
	switch e.Name {
	case "ItemId":
		return e.Attr("Id")
	case "OccurrenceItemId":
		return e.Attr("RecurringMasterId")
	case "RecurringMasterItemId":
		return e.Attr("OccurrenceId")
	}
	return ""
}

// script lets a scripted fault strike. It returns true where that was the
// whole answer.
func (r *request) script() bool {
	r.fault = r.s.strike(r.call)
	if r.fault.Delay > 0 {
		r.wait(r.fault.Delay)
	}
	if r.fault.Location != "" {
		r.out.Header().Set("Location", r.fault.Location)
	}
	if r.fault.RetryAfter > 0 {
		r.out.Header().Set("Retry-After", strconv.Itoa(int(r.fault.RetryAfter/time.Second)))
	}
	if r.fault.Status == http.StatusUnauthorized {
		r.call.Status = r.fault.Status
		r.s.log(r.call)
		r.challenge()
		return true
	}
	if r.fault.Status != 0 {
		r.page(r.fault.Status, r.fault.Page)
		return true
	}
	return false
}

// run does what the call asks for.
func (r *request) run() error {
	do := r.operation()
	if do == nil {
		if r.s.traits.faultsWith200 {
			return &failure{code: "ErrorInvalidOperation", text: "unknown operation", fault: true, status: 500}
		}
		return schemaViolation("the element %q is not an operation of this server", r.call.Op)
	}
	planned := r.fault.failure()
	if planned != nil && planned.fault && !r.fault.SavedNotMailed {
		return planned
	}
	err := do(r)
	if err == nil && planned != nil && planned.fault {
		return planned
	}
	return err
}

// answer writes what has been made, or the fault.
func (r *request) answer(err error) {
	if r.streaming {
		return
	}
	status := http.StatusOK
	doc := r.w
	if err == nil && r.abort != nil {
		err = r.abort
	}
	if f := failureOf(err); f != nil {
		r.told(f)
		status, doc = r.faultDocument(f)
		r.call.Code = f.code
	}
	r.call.Status = status
	r.nameServers(r.out.Header())
	r.s.log(r.call)
	r.write(status, doc.Bytes())
}

// pack compresses a document. Writers are kept: a new one costs a megabyte.
func (s *Server) pack(doc []byte) []byte {
	var b bytes.Buffer
	z, is := s.packers.Get().(*gzip.Writer)
	if is {
		z.Reset(&b)
	} else {
		z, _ = gzip.NewWriterLevel(&b, gzip.BestSpeed) // fails for a level out of range only
	}
	_, _ = z.Write(doc)
	_ = z.Close()
	s.packers.Put(z)
	return b.Bytes()
}

// write sends a document, whole or as the script wants it.
func (r *request) write(status int, doc []byte) {
	if r.fault.DropAnswer {
		r.hangUp()
		return
	}
	if r.fault.Illegal {
		doc = spoil(doc)
	}
	h := r.out.Header()
	h.Set("Content-Type", "text/xml; charset=utf-8")
	h.Set("Date", r.s.now().UTC().Format(http.TimeFormat))
	if id := r.http.Header.Get("client-request-id"); id != "" && r.http.Header.Get("return-client-request-id") == "true" {
		h.Set("client-request-id", id)
	}
	if short := r.fault.EndAfterBytes; short > 0 && short < len(doc) {
		doc = doc[:short]
	}
	if len(doc) > 512 && strings.Contains(r.http.Header.Get("Accept-Encoding"), "gzip") {
		doc = r.s.pack(doc)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(doc)))
	r.out.WriteHeader(status)
	if cut := r.fault.CutAfterBytes; cut > 0 && cut < len(doc) {
		_, _ = r.out.Write(doc[:cut])
		_ = http.NewResponseController(r.out).Flush()
		r.hangUp()
		return
	}
	_, _ = r.out.Write(doc)
}

// hangUp closes the connection under the client.
func (r *request) hangUp() {
	if conn, _, err := http.NewResponseController(r.out).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// operation returns what answers the call, or nil.
func (r *request) operation() func(*request) error {
	if r.body.Space != wire.NSMessages && !r.s.traits.faultsWith200 {
		return nil
	}
	switch r.call.Op {
	case "ConvertId":
		return (*request).convertID
	case "FindItem":
		return (*request).findItem
	case "GetFolder":
		return (*request).getFolder
	case "GetItem":
		return (*request).getItem
	case "SyncFolderItems":
		return (*request).syncFolderItems
	case "Subscribe":
		return (*request).subscribe
	case "GetStreamingEvents":
		return (*request).getStreamingEvents
	case "Unsubscribe":
		return (*request).unsubscribe
	case "CreateItem":
		return (*request).createItem
	case "UpdateItem":
		return (*request).updateItem
	case "DeleteItem":
		return (*request).deleteItem
	case "MoveItem":
		return (*request).moveItem
	case "CopyItem":
		return (*request).copyItem
	case "GetUserOofSettings":
		return (*request).getUserOofSettings
	case "SetUserOofSettings":
		return (*request).setUserOofSettings
	case "GetUserAvailability":
		return (*request).getUserAvailability
	}
	return r.furtherOperation()
}

// furtherOperation returns what only other people's clients call.
func (r *request) furtherOperation() func(*request) error {
	if r.s.traits.fewIDFormats && r.call.Op == "GetServerTimeZones" {
		return nil
	}
	switch r.call.Op {
	case "CreateFolder":
		return (*request).createFolder
	case "DeleteFolder":
		return (*request).deleteFolder
	case "FindFolder":
		return (*request).findFolder
	case "SyncFolderHierarchy":
		return (*request).syncFolderHierarchy
	case "GetServerTimeZones":
		return (*request).getServerTimeZones
	case "GetUserConfiguration":
		return (*request).getUserConfiguration
	}
	return nil
}
