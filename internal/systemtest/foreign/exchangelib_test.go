package foreign

import (
	"os/exec"
	"testing"
)

// python is Debian's, which has Debian's python3-exchangelib.
const python = "/usr/bin/python3"

// TestExchangelib has the most used client of Exchange do what it can, at first
// with Basic, then with NTLM over TLS, where it has to bind the sign-in to
// the server's certificate.
func TestExchangelib(t *testing.T) {
	t.Parallel()
	need(t, "python3-exchangelib", python)
	if err := exec.Command(python, "-c", "import exchangelib").Run(); err != nil {
		notHere(t, "python3-exchangelib")
	}
	for _, tt := range []struct {
		auth  string
		flags []string
	}{
		{"basic", nil},
		{"ntlm", []string{"--auth", "ntlm", "--tls", "--extended-protection", "require"}},
	} {
		t.Run(tt.auth, func(t *testing.T) {
			t.Parallel()
			s := startSimulator(t, tt.flags...)
			c := exec.Command(python, "testdata/exchangelib_client.py", s.url, tt.auth, service, password, user(1), user(2))
			c.Env = environment("REQUESTS_CA_BUNDLE="+s.ca, "HOME="+t.TempDir())
			out, err := runErr(c)
			operations(t, out, err,
				"sign_in", "create", "update", "series", "exceptions", "sync", "free_busy", "out_of_office", "stream", "delete")
		})
	}
}
