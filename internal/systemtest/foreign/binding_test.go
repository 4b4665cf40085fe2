package foreign

import (
	"crypto/tls"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// TestChannelBinding puts a load balancer with a certificate of its own before a
// simulator that checks channel bindings as Exchange does. A client that binds
// the sign-in to the certificate it sees is refused, one that does not is let in
// unless the server insists. Ours finds that out by itself.
func TestChannelBinding(t *testing.T) {
	t.Parallel()
	need(t, "curl", curl)
	need(t, "python3-exchangelib", "/usr/lib/python3/dist-packages/exchangelib")
	for _, protection := range []string{ewstest.ProtectionAllow, ewstest.ProtectionRequire} {
		t.Run(protection, func(t *testing.T) {
			t.Parallel()
			s := serve(t, ewstest.Options{TLS: true, Auth: []string{"ntlm"}, ExtendedProtection: protection})
			host := newHost(t)
			roots, ca := bridge(t, host, host, s)
			url := "https://" + net.JoinHostPort(host, webPort) + ewstest.Path
			allowed := protection == ewstest.ProtectionAllow

			c := exec.Command(python, "testdata/exchangelib_client.py", url, "ntlm", service, password, user(1), user(2))
			c.Env = environment("REQUESTS_CA_BUNDLE="+ca, "HOME="+t.TempDir())
			out, err := runErr(c)
			if err == nil || !strings.Contains(out, "FAILED sign_in UnauthorizedError") {
				t.Errorf("exchangelib binds to the load balancer's certificate and is let in: %v\n%s", err, out)
			}

			dir := t.TempDir()
			c = exec.Command(curl, "-q", "--silent", "--show-error", "--noproxy", "*", "--cacert", ca, "--ntlm", "--user", user(1)+":"+password,
				"--header", "Content-Type: text/xml; charset=utf-8", "--data-binary", "@"+write(t, dir, "getfolder.xml", getFolder), "--output", filepath.Join(dir, "answer"), "--write-out", "%{http_code}", url)
			c.Env = environment("HOME=" + dir)
			if status := run(t, c); (status == "200") != allowed {
				t.Errorf("curl, which does not bind, gets status %s", status)
			}

			ours := client(t, ews.Options{URL: url, RootCAs: roots, Credentials: ews.Credentials{Username: service, Password: ews.NewSecret(password), Scheme: ews.NTLM}}, "")
			_, err = ours.As(user(1)).GetFolder(limited(t), ews.FolderFields())
			if (err == nil) != allowed {
				t.Errorf("our client: %v", err)
			}
			if allowed {
				if n, err := streams(limited(t), ours.As(user(2)), 1); n != 1 || err != nil {
					t.Errorf("our client's stream gives %d notifications and %v", n, err)
				}
			}
		})
	}
}

// TestKerberosBound signs in at the simulator by a real domain controller's
// tickets, where nobody is let in without a channel binding.
func TestKerberosBound(t *testing.T) {
	t.Parallel()
	d := joinDomain(t)
	acceptor, err := activedirectory.NewAcceptor(filepath.Join(d.dir, "web.keytab"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	roots := certificate(t, dir, mailHost)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := ewstest.NewServer(ewstest.Options{
		Users: 2, Domain: "ad.example.com", ServiceAccount: "standby@ad.example.com", Auth: []string{"negotiate"},
		ExtendedProtection: ewstest.ProtectionRequire, Certificate: pair.Certificate[0],
		Kerberos: func(token []byte) (ewstest.Ticket, error) {
			login, binding, err := acceptor.Accept(token)
			return ewstest.Ticket{Login: login, Binding: binding}, err
		},
	})
	host := newHost(t)
	l, err := tls.Listen("tcp", net.JoinHostPort(host, webPort), &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	n, err := activedirectory.NewNegotiator(activedirectory.KerberosOptions{
		Realm: realm, KDCs: []string{controllerName}, DialContext: d.dial, Username: "standby", KeytabFile: filepath.Join(d.dir, "standby.keytab"),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := ews.Options{URL: "https://" + mailHost + ewstest.Path, RootCAs: roots, DialContext: to(host), Credentials: ews.Credentials{Username: "standby", Scheme: ews.Negotiate, Negotiator: n}}
	if _, err := client(t, o, "").As("user0001@ad.example.com").GetFolder(limited(t), ews.FolderFields()); err != nil {
		t.Errorf("GetFolder: %v", err)
	}
	sent(t, s, "GetFolder")

	o.Account = ews.NewAccount(o.Credentials, ews.AccountOptions{NoBinding: true})
	o.Credentials = ews.Credentials{Username: "standby"}
	if _, err := client(t, o, "").As("user0001@ad.example.com").GetFolder(limited(t), ews.FolderFields()); err == nil {
		t.Error("the simulator takes a sign-in without binding, although it is to require one")
	}
}
