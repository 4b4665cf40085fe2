package systemtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews"
)

// python is Debian's, which has Debian's python3-exchangelib.
const python = "/usr/bin/python3"

// otherClient is a calendar program that nobody here wrote.
type otherClient struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
	err *bytes.Buffer
}

// startExchangelib starts the client. Where it is not installed the test is
// skipped, unless everything has to run.
func startExchangelib(t *testing.T, s *procSystem, organizer, attendee int) *otherClient {
	t.Helper()
	c := exec.CommandContext(t.Context(), python, "testdata/calendar_keeper.py",
		s.ews, procPassword, procAddress(organizer), procAddress(attendee), fmt.Sprint(procPatience.Seconds()))
	x := &otherClient{t: t, err: &bytes.Buffer{}}
	c.Stderr = x.err
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := c.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("exchangelib: %v\n%s", err, x.err)
		}
	})
	x.in, x.out = in, bufio.NewScanner(out)
	x.out.Buffer(nil, 16<<20)
	return x
}

// needExchangelib skips the test where the client is not installed, or fails it
// where everything has to run.
func needExchangelib(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), python, "-c", "import exchangelib").CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("KOYOMI_REQUIRE") != "":
		t.Fatalf("python3-exchangelib is needed and not here; install it with: make deps\n%s", out)
	default:
		t.Skip("python3-exchangelib is not here; install it with: make deps")
	}
}

// answer reads the client's next line.
func (x *otherClient) answer(into any) {
	x.t.Helper()
	if !x.out.Scan() {
		x.t.Fatalf("exchangelib says nothing more: %v\n%s", x.out.Err(), x.err)
	}
	procJSON(x.t, x.out.Text(), into)
}

func (x *otherClient) do(command, subject string, into any) {
	x.t.Helper()
	if _, err := fmt.Fprintln(x.in, command, subject); err != nil {
		x.t.Fatalf("exchangelib is gone: %v\n%s", err, x.err)
	}
	x.answer(into)
}

// TestExchangelib has a client that nobody here wrote keep a calendar on the
// simulator while a connector runs beside it. It meets the join block in the
// organizer's calendar, in the attendee's, and in one update in the attendee's
// Inbox.
func TestExchangelib(t *testing.T) {
	t.Parallel()
	needExchangelib(t)
	s := procInstall(t, procOptions{Users: 3, Served: []int{1}, Settle: "300ms", DraftSettle: "2s"})
	x := startExchangelib(t, s, 1, 2)
	phone := s.device(1)

	var hello struct{ Client, Server string }
	x.answer(&hello)
	t.Logf("%s speaks to %s", hello.Client, hello.Server)
	if !strings.HasPrefix(hello.Client, "exchangelib ") || hello.Server == "" {
		t.Fatalf("who is this? %+v", hello)
	}
	for _, c := range []struct {
		command, subject string
		occurrences      int
	}{{"schedule", "Figures of the quarter", 1}, {"series", "Stand-up", 5}} {
		var got seenByOther
		x.do(c.command, c.subject, &got)
		link := got.judge(t, c.subject)
		if got.Occurrences != c.occurrences {
			t.Errorf("%s: %d occurrences in the view, not %d", c.subject, got.Occurrences, c.occurrences)
		}
		t.Logf("%s: %s made %q and read back its block, the attendee's copy and one update", c.command, hello.Client, c.subject)
		procEventually(t, c.subject+" in the list", func() (bool, string) {
			heads := phone.list()[c.subject]
			for _, h := range heads {
				if len(h.Join) == 0 || h.Join[0].URL != link {
					return false, "no button"
				}
			}
			return len(heads) == c.occurrences, fmt.Sprint(len(heads))
		})
	}
	for _, subject := range []string{"Figures of the quarter", "Stand-up"} {
		var got struct{ Left, Mails int }
		x.do("delete", subject, &got)
		if got.Left != 0 || got.Mails != 2 {
			t.Errorf("%s: %d left and %d requests after the delete", subject, got.Left, got.Mails)
		}
		procEventually(t, subject+" gone from the list", func() (bool, string) {
			heads := phone.list()[subject]
			return len(heads) == 0, fmt.Sprint(len(heads))
		})
		t.Logf("delete: %q left the calendar and the list", subject)
	}
	s.connector.stop()
}

// seenByOther is what the client saw of one meeting.
type seenByOther struct {
	Body, Copy  string
	Mails       []string // bodies of the requests in the attendee's Inbox
	Occurrences int
	Organizer   bool // the organizer's item is still the same one
}

// judge returns the link that everybody saw.
func (o seenByOther) judge(t *testing.T, subject string) (link string) {
	t.Helper()
	at := strings.Index(o.Body, procService)
	if at < 0 {
		t.Fatalf("%s: no link in %s", subject, o.Body)
	}
	link, _, _ = strings.Cut(o.Body[at:], `"`)
	blocks := func(html string) int {
		return procBlocks(&ews.CalendarItem{Body: &ews.Body{Type: ews.BodyHTML, Content: html}}, link)
	}
	for who, body := range map[string]string{"organizer": o.Body, "attendee": o.Copy} {
		if n := blocks(body); n != 1 || !strings.Contains(body, "Bring the numbers.") {
			t.Errorf("%s: the %s sees %d join blocks in %s", subject, who, n, body)
		}
	}
	switch {
	case len(o.Mails) != 2:
		t.Errorf("%s: %d requests in the attendee's Inbox, not the invitation and one update", subject, len(o.Mails))
	case blocks(o.Mails[0]) != 0 || blocks(o.Mails[1]) != 1:
		t.Errorf("%s: the first request has the block, or the second has not: %q", subject, o.Mails)
	}
	if !o.Organizer {
		t.Errorf("%s: the item has another id now", subject)
	}
	return link
}
