package ewstest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// The paths of Autodiscover, in any case: SOAP ([MS-OXWSADISC]), which gromox
// does not have, and plain XML ([MS-OXDSCLI]).
const (
	AutodiscoverSOAP = "/autodiscover/autodiscover.svc"
	AutodiscoverXML  = "/autodiscover/autodiscover.xml"
)

// mostUsers bounds the users in one GetUserSettings.
const mostUsers = 100

// Discovery is what Autodiscover says of a mailbox. The zero value is the
// truth: EWS is at the host that was asked.
type Discovery struct {
	EWSURL          string // external, and internal where InternalEWSURL is empty
	InternalEWSURL  string
	NoEWSURL        bool   // no setting for EWS, as where the virtual directory has no URLs
	Grouping        string // GroupingInformation; the name of the site where empty
	RedirectAddress string // the mailbox is known by another address elsewhere
	RedirectURL     string // another server is to be asked
	Online          bool   // the mailbox lives in Exchange Online
	Code            string // an error for this mailbox, such as InvalidUser or ServerBusy
}

// autodiscovery is what scripts have changed of Autodiscover.
type autodiscovery struct {
	mu    sync.Mutex
	boxes map[string]Discovery // by lower-case address; "": of all others
	to    string               // every request is redirected there
}

// SetDiscovery scripts what Autodiscover says of an address, also of one that
// has no mailbox; an empty address stands for all without a script of their own.
func (s *Server) SetDiscovery(address string, d Discovery) {
	s.auto.mu.Lock()
	defer s.auto.mu.Unlock()
	if s.auto.boxes == nil {
		s.auto.boxes = map[string]Discovery{}
	}
	s.auto.boxes[strings.ToLower(address)] = d
}

// RedirectAutodiscover answers every request to Autodiscover, before anybody
// signs in, with a redirect to a URL; an empty one ends that.
func (s *Server) RedirectAutodiscover(location string) {
	s.auto.mu.Lock()
	defer s.auto.mu.Unlock()
	s.auto.to = location
}

// autodiscover answers requests to Autodiscover; it returns false for others.
func (s *Server) autodiscover(w http.ResponseWriter, r *http.Request) bool {
	soap, xml := strings.EqualFold(r.URL.Path, AutodiscoverSOAP), strings.EqualFold(r.URL.Path, AutodiscoverXML)
	if !soap && !xml {
		return false
	}
	s.auto.mu.Lock()
	to := s.auto.to
	s.auto.mu.Unlock()
	switch {
	case to != "":
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
		return true
	case soap && s.traits.noProcessing: // gromox
		http.NotFound(w, r)
		return true
	}
	if soap {
		w.Header().Set("X-SOAP-Enabled", "True")
		w.Header().Set("X-WSSecurity-Enabled", "True")
		w.Header().Set("X-WSSecurity-For", "None")
		w.Header().Set("X-OAuth-Enabled", "True")
	}
	q := &request{s: s, http: r, out: w, w: &wire.Writer{}, zone: time.UTC}
	var ok bool
	if q.login, q.own, ok = s.authenticate(w, r); !ok {
		q.challenge()
		return true
	}
	q.call = Call{At: s.now(), Login: q.login, Op: "GetUserSettings", Anchor: r.Header.Get("X-AnchorMailbox"), Header: r.Header.Clone()}
	q.call.Header.Del("Authorization")
	q.call.Header.Del("Cookie")
	if xml {
		q.call.Op = "Autodiscover"
	}
	if q.script() {
		return true
	}
	if soap {
		q.getUserSettings()
	} else {
		q.autodiscoverXML()
	}
	return true
}

// discovery returns what is to be said of an address.
func (r *request) discovery(address string) (Discovery, *mailbox) {
	key := strings.ToLower(strings.TrimSpace(address))
	r.s.mu.RLock()
	b := r.s.names[key]
	r.s.mu.RUnlock()
	r.s.auto.mu.Lock()
	d, scripted := r.s.auto.boxes[key]
	if !scripted {
		d = r.s.auto.boxes[""]
	}
	r.s.auto.mu.Unlock()
	if b == nil && !scripted {
		d = Discovery{Code: "InvalidUser"}
	}
	if d.Online {
		d.EWSURL, d.InternalEWSURL = "https://outlook.office365.com/EWS/Exchange.asmx", ""
	}
	d.EWSURL = cmp.Or(d.EWSURL, r.origin()+Path)
	d.InternalEWSURL = cmp.Or(d.InternalEWSURL, d.EWSURL)
	d.Grouping = cmp.Or(d.Grouping, "Default-First-Site-Name")
	return d, b
}

