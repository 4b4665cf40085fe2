package foreign

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// What the domain is known by. Accounts have the name of what they are for.
const (
	realm          = "AD.EXAMPLE.COM"
	mailHost       = "mail.ad.example.com"
	controllerName = "dc1.ad.example.com"
	domainPassword = "Pa55-word.of.Tests"
	autodiscoverAt = "https://" + mailHost + "/autodiscover/autodiscover.xml"
)

// domain is a domain controller that runs for all tests.
type domain struct {
	dir, host string // folder and address
	krb5      string // configuration file of Kerberos
	roots     *x509.CertPool
	*process
}

// controller makes the domain and starts its controller, once.
var controller = sync.OnceValues(func() (*domain, error) {
	d := &domain{dir: filepath.Join(shared.dir, "domain"), host: hostAddress(0)}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		return nil, err
	}
	cert, ca, err := ewstest.NewCertificate(time.Now(), controllerName, d.host)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, err
	}
	d.roots = trusting(ca)
	d.krb5 = filepath.Join(d.dir, "krb5.conf")
	for name, data := range map[string][]byte{
		"key.pem":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"cert.pem":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
		"ca.pem":    ca,
		"krb5.conf": []byte(strings.NewReplacer("{realm}", realm, "{host}", d.host).Replace(krb5Config)),
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), data, 0o600); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(d.krb5, 0o644); err != nil {
		return nil, err
	}
	make := exec.Command(python, "testdata/domain.py", d.dir, d.host, domainPassword, autodiscoverAt)
	make.Env = environment("KRB5_CONFIG=" + d.krb5)
	if _, err := runErr(make); err != nil {
		return nil, err
	}
	c := exec.Command("/usr/sbin/samba", "--interactive", "--model=single", "--debug-stdout", "--configfile="+d.conf())
	c.Env = environment("KRB5_CONFIG=" + d.krb5)
	if d.process, err = launch("samba", c); err != nil {
		return nil, err
	}
	atEnd(d.end)
	for _, port := range []string{"88", "636"} {
		if err := d.listens(net.JoinHostPort(d.host, port)); err != nil {
			return nil, err
		}
	}
	return d, nil
})

func (d *domain) conf() string { return filepath.Join(d.dir, "etc", "smb.conf") }

// dial leads every connection to the controller, whatever the name.
func (d *domain) dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(d.host, port))
}

// joinDomain gives the test the domain.
func joinDomain(t *testing.T) *domain {
	t.Helper()
	need(t, "samba", "/usr/sbin/samba")
	need(t, "samba-ad-provision", "/usr/share/samba/setup/provision.ldif")
	need(t, "python3-samba", "/usr/lib/python3/dist-packages/samba/samdb.py")
	l, err := net.Listen("tcp", net.JoinHostPort(newHost(t), "88"))
	if err != nil {
		notHere(t, "the right to be a domain controller, which listens on ports 88 and 636 (run the tests as root)")
	}
	l.Close()
	d, err := controller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("samba said at the end:\n%s", d.last(30))
		}
	})
	return d
}

// webFiles are what a web server of the domain needs.
func (d *domain) webFiles(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"web.keytab": read(t, filepath.Join(d.dir, "web.keytab")), "krb5.conf": read(t, d.krb5)}
}

// badPasswords asks the directory how many wrong passwords an account has had,
// and whether it is locked.
func (d *domain) badPasswords(t *testing.T, account string) (count int, locked bool) {
	t.Helper()
	out := run(t, exec.Command(python, "-c", badPasswords, d.conf(), account))
	var at int64
	if _, err := fmt.Sscan(out, &count, &at); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return count, at != 0
}

const badPasswords = `
import sys
from samba import param
from samba.auth import system_session
from samba.samdb import SamDB
lp = param.LoadParm()
lp.load(sys.argv[1])
db = SamDB(session_info=system_session(), lp=lp)
m = db.search(db.domain_dn(), expression='(sAMAccountName=%s)' % sys.argv[2], attrs=['badPwdCount', 'lockoutTime'])[0]
print(m.get('badPwdCount', ['0'])[0], m.get('lockoutTime', ['0'])[0])
`

const krb5Config = `[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {realm} = {
    kdc = {host}:88
  }
[domain_realm]
  .ad.example.com = {realm}
  ad.example.com = {realm}
`
