package foreign

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

const (
	apache  = "/usr/sbin/apache2"
	modules = "/usr/lib/apache2/modules"
)

// web is Apache in front of a simulator: it signs people in by GSSAPI and then
// calls the simulator as the service account.
type web struct {
	*process
	exchange *ewstest.Server
	host     string
	roots    *x509.CertPool
	dir      string
}

// startApache starts it. The directives say how people sign in; {dir} in them is
// its folder. The environment says where GSSAPI's mechanisms find things.
func startApache(t *testing.T, directives string, files map[string]string, env ...string) *web {
	t.Helper()
	need(t, "apache2", apache)
	need(t, "libapache2-mod-auth-gssapi", modules+"/mod_auth_gssapi.so")
	w := &web{exchange: serve(t, ewstest.Options{}), host: newHost(t), dir: publicDir(t)}
	w.roots = certificate(t, w.dir, mailHost)
	for name, data := range files {
		write(t, w.dir, name, data)
		if err := os.Chmod(filepath.Join(w.dir, name), 0o644); err != nil { //nolint:gosec // for Apache's user
			t.Fatal(err)
		}
	}
	conf := write(t, w.dir, "apache.conf", strings.NewReplacer(
		"{user}", userDirective("User www-data\nGroup www-data"), "{modules}", modules, "{host}", w.host, "{name}", mailHost,
		"{backend}", strings.TrimSuffix(w.exchange.URL, ewstest.Path), "{directives}", strings.ReplaceAll(directives, "{dir}", w.dir), "{dir}", w.dir,
	).Replace(apacheConfig))
	c := exec.Command(apache, "-D", "FOREGROUND", "-f", conf)
	c.Dir = w.dir
	for i := range env {
		env[i] = strings.ReplaceAll(env[i], "{dir}", w.dir)
	}
	c.Env = environment(env...)
	w.process = start(t, "apache2", c)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Apache's logs:\n%s%s", readIf(filepath.Join(w.dir, "error.log")), readIf(filepath.Join(w.dir, "access.log")))
		}
	})
	if err := w.listens(net.JoinHostPort(w.host, webPort)); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *web) options(c ews.Credentials) ews.Options {
	return ews.Options{URL: "https://" + mailHost + ewstest.Path, RootCAs: w.roots, DialContext: to(w.host), Credentials: c}
}

// statuses counts the answers that Apache has given, by status.
func (w *web) statuses() map[string]int {
	n := map[string]int{}
	for line := range strings.Lines(readIf(filepath.Join(w.dir, "access.log"))) {
		status, _, _ := strings.Cut(line, " ")
		n[status]++
	}
	return n
}

// refusals returns how many answers 401 there were, once Apache has nothing more
// to log: it writes the line after the answer.
func (w *web) refusals(t *testing.T) int {
	t.Helper()
	n, same := -1, 0
	eventually(t, "Apache's log has come to rest", func() error {
		now := w.statuses()["401"]
		if now != n {
			n, same = now, 0
		}
		if same++; same < 30 {
			return errors.New("it still grows")
		}
		return nil
	})
	return n
}

const apacheConfig = `ServerRoot {dir}
ServerName {name}
PidFile {dir}/pid
Mutex sem
{user}
Listen {host}:8443
StartServers 1
MinSpareThreads 5
MaxSpareThreads 25
ThreadsPerChild 25
MaxRequestWorkers 50
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
Timeout 120
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_gssapi_module {modules}/mod_auth_gssapi.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule ssl_module {modules}/mod_ssl.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LogLevel warn auth_gssapi:debug
ErrorLog {dir}/error.log
LogFormat "%>s %m %u %k" short
CustomLog {dir}/access.log short
SSLEngine on
SSLCertificateFile {dir}/cert.pem
SSLCertificateKeyFile {dir}/key.pem
ProxyPass /EWS/ {backend}/EWS/ flushpackets=on
<Location /EWS/>
  AuthType GSSAPI
  AuthName "Exchange"
  GssapiPublishErrors On
  {directives}
  Require valid-user
  RequestHeader set Authorization "Basic c3ZjQGV4YW1wbGUuY29tOnBhc3N3b3Jk"
</Location>
`