// origin is scheme and host by which the client reaches the server.
func (r *request) origin() string {
	if r.http.TLS == nil {
		return "http://" + r.http.Host
	}
	return "https://" + r.http.Host
}

// getUserSettings answers a SOAP request ([MS-OXWSADISC] 3.1.4.2).
func (r *request) getUserSettings() {
	if r.http.Method != http.MethodPost {
		r.page(http.StatusOK, "<html><head><title>Service</title></head><body>You have created a service.</body></html>")
		return
	}
	body, failure := r.readUserSettings()
	if failure != "" {
		r.autodiscoverFault(failure)
		return
	}
	var users, names []string
	for u := range body.Find("Request", "Users").All("User") {
		users = append(users, strings.TrimSpace(u.Value("Mailbox")))
	}
	for n := range body.Find("Request", "RequestedSettings").All("Setting") {
		names = append(names, strings.TrimSpace(n.Text))
	}
	r.call.Items = slices.Clone(users)
	w := r.autodiscoverEnvelope()
	w.Start("GetUserSettingsResponseMessage", "xmlns", wire.NSAutodiscover)
	w.Start("Response", "xmlns:i", wire.NSXSI)
	switch {
	case len(users) == 0 || len(names) == 0:
		w.Leaf("ErrorCode", "InvalidRequest")
		w.Leaf("ErrorMessage", "The request is missing users or settings.")
	case len(users) > mostUsers:
		w.Leaf("ErrorCode", "InvalidRequest")
		w.Leaf("ErrorMessage", "The maximum number of users that can be specified in the request was exceeded.")
	default:
		w.Leaf("ErrorCode", "NoError")
		w.Leaf("ErrorMessage", "")
		w.Start("UserResponses")
		for _, u := range users {
			r.userResponse(w, u, names)
		}
		w.End()
	}
	r.answerXML(http.StatusOK, w)
}

// readUserSettings reads the request; a text is what is wrong with it.
func (r *request) readUserSettings() (body *wire.Element, wrong string) {
	data, err := io.ReadAll(http.MaxBytesReader(r.out, r.http.Body, 1<<20))
	r.call.Request = len(data)
	if err != nil {
		return nil, "The request is too large."
	}
	env, err := wire.Parse(data, wire.Limits{Bytes: 1 << 20, Depth: 32, Elements: 20_000})
	if err != nil || !env.Is(wire.NSSoap, "Envelope") {
		return nil, "The request is no SOAP envelope."
	}
	action := env.Find("Header", "Action")
	if !action.Is(wire.NSAddressing, "Action") || strings.TrimSpace(action.Text) != wire.NSAutodiscover+"/Autodiscover/GetUserSettings" ||
		!env.Body().Is(wire.NSAutodiscover, "GetUserSettingsRequestMessage") {
		return nil, "The message with Action '" + strings.TrimSpace(env.Find("Header").Value("Action")) + "' cannot be processed at the receiver, due to a ContractFilter mismatch at the EndpointDispatcher."
	}
	if v := env.Find("Header", "RequestedServerVersion"); !v.Is(wire.NSAutodiscover, "RequestedServerVersion") || !strings.HasPrefix(v.Text, "Exchange") {
		return nil, "The RequestedServerVersion header is missing or wrong."
	}
	return env.Body(), ""
}

// autodiscoverEnvelope begins an answer by SOAP. Here the parts of the version
// are elements.
func (r *request) autodiscoverEnvelope() *wire.Writer {
	w := r.w
	w.Declaration()
	w.Start("s:Envelope", "xmlns:s", wire.NSSoap, "xmlns:a", wire.NSAddressing)
	w.Start("s:Header")
	w.Leaf("a:Action", wire.NSAutodiscover+"/Autodiscover/GetUserSettingsResponse", "s:mustUnderstand", "1")
	w.Start("h:ServerVersionInfo", "xmlns:h", wire.NSAutodiscover, "xmlns:i", wire.NSXSI)
	for i, name := range []string{"MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber"} {
		w.Leaf("h:"+name, strconv.Itoa(r.s.traits.build[i]))
	}
	w.Leaf("h:Version", "Exchange2015")
	w.End()
	w.End()
	w.Start("s:Body")
	return w
}

