package exchange

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// onFakeTime runs a test with a server that locks accounts after five wrong
// passwords in half an hour.
func onFakeTime(t *testing.T, o ewstest.Options, fn func(t *testing.T, s *ewstest.Server, p *pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * 365 * 24 * time.Hour)
		o.Users, o.Lockout, o.Now = cmp.Or(o.Users, 3), cmp.Or(o.Lockout, 5), time.Now
		s, p := ewstest.NewServer(o), newPipes()
		served := make(chan error, 1)
		go func() { served <- s.Serve(p) }()
		fn(t, s, p)
		p.setDown(true)
		s.Close()
		p.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// startRun starts an Exchange and returns how to end it.
func startRun(t *testing.T, opt Options) (*Exchange, func()) {
	t.Helper()
	x, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	return x, func() { cancel(); <-done }
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "password")
	setFile(t, name, text)
	return name
}

func setFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWrongPasswordForTwoHours has three mailboxes, free/busy and a probe ask
// all the time with a wrong password: the account is never locked, the fault
// says so all the while, and work resumes within 10 s of the right password.
func TestWrongPasswordForTwoHours(t *testing.T) {
	t.Parallel()
	for name, scheme := range map[string]ews.Scheme{"basic": ews.Basic, "ntlm": ews.NTLM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onFakeTime(t, ewstest.Options{Auth: []string{name}}, func(t *testing.T, s *ewstest.Server, p *pipes) {
				file := secretFile(t, "wrong")
				x, stop := startRun(t, Options{
					URL: "http://localhost/EWS/Exchange.asmx", Username: `EXAMPLE\svc`, PasswordFile: file, SignIn: SignIn{Scheme: scheme}, DialContext: p.dial,
				})
				defer stop()
				boxes := []string{"user0001@example.com", "user0002@example.com", "user0003@example.com"}
				for began := time.Now(); time.Since(began) < 2*time.Hour; time.Sleep(30 * time.Second) {
					for _, b := range boxes {
						_, err := x.Bind(t.Context(), calendar.Mailbox{Address: b})
						f, is := errors.AsType[*calendar.Fault](err)
						if !is || f.Class != calendar.NoAccount || f.Step != calendar.StepAuthenticate || f.Until.IsZero() {
							t.Fatalf("after %v: %v", time.Since(began), err)
						}
					}
				}
				if n := s.Refused("svc@example.com"); n < 3 || n > 5 || s.Lockouts() != 0 {
					t.Errorf("in two hours refused %d times, locked %d times", n, s.Lockouts())
				}
				setFile(t, file, "password\n")
				renewed := x.renewal()
				since := time.Now()
				<-renewed
				if _, err := x.Bind(t.Context(), calendar.Mailbox{Address: boxes[0]}); err != nil || time.Since(since) > 10*time.Second {
					t.Errorf("%v after the right password: %v", time.Since(since), err)
				}
			})
		})
	}
}

// TestStandby goes over to the second account when the first is refused, keeps
// off both when both are, and says where it is.
func TestStandby(t *testing.T) {
	t.Parallel()
	for name, scheme := range map[string]ews.Scheme{"basic": ews.Basic, "ntlm": ews.NTLM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onFakeTime(t, ewstest.Options{Auth: []string{name}}, func(t *testing.T, s *ewstest.Server, p *pipes) {
				s.AddServiceAccount("svc2@example.com", "second")
				var log strings.Builder
				x, stop := startRun(t, Options{
					URL: "http://localhost/EWS/Exchange.asmx", Username: "svc@example.com", Password: ews.NewSecret("password"), SignIn: SignIn{Scheme: scheme},
					Standby: &Login{Username: "svc2@example.com", Password: ews.NewSecret("second")}, DialContext: p.dial,
					Log: slog.New(slog.NewTextHandler(&log, nil)),
				})
				defer stop()
				bind := func() error {
					if _, err := x.ews().As("user0001@example.com").Probe(t.Context()); err != nil {
						return x.fault(calendar.StepConnect, err)
					}
					return nil
				}
				if err := bind(); err != nil || x.OnStandby() {
					t.Fatal(err)
				}
				s.SetPassword("svc@example.com", "changed")
				p.setDown(true) // connections that are signed in would go on
				p.setDown(false)
				renewed := x.renewal()
				if err := bind(); err == nil {
					t.Fatal("the refused account works")
				}
				<-renewed
				if err := bind(); err != nil || !x.OnStandby() {
					t.Errorf("on standby %v: %v", x.OnStandby(), err)
				}
				if n := s.Refused("svc@example.com"); n > 2 {
					t.Errorf("the first account was refused %d times", n)
				}
				synctest.Wait() // until the log is written
				if !strings.Contains(log.String(), "stands by is used now") || strings.Contains(log.String(), "svc") {
					t.Errorf("log: %s", log.String())
				}
				s.SetPassword("svc2@example.com", "changed")
				p.setDown(true)
				p.setDown(false)
				for range 2 * 60 {
					if err := bind(); err == nil {
						t.Fatal("a refused account works")
					}
					time.Sleep(time.Minute)
				}
				if s.Lockouts() != 0 {
					t.Errorf("locked %d times", s.Lockouts())
				}
			})
		})
	}
}

// TestIdleIsTested notices within the hour that the account that stands by
// would be of no use.
func TestIdleIsTested(t *testing.T) {
	t.Parallel()
	onFakeTime(t, ewstest.Options{}, func(t *testing.T, s *ewstest.Server, p *pipes) {
		s.AddServiceAccount("svc2@example.com", "second")
		var log strings.Builder
		_, stop := startRun(t, Options{
			URL: "http://localhost/EWS/Exchange.asmx", Username: "svc@example.com", Password: ews.NewSecret("password"),
			Standby: &Login{Username: "svc2@example.com", Password: ews.NewSecret("wrong")}, DialContext: p.dial,
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		time.Sleep(testEvery + time.Second)
		stop()
		if s.Refused("svc2@example.com") != 1 || !strings.Contains(log.String(), "stands by is refused") {
			t.Errorf("%d refused, log: %s", s.Refused("svc2@example.com"), log.String())
		}
	})
}

func TestSignInOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"kerberos without realm": {SignIn: SignIn{Scheme: ews.Negotiate}, Username: "svc", Password: ews.NewSecret("x")},
		"no keytab":              {SignIn: SignIn{Scheme: ews.Negotiate, Realm: "R"}, Username: "svc", KeytabFile: "/nowhere"},
		"bad proxy":              {Username: "svc", Proxy: Proxy{URL: "proxy"}},
		"no standby file":        {Username: "svc", Standby: &Login{Username: "b", PasswordFile: "/nowhere"}},
	} {
		o.URL = "https://mail.example.com/EWS/Exchange.asmx"
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := New(Options{
		URL: "https://mail.example.com/EWS/Exchange.asmx", Username: "svc", Password: ews.NewSecret("x"), SignIn: SignIn{Scheme: ews.Negotiate, Realm: "R"},
		Proxy: Proxy{URL: "http://proxy:3128", Login: Login{Username: "p", Password: ews.NewSecret("y")}},
	}); err != nil {
		t.Error(err)
	}
}