// uses has a client do what a connector does all day: several calls over one
// connection, some at once, and a stream.
func (w *web) uses(t *testing.T, c *ews.Client) {
	t.Helper()
	ctx := limited(t)
	for range 3 {
		if _, err := c.As(user(1)).GetFolder(ctx, ews.FolderFields()); err != nil {
			t.Fatalf("GetFolder: %v", err)
		}
	}
	result := make(chan error)
	for n := range 6 {
		go func() {
			_, err := c.As(user(1+n%3)).GetFolder(ctx, ews.FolderFields())
			result <- err
		}()
	}
	for range 6 {
		if err := <-result; err != nil {
			t.Errorf("GetFolder beside others: %v", err)
		}
	}
	if n, err := streams(ctx, c.As(user(2)), 1); n != 1 || err != nil {
		t.Errorf("the stream gives %d notifications and %v", n, err)
	}
	sent(t, w.exchange, "GetFolder")
	sent(t, w.exchange, "GetStreamingEvents")
}

// TestNTLMByGSS signs in by NTLM at an acceptor that nobody of us wrote, which
// checks the message integrity code, and with a wrong password.
func TestNTLMByGSS(t *testing.T) {
	t.Parallel()
	need(t, "gss-ntlmssp", "/etc/gss/mech.d/mech.ntlmssp.conf")
	w := startApache(t, "GssapiAllowedMech ntlmssp\n  GssapiConnectionBound On", map[string]string{"ntlm.users": "EXAMPLE:svc:" + domainPassword + "\n"},
		"NTLM_USER_FILE={dir}/ntlm.users", "NETBIOS_DOMAIN_NAME=EXAMPLE", "NETBIOS_COMPUTER_NAME=MAIL")
	credentials := ews.Credentials{Username: `EXAMPLE\svc`, Password: ews.NewSecret(domainPassword), Scheme: ews.NTLM}
	w.uses(t, client(t, w.options(credentials), ""))

	wrong := credentials
	wrong.Password = ews.NewSecret("wrong")
	w.refuses(t, client(t, w.options(wrong), ""))
}

// TestKerberosByGSS signs in by tickets of the domain controller, got by password
// and by keytab, at an acceptor that nobody of us wrote. With a wrong password the
// controller is asked once.
func TestKerberosByGSS(t *testing.T) {
	t.Parallel()
	d := joinDomain(t)
	w := startApache(t, "GssapiAllowedMech krb5\n  GssapiConnectionBound On\n  GssapiCredStore keytab:{dir}/web.keytab", d.webFiles(t), "KRB5_CONFIG={dir}/krb5.conf")
	signIn := func(o activedirectory.KerberosOptions) *ews.Client {
		t.Helper()
		o.Realm, o.KDCs, o.DialContext = realm, []string{controllerName}, d.dial
		n, err := activedirectory.NewNegotiator(o)
		if err != nil {
			t.Fatal(err)
		}
		return client(t, w.options(ews.Credentials{Username: o.Username, Scheme: ews.Negotiate, Negotiator: n}), "")
	}
	t.Run("password", func(t *testing.T) {
		w.uses(t, signIn(activedirectory.KerberosOptions{Username: "standby", Password: ews.NewSecret(domainPassword)}))
	})
	t.Run("keytab", func(t *testing.T) {
		w.uses(t, signIn(activedirectory.KerberosOptions{Username: "standby", KeytabFile: filepath.Join(d.dir, "standby.keytab")}))
	})
	t.Run("wrong password", func(t *testing.T) {
		w.refuses(t, signIn(activedirectory.KerberosOptions{Username: "clumsy", Password: ews.NewSecret("wrong")}))
		if n, locked := d.badPasswords(t, "clumsy"); locked || n == 0 || n > 2 {
			t.Errorf("the account has had %d wrong passwords (locked: %v), want 1 or 2", n, locked)
		}
	})
	if said := readIf(filepath.Join(w.dir, "access.log")); !strings.Contains(said, " standby@"+realm+" ") {
		t.Errorf("nobody has signed in as standby@%s:\n%s", realm, said)
	}
}

// refuses demands that a wrong password is used up once, and then no more.
func (w *web) refuses(t *testing.T, c *ews.Client) {
	t.Helper()
	seen := len(w.exchange.Calls())
	var before int
	for n := range 4 {
		_, err := c.As(user(1)).GetFolder(limited(t), ews.FolderFields())
		if e, is := asError(err); !is || e.Class() != ews.Auth {
			t.Errorf("with a wrong password: %v", err)
		}
		if n == 0 {
			before = w.refusals(t)
		}
	}
	if now := w.refusals(t); now != before {
		t.Errorf("%d answers 401 to a password that was refused", now-before)
	}
	if c.HeldUntil().IsZero() {
		t.Error("the refused password is not held back")
	}
	if n := len(w.exchange.Calls()); n != seen {
		t.Errorf("%d calls came through with a wrong password", n-seen)
	}
}
