package systemtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/node"
)

const memService = "svc@example.com"

// withPassword has a node read the password from a file, and writes it.
func (r *memRig) withPassword(password string) (memChange, func(string)) {
	path := filepath.Join(r.dir, "password")
	write := func(p string) { memOK(r.t, os.WriteFile(path, []byte(p+"\n"), 0o600)) }
	write(password)
	return func(o *node.Options) { o.Exchange.PasswordFile = path }, write
}

// TestWrongPassword: the account is never locked. A password that never worked
// is tried once in half an hour, whoever restarts the program how often; the
// right one is tried at once.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, ewstest.Exchange2019)
		change, write := r.withPassword("hunter2")
		n := r.start("one", change)
		memQuiet(10 * time.Minute)
		for _, who := range memPeople {
			s := n.want(who, connector.StateError)
			if s.Step != "authenticate" {
				t.Errorf("failed at step %q", s.Step)
			}
			memSentence(t, s.Cause)
		}
		if got := r.x.Refused(memService); got != 1 {
			t.Errorf("the wrong password was tried %d times", got)
		}
		for range 20 {
			n.end()
			n = r.start("one", change)
			memQuiet(10 * time.Second)
		}
		if got := r.x.Refused(memService); got != 1 {
			t.Errorf("with restarts the wrong password was tried %d times", got)
		}
		memSentence(t, n.want(memAnn, connector.StateError).Cause)
		memQuiet(40 * time.Minute)
		if got := r.x.Refused(memService); got > 3 {
			t.Errorf("in an hour the wrong password was tried %d times", got)
		}
		// Another wrong one is tried, once.
		before := r.x.Refused(memService)
		write("hunter3")
		memQuiet(15 * time.Second)
		if got := r.x.Refused(memService) - before; got != 1 {
			t.Errorf("a new wrong password was tried %d times", got)
		}
		write(memPassword)
		memQuiet(15 * time.Second)
		for _, who := range memPeople {
			n.want(who, connector.StateActivated)
		}
		m := r.book(memAnn, memPlan{subject: "At last", location: "@meet", invited: []string{memBob}})
		memQuiet(time.Minute)
		m.decorated("with the right password", true)
		r.judge("with the right password")
		// What was noted of the wrong ones holds nothing up.
		n.end()
		n = r.start("one", change)
		memQuiet(5 * time.Second)
		n.want(memAnn, connector.StateActivated)
		for _, word := range []string{"hunter", memPassword + "\n", "svc@"} {
			if strings.Contains(r.log.String(), word) {
				t.Errorf("the log holds %q", word)
			}
		}
	})
}

// TestPasswordChangedOnTheServer: one refusal and its confirmation, then
// silence until the file has new content.
func TestPasswordChangedOnTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, ewstest.Exchange2019)
		change, write := r.withPassword(memPassword)
		n := r.start("one", change)
		m := r.book(memAnn, memPlan{subject: "Before", location: "@meet", in: 5 * time.Hour, invited: []string{memBob}})
		memQuiet(time.Minute)
		m.decorated("before", true)
		r.x.SetPassword(memService, "new")
		r.net.cut(memExchange)
		m.rename("Before, renamed")
		late := r.book(memBob, memPlan{subject: "Late", location: "@meet", in: 5 * time.Hour, invited: []string{memAnn}})
		memQuiet(20 * time.Minute)
		// Ten requests at most are on their way when the first refusal arrives.
		if got := r.x.Refused(memService); got < 1 || got > 10 {
			t.Errorf("the old password was tried %d times", got)
		}
		memSentence(t, n.want(memAnn, connector.StateError).Cause)
		n.end()
		before := r.x.Refused(memService)
		n = r.start("one", change)
		memQuiet(time.Minute)
		if got := r.x.Refused(memService) - before; got != 0 {
			t.Errorf("a restart tried the old password %d times", got)
		}
		write("new")
		memQuiet(10 * time.Second)
		n.want(memAnn, connector.StateActivated)
		memQuiet(time.Minute)
		for _, who := range memPeople {
			n.want(who, connector.StateActivated)
		}
		late.decorated("after", true)
		r.judge("after")
	})
}