// autodiscoverFault answers a request that is none.
func (r *request) autodiscoverFault(text string) {
	w := r.w
	w.Declaration()
	w.Start("s:Envelope", "xmlns:s", wire.NSSoap)
	w.Start("s:Body")
	w.Start("s:Fault")
	w.Leaf("faultcode", "a:ActionNotSupported", "xmlns:a", wire.NSAddressing)
	w.Leaf("faultstring", text, "xml:lang", "en-US")
	r.call.Code = "ActionNotSupported"
	r.answerXML(http.StatusInternalServerError, w)
}

// userResponse writes what is said of one user.
func (r *request) userResponse(w *wire.Writer, address string, names []string) {
	d, b := r.discovery(address)
	code, target, message := cmp.Or(d.Code, "NoError"), "", "No error."
	switch {
	case d.RedirectAddress != "":
		code, target, message = "RedirectAddress", d.RedirectAddress, "Redirection address."
	case d.RedirectURL != "":
		code, target, message = "RedirectUrl", d.RedirectURL, "Redirection URL."
	case code != "NoError":
		message = "The request for this user failed."
		if r.call.Code == "" {
			r.call.Code = code
		}
	}
	w.Start("UserResponse")
	w.Leaf("ErrorCode", code)
	w.Leaf("ErrorMessage", message)
	if target != "" {
		w.Leaf("RedirectTarget", target)
	} else {
		w.Leaf("RedirectTarget", "", "i:nil", "true")
	}
	values := map[string]string{}
	if code == "NoError" {
		values = r.userSettings(d, b, address)
	}
	w.Start("UserSettingErrors")
	for _, n := range names {
		if _, has := values[n]; !has && code == "NoError" {
			w.Start("UserSettingError")
			w.Leaf("ErrorCode", "SettingIsNotAvailable")
			w.Leaf("ErrorMessage", "The setting is not available.")
			w.Leaf("SettingName", n)
			w.End()
		}
	}
	w.End()
	w.Start("UserSettings")
	for _, n := range names {
		if v, has := values[n]; has {
			w.Start("UserSetting", "i:type", "StringSetting")
			w.Leaf("Name", n)
			w.Leaf("Value", v)
			w.End()
		}
	}
	w.End()
	w.End()
}

// userSettings returns the settings that the simulator knows.
func (r *request) userSettings(d Discovery, b *mailbox, address string) map[string]string {
	v := r.s.traits.build
	out := map[string]string{
		"UserDisplayName": address, "UserDN": "/o=Organization/ou=Exchange Administrative Group/cn=Recipients/cn=" + address,
		"MailboxDN":               "/o=Organization/ou=Exchange Administrative Group/cn=Configuration/cn=Servers/cn=" + r.s.opt.Host + "/cn=Microsoft Private MDB",
		"AutoDiscoverSMTPAddress": address, "GroupingInformation": d.Grouping, "CasVersion": fmt.Sprintf("%02d.%02d.%04d.%03d", v[0], v[1], v[2], v[3]),
		"EwsSupportedSchemas":     "Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2010_SP1, Exchange2010_SP2, Exchange2013, Exchange2013_SP1",
		"InternalMailboxServer":   r.s.opt.Host,
		"InternalRpcClientServer": r.s.opt.Host, "UserMSOnline": "False", "AccountType": "email",
	}
	if b != nil {
		out["UserDisplayName"], out["AutoDiscoverSMTPAddress"] = b.name, b.address
		out["UserDeploymentId"] = "2f2f0d9c-3c6b-4a38-9a0f-6f1d0c0b5a11"
	}
	if d.Online {
		out["UserMSOnline"] = "True"
	}
	if !d.NoEWSURL {
		out["ExternalEwsUrl"], out["InternalEwsUrl"] = d.EWSURL, d.InternalEWSURL
	}
	return out
}

// answerXML sends a document of Autodiscover.
func (r *request) answerXML(status int, w *wire.Writer) {
	r.call.Status = status
	r.s.log(r.call)
	r.write(status, w.Bytes())
}

