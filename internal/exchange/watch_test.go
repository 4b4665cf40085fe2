package exchange

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

func TestWatch(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		l := o.watch(o.ann, o.bob)
		defer l.stop()
		start := l.take(10 * time.Second)
		for _, m := range []calendar.Mailbox{o.ann, o.bob} {
			if n := count(start, m, calendar.Catchup, ""); n == 0 {
				t.Errorf("%v does not begin with catching up", m)
			}
		}
		made := o.meeting(ewstest.Item{Subject: "review"})
		heard := l.take(10 * time.Second)
		if count(heard, o.ann, calendar.Upsert, made.ID) == 0 || count(heard, o.bob, calendar.Upsert, "") != 0 {
			t.Errorf("a new item: %v", heard)
		}
		// A server that names folders only has to be found out first; until then
		// each change is told by asking for what changed.
		for round := range 4 {
			if err := o.srv.Edit(annAddr, made.ID, func(it *ewstest.Item) { it.Subject = fmt.Sprint("edit ", round) }); err != nil {
				t.Fatal(err)
			}
			heard = l.take(20 * time.Second)
			named := count(heard, o.ann, calendar.Upsert, made.ID)
			if named+count(heard, o.ann, calendar.Catchup, "") == 0 || named == 0 && (round == 3 || o.dialect() != ewstest.Gromox) {
				t.Errorf("edit %d: %v", round, heard)
			}
		}
		if _, err := o.srv.Add(annAddr, ewstest.Item{Class: ewstest.ClassNote, Subject: "mail"}); err != nil {
			t.Fatal(err)
		}
		if heard := l.take(20 * time.Second); len(heard) != 0 {
			t.Errorf("a mail in the Inbox: %v", heard)
		}
		if _, err := o.srv.AddFolder(annAddr, "Other", "IPF.Appointment"); err != nil {
			t.Fatal(err)
		}
		moved, err := o.srv.Move(annAddr, made.ID, "Other")
		if err != nil {
			t.Fatal(err)
		}
		if heard := l.take(20 * time.Second); count(heard, o.ann, calendar.Delete, made.ID) == 0 || count(heard, o.ann, calendar.Upsert, moved) != 0 {
			t.Errorf("moved out: %v", heard)
		}
		back, err := o.srv.Move(annAddr, moved, "calendar")
		if err != nil {
			t.Fatal(err)
		}
		if heard := l.take(20 * time.Second); count(heard, o.ann, calendar.Upsert, back) == 0 {
			t.Errorf("moved in: %v", heard)
		}
		if err := o.srv.Remove(annAddr, back); err != nil {
			t.Fatal(err)
		}
		if heard := l.take(20 * time.Second); count(heard, o.ann, calendar.Delete, back) == 0 {
			t.Errorf("removed: %v", heard)
		}
		if n := o.srv.Streams(); n != 1 && o.dialect() != ewstest.Gromox || n != 2 && o.dialect() == ewstest.Gromox {
			t.Errorf("%d streams", n)
		}
	})
}

// TestWatchLosesNothing: after whatever interrupts a stream, changes are told or
// have to be asked for.
func TestWatchLosesNothing(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		l := o.watch(o.ann, o.bob)
		defer l.stop()
		l.take(10 * time.Second)
		interrupt := map[string]func(){
			"streams cut":        func() { o.srv.CutStreams() },
			"subscriptions lost": func() { o.srv.DropSubscriptions() },
			"server away": func() {
				o.net.setDown(true)
				time.Sleep(3 * time.Minute)
				o.net.setDown(false)
			},
			"an hour goes by": func() { time.Sleep(time.Hour) },
		}
		for name, f := range interrupt {
			f()
			made := o.meeting(ewstest.Item{Subject: name})
			heard := l.take(time.Minute)
			if count(heard, o.ann, calendar.Upsert, made.ID)+count(heard, o.ann, calendar.Catchup, "") == 0 {
				t.Errorf("%s: %v", name, heard)
			}
			made = o.meeting(ewstest.Item{Subject: name})
			if heard := l.take(time.Minute); count(heard, o.ann, calendar.Upsert, made.ID) == 0 {
				t.Errorf("%s: it does not go on: %v", name, heard)
			}
		}
		o.srv.ForgetCalls()
		l.take(10 * time.Hour)
		if n := len(o.srv.Calls()); n > 150 {
			t.Errorf("%d requests in ten quiet hours", n)
		}
	})
}

