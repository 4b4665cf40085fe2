package systemtest

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/node"
)

// memWith runs a story in a bubble before any connector is started.
func memWith(t *testing.T, story func(t *testing.T, r *memRig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { story(t, newMemRig(t, ewstest.Exchange2019)) })
}

// works schedules a meeting and fails unless it comes all the way.
func (r *memRig) works(when, by, to string) {
	r.t.Helper()
	m := r.book(by, memPlan{subject: "It works", location: "@meet", in: 3 * time.Hour, invited: []string{to}})
	memQuiet(time.Minute)
	m.decorated(when, true)
	if got := r.mailed(m.uid, to); got != 1 {
		r.t.Errorf("%s: mailed %d times", when, got)
	}
}

// serve runs one more server until the end of the test.
func (r *memRig) serve(l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	var g sync.WaitGroup
	g.Go(func() { _ = srv.Serve(l) })
	r.t.Cleanup(func() {
		memOK(r.t, srv.Close())
		g.Wait()
	})
}

// TestMailboxesThatCannotBeServed: no such mailbox, and one that the account may
// not act for. The others are served, and these as soon as the cause is gone.
func TestMailboxesThatCannotBeServed(t *testing.T) {
	memWith(t, func(t *testing.T, r *memRig) {
		const nobody = "nobody@example.com"
		r.x.Deny(memDee)
		n := r.start("one", func(o *node.Options) {
			o.Connector.Mailboxes = append(o.Connector.Mailboxes, connector.Mailbox{Mailbox: calendar.Mailbox{Address: nobody}, Owner: nobody})
		})
		memQuiet(time.Minute)
		for who, word := range map[string]string{nobody: "no such mailbox", memDee: "ApplicationImpersonation"} {
			s := n.want(who, connector.StateError)
			memSentence(t, s.Cause)
			if s.Step != calendar.StepImpersonate || !strings.Contains(s.Cause, word) {
				t.Errorf("step %q, cause %q", s.Step, s.Cause)
			}
		}
		for _, who := range []string{memAnn, memBob, memCho} {
			n.want(who, connector.StateActivated)
		}
		r.works("beside mailboxes that cannot be served", memAnn, memBob)
		before := len(r.x.Calls())
		memQuiet(time.Hour)
		if calls := len(r.x.Calls()) - before; calls > 120 {
			t.Errorf("%d calls in an idle hour with two mailboxes that cannot be served", calls)
		}
		r.x.Grant(memDee)
		r.x.AddMailbox(nobody, "Somebody")
		memQuiet(6 * time.Minute)
		n.want(memDee, connector.StateActivated)
		n.want(nobody, connector.StateActivated)
		r.works("healed", memDee, memAnn)
		r.judge("healed")

		// The right goes while everything runs, and comes back.
		r.x.Deny(memBob)
		m := r.book(memBob, memPlan{subject: "Denied", location: "@meet", in: 3 * time.Hour, invited: []string{memCho}})
		memQuiet(time.Minute)
		memSentence(t, n.want(memBob, connector.StateError).Cause)
		r.works("beside a mailbox that is denied", memAnn, memCho)
		r.x.Grant(memBob)
		memQuiet(12 * time.Minute)
		n.want(memBob, connector.StateActivated)
		m.decorated("allowed again", true)
		r.judge("allowed again")
	})
}

// TestStartWithoutServers: no server is up when the connector starts.
func TestStartWithoutServers(t *testing.T) {
	memWith(t, func(t *testing.T, r *memRig) {
		for _, server := range []string{memExchange, memCloud, memKMS} {
			r.net.pull(server)
		}
		n := r.start("one")
		memQuiet(2 * time.Minute)
		r.net.plug(memKMS)
		memQuiet(2 * time.Minute)
		r.net.plug(memCloud)
		memQuiet(2 * time.Minute)
		select {
		case <-n.up:
		case err := <-n.done:
			t.Fatalf("the connector ended: %v", err)
		default:
			t.Fatal("the connector has not enrolled")
		}
		for _, who := range memPeople {
			s := n.want(who, connector.StatePending)
			memSentence(t, s.Cause)
		}
		r.net.plug(memExchange)
		memQuiet(time.Minute)
		r.works("everything is up", memAnn, memBob)
		r.judge("everything is up")
	})
}