const (
	poxRequest      = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
	poxRequestPhone = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006"
	poxBase         = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
	poxResponse     = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

// autodiscoverXML answers a request in plain XML ([MS-OXDSCLI] 3.2.5). Errors
// have status 200.
func (r *request) autodiscoverXML() {
	address, err := r.readPOX()
	if err != nil {
		r.poxError("600", "Invalid Request")
		return
	}
	r.call.Items = []string{address}
	d, b := r.discovery(address)
	switch {
	case d.RedirectAddress != "":
		r.poxAccount(b, address, func(w *wire.Writer) {
			w.Leaf("Action", "redirectAddr")
			w.Leaf("RedirectAddr", d.RedirectAddress)
		})
	case d.RedirectURL != "":
		r.poxAccount(b, address, func(w *wire.Writer) {
			w.Leaf("Action", "redirectUrl")
			w.Leaf("RedirectUrl", d.RedirectURL)
		})
	case d.Code == "InvalidUser":
		r.poxError("500", "The email address can't be found.")
	case d.Code != "":
		r.poxError("603", "The server is busy.")
	default:
		r.poxAccount(b, address, func(w *wire.Writer) {
			w.Leaf("AccountType", "email")
			w.Leaf("Action", "settings")
			w.Leaf("MicrosoftOnline", map[bool]string{false: "False", true: "True"}[d.Online])
			r.poxProtocol(w, "EXCH", d, d.InternalEWSURL)
			r.poxProtocol(w, "EXPR", d, d.EWSURL)
		})
	}
}

var errNotPOX = errors.New("no request of Autodiscover")

// readPOX reads the request and returns the address in it.
func (r *request) readPOX() (string, error) {
	data, err := io.ReadAll(http.MaxBytesReader(r.out, r.http.Body, 64<<10))
	r.call.Request = len(data)
	if err != nil || r.http.Method != http.MethodPost || !strings.Contains(r.http.Header.Get("Content-Type"), "text/xml") {
		return "", errNotPOX
	}
	root, err := wire.Parse(data, wire.Limits{Bytes: 64 << 10, Depth: 16, Elements: 1000})
	if err != nil || !root.Is(poxRequest, "Autodiscover") && !root.Is(poxRequestPhone, "Autodiscover") {
		return "", errNotPOX
	}
	address := strings.TrimSpace(root.Find("Request").Value("EMailAddress"))
	if address == "" || root.Find("Request").Value("AcceptableResponseSchema") != poxResponse {
		return "", errNotPOX
	}
	return address, nil
}

func (r *request) poxError(code, message string) {
	now := r.s.now()
	w := r.w
	w.Declaration()
	w.Start("Autodiscover", "xmlns", poxBase)
	w.Start("Response")
	w.Start("Error", "Time", now.Format("15:04:05.0000000"), "Id", strconv.FormatUint(uint64(uint32(now.UnixNano())), 10))
	w.Leaf("ErrorCode", code)
	w.Leaf("Message", message)
	w.Leaf("DebugData", "")
	r.call.Code = code
	r.answerXML(http.StatusOK, w)
}

func (r *request) poxAccount(b *mailbox, address string, content func(*wire.Writer)) {
	w := r.w
	w.Declaration()
	w.Start("Autodiscover", "xmlns", poxBase)
	w.Start("Response", "xmlns", poxResponse)
	name := address
	if b != nil {
		name, address = b.name, b.address
	}
	w.Start("User")
	w.Leaf("DisplayName", name)
	w.Leaf("LegacyDN", "/o=Organization/ou=Exchange Administrative Group/cn=Recipients/cn="+address)
	w.Leaf("AutoDiscoverSMTPAddress", address)
	w.Leaf("DeploymentId", "2f2f0d9c-3c6b-4a38-9a0f-6f1d0c0b5a11")
	w.End()
	w.Start("Account")
	content(w)
	r.answerXML(http.StatusOK, w)
}

// poxProtocol writes one Protocol. gromox knows no GroupingInformation.
func (r *request) poxProtocol(w *wire.Writer, kind string, d Discovery, url string) {
	v := r.s.traits.build
	w.Start("Protocol")
	w.Leaf("Type", kind)
	w.Leaf("Server", r.s.opt.Host)
	if kind == "EXCH" {
		w.Leaf("ServerDN", "/o=Organization/ou=Exchange Administrative Group/cn=Configuration/cn=Servers/cn="+r.s.opt.Host)
		w.Leaf("ServerVersion", fmt.Sprintf("%08X", 7<<28|v[0]<<22|v[1]<<16|1<<15|v[2]))
	}
	if !d.NoEWSURL {
		w.Leaf("ASUrl", url)
		w.Leaf("EwsUrl", url)
	}
	if kind == "EXPR" {
		w.Leaf("SSL", "On")
		w.Leaf("AuthPackage", "Basic")
	}
	if !r.s.traits.noProcessing {
		w.Leaf("GroupingInformation", d.Grouping)
	}
	w.End()
}
