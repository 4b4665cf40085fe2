package foreign

import (
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// TestSquid goes to the simulator through a proxy that wants a password: with the
// right one, with a wrong one, which is tried once, and without any.
func TestSquid(t *testing.T) {
	t.Parallel()
	const squid, checker = "/usr/sbin/squid", "/usr/lib/squid/basic_ncsa_auth"
	need(t, "squid", squid, checker)
	need(t, "openssl", "/usr/bin/openssl")
	s := serve(t, ewstest.Options{TLS: true})
	dir, host := publicDir(t), newHost(t)
	write(t, dir, "users", "proxyuser:"+run(t, exec.Command("/usr/bin/openssl", "passwd", "-apr1", "proxy password")))
	run(t, exec.Command("/bin/chmod", "644", filepath.Join(dir, "users")))
	conf := write(t, dir, "squid.conf", strings.NewReplacer("{user}", userDirective("cache_effective_user proxy"), "{dir}", dir, "{host}", host, "{checker}", checker).Replace(squidConfig))
	p := start(t, "squid", exec.Command(squid, "-N", "-d", "1", "-f", conf))
	at := net.JoinHostPort(host, "3128")
	if err := p.listens(at); err != nil {
		t.Fatal(err)
	}
	log := func() string { return readIf(filepath.Join(dir, "access.log")) }

	through := func(secret string) (*ews.Client, *ews.Account) {
		o := ews.Options{URL: s.URL, RootCAs: trusting(s.CA), Proxy: "http://" + at}
		if secret != "" {
			o.ProxyAccount = ews.NewAccount(ews.Credentials{Username: "proxyuser", Password: ews.NewSecret(secret)}, ews.AccountOptions{})
		}
		return client(t, o, service), o.ProxyAccount
	}
	ctx := limited(t)
	c, _ := through("proxy password")
	if _, err := c.As(user(1)).GetFolder(ctx, nil); err != nil {
		t.Errorf("GetFolder: %v", err)
	}
	sent(t, s, "GetFolder")
	if n, err := streams(ctx, c.As(user(1)), 1); n != 1 || err != nil {
		t.Errorf("the stream gives %d notifications and %v", n, err)
	}
	eventually(t, "squid logs whom it let through", func() error {
		if !strings.Contains(log(), "CONNECT") || !strings.Contains(log(), "proxyuser") {
			return errors.New(log())
		}
		return nil
	})

	before := len(s.Calls())
	for _, secret := range []string{"wrong", ""} {
		c, account := through(secret)
		for range 3 {
			_, err := c.As(user(1)).GetFolder(ctx, nil)
			if e, _ := errors.AsType[*ews.Error](err); e == nil || e.Code != ews.CodeProxyAuth {
				t.Errorf("password %q: %v", secret, err)
			}
		}
		if account != nil && account.HeldUntil().IsZero() {
			t.Error("the refused password of the proxy is not held back")
		}
	}
	if n := len(s.Calls()); n != before {
		t.Errorf("%d calls came through without the proxy's password", n-before)
	}
	eventually(t, "squid logs the refusals", func() error {
		if n := strings.Count(log(), "TCP_DENIED/407"); n == 0 {
			return errors.New(log())
		}
		return nil
	})
}

const squidConfig = `{user}
http_port {host}:3128
pid_filename {dir}/pid
access_log stdio:{dir}/access.log
cache_log {dir}/cache.log
cache_store_log none
coredump_dir {dir}
logfile_rotate 0
cache deny all
cache_mem 8 MB
visible_hostname proxy.example.com
shutdown_lifetime 0 seconds
pinger_enable off
netdb_filename none
icon_directory {dir}
dns_nameservers 127.0.0.1
auth_param basic program {checker} {dir}/users
auth_param basic children 2 startup=1
auth_param basic realm proxy
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
`