// TestCodesRefused: a one-time code that the server does not take ends the start
// with a sentence, because only a person can help.
func TestCodesRefused(t *testing.T) {
	for name, change := range map[string]memChange{
		"cloud": func(o *node.Options) {
			o.Cloud.Code = func() (string, error) { return "cloud-" + strings.Repeat("a", 22) + "-" + strings.Repeat("b", 22), nil }
		},
		"key server": func(o *node.Options) {
			o.KMS.Code = func() (string, error) { return "kms-" + strings.Repeat("a", 22) + "-" + strings.Repeat("b", 22), nil }
		},
		"codes the wrong way round": func(o *node.Options) { o.Cloud.Code, o.KMS.Code = o.KMS.Code, o.Cloud.Code },
		"no code":                   func(o *node.Options) { o.Cloud.Code = nil },
	} {
		t.Run(name, func(t *testing.T) {
			memWith(t, func(t *testing.T, r *memRig) {
				n := r.start("one", change)
				memQuiet(time.Minute)
				err := n.failed()
				if err == nil {
					t.Fatal("the start did not fail")
				}
				memSentence(t, err.Error())
				if !strings.Contains(err.Error(), "code") {
					t.Errorf("%q does not speak of the code", err)
				}
				// With the right codes the same data folder starts.
				r.start("one")
				memQuiet(10 * time.Second)
				r.works("with the right codes", memAnn, memBob)
			})
		})
	}
}

// TestAnswersThatAreNotExchange: a log-in page with status 200, and a redirect.
// Nothing is served and nobody gets the password; it heals by itself.
func TestAnswersThatAreNotExchange(t *testing.T) {
	for name, f := range map[string]ewstest.Fault{
		"log-in page": {Status: http.StatusOK, Page: "<html><head><title>Log on</title></head><body><form></form></body></html>"},
		"forbidden":   {Status: http.StatusForbidden},
		"not found":   {Status: http.StatusNotFound, Page: "<html>404</html>"},
		"bad gateway": {Status: http.StatusBadGateway, Page: "<html>502 nginx</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			memStory(t, func(t *testing.T, r *memRig, n *memNode) {
				f := f
				f.Times, f.Match = -1, memOurs
				r.x.Fail(f)
				r.net.cut(memExchange)
				before := len(r.x.Calls())
				m := r.book(memAnn, memPlan{subject: "Meanwhile", location: "@meet", in: 3 * time.Hour, invited: []string{memBob}})
				memQuiet(30 * time.Minute)
				if calls := len(r.x.Calls()) - before; calls > 400 {
					t.Errorf("%d calls in half an hour of %s", calls, name)
				}
				for _, a := range n.Connector().Status().Alarms {
					memSentence(t, a.Why)
				}
				if f.Status != http.StatusBadGateway && len(n.Connector().Status().Alarms) != 1 {
					t.Errorf("alarms: %v", n.Connector().Status().Alarms)
				}
				r.x.Heal()
				memQuiet(10 * time.Minute)
				m.decorated("healed", true)
				r.judge("healed")
				if a := n.Connector().Status().Alarms; len(a) != 0 {
					t.Errorf("healed, and the alarms are %v", a)
				}
			})
		})
	}
}

// TestRedirectIsNotFollowed: no credential goes to a host that the administrator
// did not name.
func TestRedirectIsNotFollowed(t *testing.T) {
	memWith(t, func(t *testing.T, r *memRig) {
		const front, elsewhere = "127.0.0.1:8004", "127.0.0.1:8005"
		for address, h := range map[string]http.HandlerFunc{
			front: func(w http.ResponseWriter, req *http.Request) {
				http.Redirect(w, req, memURL(elsewhere)+ewstest.Path, http.StatusTemporaryRedirect)
			},
			elsewhere: func(_ http.ResponseWriter, req *http.Request) {
				t.Errorf("asked elsewhere, credentials %v", req.Header["Authorization"] != nil)
			},
		} {
			r.serve(r.net.listen(address), h)
		}
		n := r.start("one", func(o *node.Options) { o.Exchange.URL = memURL(front) + ewstest.Path })
		memQuiet(10 * time.Minute)
		s := n.status(memAnn)
		memSentence(t, s.Cause)
		if s.State == connector.StateActivated || !strings.Contains(s.Cause, "redirect") {
			t.Errorf("state %s, cause %q", s.State, s.Cause)
		}
		if r.net.tried(elsewhere) != 0 {
			t.Error("somebody went elsewhere")
		}
	})
}