func TestWatchOneBadMailbox(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		o.srv.Deny(bobAddr)
		nobody := calendar.Mailbox{ID: "mb-nobody", Address: "nobody@example.com"}
		l := o.watch(nobody, o.ann, o.bob)
		defer l.stop()
		heard := l.take(10 * time.Second)
		for _, m := range []calendar.Mailbox{nobody, o.bob} {
			f := faults(heard, m)
			if len(f) != 1 || f[0].Class != calendar.NoMailbox || f[0].Step != calendar.StepImpersonate {
				t.Errorf("%v: %v", m, f)
			}
		}
		if count(heard, o.ann, calendar.Catchup, "") == 0 {
			t.Error("the good one is not watched")
		}
		if n := o.srv.Streams(); n != 1 {
			t.Errorf("%d streams", n)
		}
		o.srv.Grant(bobAddr)
		heard = l.take(6 * time.Minute)
		if count(heard, o.bob, calendar.Catchup, "") == 0 || count(heard, nobody, calendar.Catchup, "") != 0 {
			t.Errorf("after the grant: %v", heard)
		}
		made, err := o.srv.Add(bobAddr, ewstest.Item{Subject: "x", Start: time.Now(), End: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if heard := l.take(time.Minute); count(heard, o.bob, calendar.Upsert, made.ID) == 0 {
			t.Errorf("it is not watched: %v", heard)
		}
		if l.take(time.Hour); o.srv.Streams() != 1 {
			t.Errorf("%d streams after an hour", o.srv.Streams())
		}
	})
}

// TestStreamsThatDoNotComeThrough: behind a proxy that holds answers back,
// changes are asked for instead.
func TestStreamsThatDoNotComeThrough(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		o.srv.Fail(ewstest.Fault{Op: "GetStreamingEvents", Delay: time.Hour, Times: -1})
		l := o.watch(o.ann)
		defer l.stop()
		l.take(2 * time.Minute)
		heard := l.take(5 * time.Minute)
		if n := count(heard, o.ann, calendar.Catchup, ""); n < 9 || n > 14 {
			t.Errorf("asked %d times in five minutes", n)
		}
		o.srv.Heal()
		l.take(20 * time.Minute)
		made := o.meeting(ewstest.Item{Subject: "x"})
		if heard := l.take(5 * time.Second); count(heard, o.ann, calendar.Upsert, made.ID) == 0 {
			t.Errorf("streams are not tried again: %v", heard)
		}
	})
}

// TestTheAccountIsNotLocked: two hours with a wrong password cost a few tries;
// the right one in the file is taken up within seconds.
func TestTheAccountIsNotLocked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong")
	setup := func(opt *Options) { opt.Password, opt.PasswordFile = ews.Secret{}, file }
	inOffice(t, ewstest.Exchange2019, setup, func(t *testing.T, o *office) {
		stop := o.running()
		defer stop()
		l := o.watch(o.ann, o.bob)
		defer l.stop()
		heard := l.take(2 * time.Hour)
		if n := o.srv.Refused("svc@example.com"); n < 1 || n > 5 {
			t.Errorf("the password was refused %d times in two hours", n)
		}
		for _, f := range append(faults(heard, o.ann), faults(heard, o.bob)...) {
			if f.Class != calendar.NoAccount || f.Step != calendar.StepAuthenticate {
				t.Errorf("fault: %+v", f)
			}
		}
		if len(faults(heard, o.bob)) == 0 {
			t.Error("nobody is told")
		}
		write("password")
		heard = l.take(6 * time.Second)
		if count(heard, o.ann, calendar.Catchup, "") == 0 || count(heard, o.bob, calendar.Catchup, "") == 0 {
			t.Errorf("the right password is not taken up: %v", heard)
		}
	})
}

// TestAnotherProgramTakesOver: whoever loses its stream to another program ends
// and says so, and leaves the mailboxes to it.
func TestAnotherProgramTakesOver(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		l := o.watch(o.ann)
		defer l.stop()
		l.take(time.Minute)
		var ids []string
		for _, c := range o.srv.CallsTo("GetStreamingEvents", "") {
			ids = c.Subs
		}
		ctx, cancel := contextOf(t)
		defer cancel()
		go func() {
			for range o.x.ews().As(annAddr).GetStreamingEvents(ctx, ids, time.Minute) {
			}
		}()
		heard := l.take(time.Second)
		o.srv.ForgetCalls()
		l.take(time.Hour)
		if f, is := errors.AsType[*calendar.Fault](heard[len(heard)-1].err); !is || f.Class != calendar.Taken || len(o.srv.Calls()) != 0 {
			t.Errorf("the last word was %v; %d calls after it", heard[len(heard)-1].err, len(o.srv.Calls()))
		}
	})
}

