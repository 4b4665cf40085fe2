package ewstest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAutodiscoverExchangelib lets a client that nobody here wrote find
// mailboxes, by SOAP and by plain XML, directly and along redirects.
func TestAutodiscoverExchangelib(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import exchangelib").Run(); err != nil {
		if os.Getenv("KOYOMI_REQUIRE") != "" {
			t.Fatal("exchangelib is not here: apt-get install python3-exchangelib")
		}
		t.Skip("skipped: python3-exchangelib is not here")
	}
	for _, dialect := range []Dialect{Exchange2019, Exchange2013, Gromox} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			s := NewServer(Options{Users: 2, Dialect: dialect})
			t.Cleanup(s.Close)
			const moved = "moved@example.com"
			s.SetDiscovery(moved, Discovery{RedirectAddress: user1})
			s.SetDiscovery("lost@example.com", Discovery{Code: "InvalidUser"})
			port, ca := autodiscoverPort(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, python, "testdata/autodiscover_exchangelib.py", ca, svc, "password",
				"autodiscover.example.com:443="+port, "mail.example.com:443="+port, "--", user1, moved, "lost@example.com").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			kinds := map[string]string{"SoapAutodiscovery": "GetUserSettings", "PoxAutodiscovery": "Autodiscover"}
			for kind, op := range kinds {
				has := dialect != Gromox || kind == "PoxAutodiscovery"
				for _, address := range []string{user1, moved} {
					want := "ok " + kind + " " + address + " https://autodiscover.example.com" + Path
					if strings.Contains(string(out), want) != has {
						t.Errorf("%q: want it %v", want, has)
					}
				}
				if !strings.Contains(string(out), "failed "+kind+" lost@example.com") {
					t.Errorf("%s finds a mailbox that is none", kind)
				}
				if n := s.Count(op); (n > 0) != has {
					t.Errorf("%d calls of %s", n, op)
				}
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}

// autodiscoverPort serves by https on loopback for the names of the domain.
func autodiscoverPort(t *testing.T, s *Server) (port, caFile string) {
	t.Helper()
	cert, ca, err := NewCertificate(time.Now(), "autodiscover.example.com", "mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, caFile
}

// TestAutodiscoverWire pins what clients look at beside the documents.
func TestAutodiscoverWire(t *testing.T) {
	t.Parallel()
	s := NewServer(Options{Users: 1})
	defer s.Close()
	ask := func(method, path, contentType, body string, sign bool) (*http.Response, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		if sign {
			r.SetBasicAuth(svc, "password")
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		data, _ := io.ReadAll(w.Result().Body)
		return w.Result(), string(data)
	}
	const xml = "text/xml; charset=utf-8"
	probe, _ := ask("GET", "/Autodiscover/Autodiscover.svc", "", "", false)
	if probe.StatusCode != 401 || probe.Header.Get("X-SOAP-Enabled") != "True" || probe.Header.Get("X-OAuth-Enabled") == "" || probe.Header.Get("X-WSSecurity-Enabled") == "" || probe.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("the probe gets %d, %v", probe.StatusCode, probe.Header)
	}
	pox := `<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>` + user1 + `</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`
	soap := func(ns string, users int) string {
		return `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="` + ns + `" xmlns:wsa="http://www.w3.org/2005/08/addressing"><soap:Header><a:RequestedServerVersion>Exchange2013</a:RequestedServerVersion><wsa:Action>http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings</wsa:Action></soap:Header><soap:Body><a:GetUserSettingsRequestMessage><a:Request><a:Users>` +
			strings.Repeat(`<a:User><a:Mailbox>`+user1+`</a:Mailbox></a:User>`, users) + `</a:Users><a:RequestedSettings><a:Setting>ExternalEwsUrl</a:Setting><a:Setting>GroupingInformation</a:Setting><a:Setting>Nonsense</a:Setting></a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage></soap:Body></soap:Envelope>`
	}
	const ns = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
	for name, c := range map[string]struct {
		path, contentType, body string
		status                  int
		want                    string
	}{
		"POX":                   {AutodiscoverXML, xml, pox, 200, "<Action>settings</Action>"},
		"POX, other type":       {AutodiscoverXML, "application/json", pox, 200, "<ErrorCode>600</ErrorCode><Message>Invalid Request</Message>"},
		"POX, nothing":          {AutodiscoverXML, xml, "", 200, "<ErrorCode>600</ErrorCode>"},
		"POX, nobody":           {AutodiscoverXML, xml, strings.Replace(pox, user1, "nobody@example.com", 1), 200, "<ErrorCode>500</ErrorCode>"},
		"POX, https namespace":  {AutodiscoverXML, xml, strings.Replace(pox, "http:", "https:", 1), 200, "<ErrorCode>600</ErrorCode>"},
		"SOAP":                  {AutodiscoverSOAP, xml, soap(ns, 1), 200, "<Name>ExternalEwsUrl</Name><Value>http://example.com" + Path + "</Value>"},
		"SOAP, unknown setting": {AutodiscoverSOAP, xml, soap(ns, 1), 200, "<SettingName>Nonsense</SettingName>"},
		"SOAP, a hundred":       {AutodiscoverSOAP, xml, soap(ns, 100), 200, "<ErrorCode>NoError</ErrorCode>"},
		"SOAP, too many":        {AutodiscoverSOAP, xml, soap(ns, 101), 200, "<ErrorCode>InvalidRequest</ErrorCode>"},
		"SOAP, none":            {AutodiscoverSOAP, xml, soap(ns, 0), 200, "<ErrorCode>InvalidRequest</ErrorCode>"},
		"SOAP, https namespace": {AutodiscoverSOAP, xml, soap(strings.Replace(ns, "http:", "https:", 1), 1), 500, "ActionNotSupported"},
		"SOAP, no envelope":     {AutodiscoverSOAP, xml, pox, 500, "<s:Fault>"},
	} {
		resp, body := ask("POST", c.path, c.contentType, c.body, true)
		if resp.StatusCode != c.status || !strings.Contains(body, c.want) || resp.Header.Get("Content-Type") != xml {
			t.Errorf("%s: %d\n%s", name, resp.StatusCode, body)
		}
		if resp, _ := ask("POST", c.path, c.contentType, c.body, false); resp.StatusCode != 401 {
			t.Errorf("%s without a password: %d", name, resp.StatusCode)
		}
	}
	g := NewServer(Options{Users: 1, Dialect: Gromox})
	defer g.Close()
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, httptest.NewRequest("GET", AutodiscoverSOAP, nil))
	if w.Code != 404 {
		t.Errorf("gromox has SOAP Autodiscover: %d", w.Code)
	}
}