// TestCertificate: one that is not trusted stops everything before the password
// is sent; the right authority's file makes it work without a restart.
func TestCertificate(t *testing.T) {
	memWith(t, func(t *testing.T, r *memRig) {
		const secure = "127.0.0.1:8006"
		cert, ca, err := ewstest.NewCertificate(time.Now(), "127.0.0.1")
		memOK(t, err)
		_, other, err := ewstest.NewCertificate(time.Now(), "127.0.0.1")
		memOK(t, err)
		l := tls.NewListener(r.net.listen(secure), &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
		r.serve(l, r.x.Handler())
		file := filepath.Join(r.dir, "ca.pem")
		memOK(t, os.WriteFile(file, other, 0o600))
		change := func(o *node.Options) { o.Exchange.URL, o.Exchange.CAFile = "https://"+secure+ewstest.Path, file }
		n := r.start("one", change)
		memQuiet(5 * time.Minute)
		s := n.want(memAnn, connector.StateError)
		memSentence(t, s.Cause)
		if s.Step != calendar.StepConnect || !strings.Contains(s.Cause, "CA file") {
			t.Errorf("step %q, cause %q", s.Step, s.Cause)
		}
		if len(r.x.Calls()) != 0 || r.x.Refused(memService) != 0 {
			t.Error("something was sent to a server that is not trusted")
		}
		memOK(t, os.WriteFile(file, ca, 0o600))
		memQuiet(15 * time.Second)
		n.want(memAnn, connector.StateActivated)
		r.works("with the right authority", memAnn, memBob)
		memOK(t, os.WriteFile(file, []byte("not a certificate"), 0o600))
		memQuiet(time.Minute)
		r.works("a broken file is not taken up", memBob, memCho)
		n.end()
		for content, word := range map[string]string{"": "exists", "not a certificate": "PEM"} {
			memOK(t, os.Remove(file))
			if content != "" {
				memOK(t, os.WriteFile(file, []byte(content), 0o600))
			}
			n := r.start("two", change)
			err := n.failed()
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("with %q as CA file: %v", content, err)
			}
			if content == "" {
				memOK(t, os.WriteFile(file, nil, 0o600))
			}
		}
	})
}

// TestItemsOfAllKinds: a body of five megabytes, characters that XML forbids,
// a thousand attendees, an empty subject. Each is shown or its reason is, and
// the others are served.
func TestItemsOfAllKinds(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, n *memNode) {
		start := time.Now().Add(2 * time.Hour).Truncate(time.Minute)
		add := func(it ewstest.Item) ewstest.Item {
			it.Start, it.End = start, start.Add(time.Hour)
			if it.Response == "" {
				it.Response = ewstest.ResponseOrganizer
			}
			made, err := r.x.Add(memAnn, it)
			memOK(t, err)
			return made
		}
		big := add(ewstest.Item{Subject: "Big", Location: "@meet", Body: ewstest.Body{Type: "HTML", Content: "<p>" + strings.Repeat("all work and no play ", 250_000) + "</p>"}})
		odd := add(ewstest.Item{Subject: "Odd \x00\x0b\ufffe\xed\xa0\xbd end", Location: "@meet \x1f", Body: ewstest.Body{Type: "Text", Content: "a\x01b\x00c"}})
		empty := add(ewstest.Item{Location: "@meet"})
		memQuiet(2 * time.Minute)
		r.x.Fail(ewstest.Fault{Op: "GetItem", Illegal: true, Match: memOurs, Times: 20})
		r.works("beside items of all kinds", memAnn, memBob)
		for _, it := range []ewstest.Item{big, odd, empty} {
			now, ok := r.x.Item(it.ID)
			want := 1
			if it.ID == big.ID {
				want = 0
			}
			if !ok || memBlocks(now.Body) != want {
				t.Errorf("%q has %d blocks, not %d", it.Subject, memBlocks(now.Body), want)
			}
			if it.ID == big.ID && now.Body.Content != it.Body.Content {
				t.Error("a body that was not read whole was changed")
			}
		}
		shown := r.shown(memAnn)
		if len(shown) != 4 {
			t.Errorf("%d of 4 meetings are shown: %q", len(shown), shown)
		}
		lines, err := n.Connector().Trace(t.Context(), n.status(memAnn).ID, time.Time{})
		memOK(t, err)
		if !strings.Contains(fmt.Sprint(lines), "body-not-read") {
			t.Errorf("the trace does not say why the big one was not written: %v", lines)
		}
		for _, word := range []string{"Big", "Odd", "all work", memAnn, memBob, "meet.example.net"} {
			if strings.Contains(r.log.String(), word) {
				t.Errorf("the log holds %q", word)
			}
		}
	})
}

// TestDataFolder: a folder that cannot be used, or that another one uses.
func TestDataFolder(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, n *memNode) {
		second := r.start("one") // the same folder
		memSentence(t, second.failed().Error())
		file := filepath.Join(r.dir, "file")
		memOK(t, os.WriteFile(file, nil, 0o600))
		third := r.start("three", func(o *node.Options) { o.Data = file })
		memSentence(t, third.failed().Error())
		r.works("the first goes on", memAnn, memBob)
	})
}