// TestBusyMailbox: a mailbox whose server asks for sixty seconds gets not one
// request in them, to the millisecond, whoever asks; the others flow.
func TestBusyMailbox(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		made := o.meeting(ewstest.Item{Subject: "x"})
		other, err := o.srv.Add(bobAddr, ewstest.Item{Subject: "y", Start: time.Now(), End: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		l := o.watch(o.ann, o.bob)
		defer l.stop()
		l.take(time.Minute)
		o.srv.Fail(ewstest.Fault{Op: "GetItem", Mailbox: annAddr, BackOff: time.Minute})
		if _, err := o.x.Get(t.Context(), o.ann, made.ID); class(t, err) != calendar.Wait {
			t.Fatal(err)
		}
		asked := time.Now()
		o.srv.ForgetCalls()
		flowed := 0
		for time.Since(asked) < 59*time.Second {
			_, err := o.x.Get(t.Context(), o.ann, made.ID)
			if f, is := errors.AsType[*calendar.Fault](err); !is || !f.Until.Equal(asked.Add(time.Minute)) {
				t.Fatalf("after %v: %v", time.Since(asked), err)
			}
			_, _, _ = o.x.View(t.Context(), o.ann, calendar.Window{From: asked, To: asked.Add(time.Hour)})
			_, _ = o.x.Changes(t.Context(), o.ann, "")
			if _, err := o.x.Get(t.Context(), o.bob, other.ID); err != nil {
				t.Fatal(err)
			}
			flowed++
			time.Sleep(time.Second - time.Millisecond)
		}
		time.Sleep(time.Until(asked.Add(time.Minute - time.Nanosecond)))
		_, _ = o.x.Get(t.Context(), o.ann, made.ID)
		for _, c := range o.srv.Calls() {
			if strings.EqualFold(c.Mailbox, annAddr) {
				t.Errorf("%s was sent after %v", c.Op, c.At.Sub(asked))
			}
		}
		if n := len(o.srv.CallsTo("GetItem", bobAddr)); n != flowed || n < 59 {
			t.Errorf("%d requests for the other mailbox", n)
		}
		o.meeting(ewstest.Item{Subject: "still told of"})
		if heard := l.take(time.Nanosecond); count(heard, o.ann, calendar.Upsert, "") == 0 {
			t.Error("the stream does not flow")
		}
		if _, err := o.x.Get(t.Context(), o.ann, made.ID); err != nil {
			t.Errorf("when the minute is over: %v", err)
		}
		if s := o.x.Requests(); s.BackOffs != 1 || s.Halvings != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// running runs the Exchange beside a test.
func (o *office) running() (stop func()) {
	ctx, cancel := contextOf(o.t)
	done := make(chan error, 1)
	go func() { done <- o.x.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			o.t.Error(err)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noCA := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(noCA, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := Options{URL: "https://mail.example.com/EWS/Exchange.asmx", Username: "svc", Password: ews.NewSecret("secret-word")}
	for name, change := range map[string]func(*Options){
		"no URL":            func(o *Options) { o.URL = "" },
		"http":              func(o *Options) { o.URL = "http://mail.example.com/EWS/Exchange.asmx" },
		"no user":           func(o *Options) { o.Username = "" },
		"no password file":  func(o *Options) { o.PasswordFile = filepath.Join(dir, "none") },
		"no CA file":        func(o *Options) { o.CAFile = filepath.Join(dir, "none") },
		"CA file of no use": func(o *Options) { o.CAFile = noCA },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func TestFaultsOfTheServer(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		for code, want := range map[string]calendar.FaultClass{
			"ErrorNonExistentMailbox":        calendar.NoMailbox,
			"ErrorMailboxMoveInProgress":     calendar.Wait,
			"ErrorFolderNotFound":            calendar.NoMailbox,
			"ErrorInternalServerError":       calendar.Wait,
			"ErrorMissingEmailAddress":       calendar.NoAccount,
			"ErrorAccessDenied":              calendar.NoMailbox,
			"ErrorImpersonateUserDenied":     calendar.NoMailbox,
			"ErrorExceededSubscriptionCount": calendar.Wait,
		} {
			o.srv.Fail(ewstest.Fault{Op: "GetFolder", Code: code})
			if _, err := o.x.Bind(t.Context(), o.ann); class(t, err) != want {
				t.Errorf("%s: %v", code, class(t, err))
			}
			o.srv.Heal()
		}
		if f := o.x.fault(calendar.StepRead, errors.New("odd")); f.Class != calendar.Wait {
			t.Errorf("odd: %+v", f)
		}
	})
}

// TestStreamWaitsToo: a stream is opened on behalf of a mailbox, and is a
// request like others. Another mailbox of the group can stand for it.
func TestStreamWaitsToo(t *testing.T) {
	t.Parallel()
	for _, alone := range []bool{true, false} {
		inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
			made := o.meeting(ewstest.Item{Subject: "x"})
			watched := []calendar.Mailbox{o.ann, o.bob}
			if alone {
				watched = watched[:1]
			}
			l := o.watch(watched...)
			defer l.stop()
			l.take(time.Minute)
			o.srv.Fail(ewstest.Fault{Op: "GetItem", BackOff: 10 * time.Minute})
			if _, err := o.x.Get(t.Context(), o.ann, made.ID); class(t, err) != calendar.Wait {
				t.Fatal(err)
			}
			o.srv.ForgetCalls()
			o.srv.CutStreams()
			heard := l.take(9 * time.Minute)
			for _, c := range o.srv.Calls() {
				if c.Mailbox == annAddr {
					t.Errorf("alone %v: %s was sent", alone, c.Op)
				}
			}
			if goesOn := o.srv.Streams() == 1 && count(heard, o.ann, calendar.Catchup, "") == 1; goesOn == alone {
				t.Errorf("alone %v: goes on %v", alone, goesOn)
			}
			heard = l.take(15 * time.Minute)
			if o.srv.Streams() != 1 || alone && count(heard, o.ann, calendar.Catchup, "") == 0 {
				t.Errorf("alone %v: the stream is not opened again: %v", alone, heard)
			}
		})
	}
}
