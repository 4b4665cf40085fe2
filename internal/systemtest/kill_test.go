package systemtest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/exchange"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/node"
)

// killed is one meeting that is scheduled while the connector is being killed.
type killed struct {
	ews.CalendarItem
	by   int  // the organizer
	send bool // the invitations are sent
	id   ews.ItemID
	err  error
}

// killedMeetings are twenty of every kind. Users 1 to 4 are served, 5 and 6 are
// not, and somebody is not here at all.
func killedMeetings() (all []*killed) {
	add := func(send bool, it ews.CalendarItem) {
		all = append(all, &killed{CalendarItem: it, by: len(all)%4 + 1, send: send})
	}
	kinds := []struct {
		what   string
		times  int
		send   bool
		series bool
	}{
		{"sent to many", 6, true, false}, {"sent to those not served", 3, true, false}, {"draft", 3, false, false},
		{"nobody invited", 3, false, false}, {"weekly, sent", 3, true, true}, {"weekly, nobody invited", 2, false, true},
	}
	for _, k := range kinds {
		for n := range k.times {
			organizer := len(all)%4 + 1
			var people []string
			switch k.what {
			case "sent to those not served":
				people = []string{procAddress(5), procAddress(6), "somebody@elsewhere.example"}
			case "nobody invited", "weekly, nobody invited":
			default:
				people = []string{procAddress(organizer%4 + 1), procAddress((organizer+1)%4 + 1), procAddress(5)}
			}
			it := procMeeting(fmt.Sprintf("Meeting %d, %s", n+1, k.what), "@meet", 3+len(all), people...)
			if k.series {
				it = procWeekly(it, 3)
			}
			add(k.send, it)
		}
	}
	return all
}

const killTimes = 50

// TestKilledAtAnyMoment schedules twenty meetings while the connector is ended
// with SIGKILL at fifty moments, and takes its cache away in between. Whatever
// was under way: each meeting has one join block in the end, nobody got two
// updates, and what was not done has its reason.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("KOYOMI_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("KOYOMI_SEED=%d repeats these moments", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	began := time.Now()
	undone := map[string]mailbox.Reason{} // address -> why nothing was written there
	s := procInstall(t, procOptions{
		Users: 9, Served: []int{1, 2, 3, 4, 7, 8, 9}, Settle: "150ms", DraftSettle: "1s",
		Before: func(s *procSystem) {
			killSave(t, s, 7, procMeeting("Older than the connector", "@meet", 5))
			undone[procAddress(7)] = mailbox.BeforeBaseline
			time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // the server's times have whole seconds
		},
	})
	killSave(t, s, 8, procMeeting("Over already", "@meet", -5))
	undone[procAddress(8)] = mailbox.Past
	killOptOut(t, s, 9)
	undone[procAddress(9)] = mailbox.OptedOut

	t.Logf("installed in %v", time.Since(began).Round(time.Second))

	meetings := killedMeetings()
	began = time.Now()
	kills := killOften(t, s, r, meetings)
	t.Logf("%d kills in %v: %v", killTimes, time.Since(began).Round(time.Second), kills)
	began = time.Now()

	s.start()
	s.served()
	killSettled(t, s, meetings)
	t.Logf("settled after %v", time.Since(began).Round(time.Second))
	killJudge(t, s, meetings)
	s.connector.stop()
	killReasons(t, s, meetings, undone)
}

func killSave(t *testing.T, s *procSystem, user int, it ews.CalendarItem) ews.ItemID {
	t.Helper()
	id, err := procSave(t.Context(), s.as(user), it, false)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// killOptOut lets a user take the join block out again.
func killOptOut(t *testing.T, s *procSystem, user int) {
	t.Helper()
	box := s.as(user)
	id := killSave(t, s, user, procMeeting("Opted out", "@meet", 4))
	procEventually(t, "a join block to take out", func() (bool, string) {
		it := procItem(t, box, id)
		blocks := procBlocks(&it, procLink(&it))
		return blocks == 1, fmt.Sprint(blocks)
	})
	it := procItem(t, box, id)
	_, err := box.UpdateItem(t.Context(), ews.UpdateItemRequest{
		Changes: []ews.ItemChange{{Item: it.ItemID.Ref(), Updates: []ews.FieldUpdate{
			ews.Set("item:Body", ews.CalendarItem{Body: &ews.Body{Type: ews.BodyHTML, Content: "<p>by telephone</p>"}}),
		}}}, Conflict: ews.AlwaysOverwrite,
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	killedWhileDeciding = regexp.MustCompile(`msg=decided`)
	killedWhileSettling = regexp.MustCompile(`reason=settling`)
)

// killOften starts and kills the connector, and has the meetings scheduled
// meanwhile: some while it is down, some while it starts, most while it runs.
// It returns how often it struck in which way.
func killOften(t *testing.T, s *procSystem, r *rand.Rand, meetings []*killed) map[string]int {
	t.Helper()
	s.connector.kill()
	plan := map[int][]*killed{}
	for _, m := range meetings {
		round := r.IntN(killTimes - 5)
		plan[round] = append(plan[round], m)
	}
	var people sync.WaitGroup
	kills := map[string]int{}
	for round := range killTimes {
		for _, m := range plan[round] {
			box, wait := s.as(m.by), time.Duration(r.IntN(400)-100)*time.Millisecond
			people.Go(func() {
				time.Sleep(wait)
				m.id, m.err = procSave(t.Context(), box, m.CalendarItem, m.send)
			})
		}
		s.start()
		kills[killAtAMoment(t, s, r, len(plan[round]) > 0)]++
		if round == killTimes/2 {
			killCache(t, s)
		}
		s.connector.kill()
	}
	people.Wait()
	for _, m := range meetings {
		if m.err != nil {
			t.Fatalf("%s: %v", m.Subject, m.err)
		}
	}
	return kills
}

// killAtAMoment waits for the moment to strike: any moment of a start, or one
// shortly after a decision or around a write.
func killAtAMoment(t *testing.T, s *procSystem, r *rand.Rand, busy bool) (when string) {
	t.Helper()
	within := func(from, to int) {
		time.Sleep(time.Duration(1000*from+r.IntN(1000*(to-from))) * time.Microsecond)
	}
	patience := 700 * time.Millisecond
	if busy {
		patience *= 3
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n := r.IntN(10)
	switch {
	case n < 2, !busy && n < 8:
		within(0, 600)
		return "at any time"
	case n < 6:
		if s.connector.await(ctx, killedWhileDeciding, 1+r.IntN(5)) != nil {
			within(0, 60)
			return "after a decision"
		}
	default:
		if s.connector.await(ctx, killedWhileSettling, 1) != nil {
			within(100, 220) // the write is due after 150 ms
			return "around a write"
		}
	}
	return "with nothing to do"
}

// killCache takes the cache away under the running connector.
func killCache(t *testing.T, s *procSystem) {
	t.Helper()
	s.served()
	for _, name := range []string{"cache.db", "cache.db-wal", "cache.db-shm"} {
		if err := os.Remove(s.path("connector/" + name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	killSave(t, s, 1, procMeeting("Something happens", "", 90)) // so that it notices
	s.connector.says(`mailbox starts again from what was saved`)
	s.served()
}

// killSettled waits until every meeting has its join block and the connector has
// nothing left to do.
func killSettled(t *testing.T, s *procSystem, meetings []*killed) {
	t.Helper()
	boxes := map[int]*ews.Mailbox{}
	for user := 1; user <= 4; user++ {
		boxes[user] = s.as(user)
	}
	procEventually(t, "a join block in every meeting", func() (bool, string) {
		calendars := map[int]map[string][]ews.CalendarItem{}
		for user, box := range boxes {
			calendars[user] = procCalendar(t, box)
		}
		for _, m := range meetings {
			if found := calendars[m.by][m.Subject]; len(found) != 1 || procLink(&found[0]) == "" {
				return false, m.Subject
			}
		}
		return true, ""
	})
	admin, before, since := s.admin(), -1.0, time.Now()
	procEventually(t, "quiet", func() (bool, string) {
		now := procMetric(t, admin, "koyomi_events_total")
		if now != before {
			before, since = now, time.Now()
		}
		return time.Since(since) > 2*time.Second, fmt.Sprint(now, " events")
	})
}

// killJudge looks at calendars, mail and lists.
func killJudge(t *testing.T, s *procSystem, meetings []*killed) {
	t.Helper()
	calendars, mail, lists := map[int]map[string][]ews.CalendarItem{}, map[int]map[string]int{}, map[int]map[string][]calendar.Head{}
	for user := 1; user <= 6; user++ {
		box := s.as(user)
		calendars[user], mail[user] = procCalendar(t, box), procMail(t, box)
	}
	for user := 1; user <= 4; user++ {
		lists[user] = s.device(user).list()
	}
	links := map[string]string{}
	for _, m := range meetings {
		found := calendars[m.by][m.Subject]
		if len(found) != 1 || found[0].ItemID.ID != m.id.ID {
			t.Errorf("%s: the organizer has it %d times", m.Subject, len(found))
			continue
		}
		link := procLink(&found[0])
		if blocks := procBlocks(&found[0], link); blocks != 1 {
			t.Errorf("%s: %d join blocks", m.Subject, blocks)
		}
		if other, twice := links[link]; twice {
			t.Errorf("%s and %s have the same link", m.Subject, other)
		}
		links[link] = m.Subject
		for user := 1; user <= 6; user++ {
			killAttendee(t, m, user, calendars[user][m.Subject], mail[user][m.Subject], link)
		}
		occurrences := lists[m.by][m.Subject]
		if want := killOccurrences(m); len(occurrences) != want {
			t.Errorf("%s stands %d times in the organizer's list, not %d times", m.Subject, len(occurrences), want)
		}
		for _, h := range occurrences {
			if len(h.Join) == 0 || h.Join[0].URL != link {
				t.Errorf("%s: the list does not offer the link of the invitation", m.Subject)
			}
		}
	}
}

func killOccurrences(m *killed) int {
	if m.Recurrence != nil {
		return m.Recurrence.Count
	}
	return 1
}

// killAttendee looks at what one person got of a meeting.
func killAttendee(t *testing.T, m *killed, user int, copies []ews.CalendarItem, mails int, link string) {
	t.Helper()
	invited := slices.ContainsFunc(m.RequiredAttendees, func(a ews.Attendee) bool { return a.Address == procAddress(user) })
	switch {
	case !invited || !m.send:
		if mails != 0 {
			t.Errorf("%s: user %d got %d mails, and was not to get any", m.Subject, user, mails)
		}
	case mails != 2:
		t.Errorf("%s: user %d got %d mails, not the invitation and one update", m.Subject, user, mails)
	case len(copies) != 1:
		t.Errorf("%s: user %d has %d copies", m.Subject, user, len(copies))
	default:
		if blocks := procBlocks(&copies[0], link); blocks != 1 {
			t.Errorf("%s: user %d sees %d join blocks", m.Subject, user, blocks)
		}
	}
}

// killReasons reads the connector's trace: the last word on everything has to be
// a good one, and what was not written has the reason that it was not.
func killReasons(t *testing.T, s *procSystem, meetings []*killed, undone map[string]mailbox.Reason) {
	t.Helper()
	n := s.open()
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	organized := map[string]int{}
	for _, m := range meetings {
		organized[procAddress(m.by)]++
	}
	written := []mailbox.Reason{mailbox.Done, mailbox.Inserted, mailbox.Confirmed, mailbox.NotConfirmed, mailbox.NotSeen}
	for _, m := range n.Connector().Status().Mailboxes {
		lines, err := n.Connector().Trace(t.Context(), m.ID, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		last := map[string]mailbox.Reason{}
		for _, l := range lines {
			last[l.Meeting] = l.Reason
		}
		if why, is := undone[m.Address]; is {
			if !slices.Contains(slices.Collect(maps.Values(last)), why) {
				t.Errorf("%s: nothing says %q: %v", m.Address, why, last)
			}
			continue
		}
		good := 0
		for meeting, why := range last {
			switch {
			case slices.Contains(written, why):
				good++
			case why != mailbox.NotOrganizer && why != mailbox.NothingAsked:
				t.Errorf("%s: the last word on meeting %s is %q: %s", m.Address, meeting, why, why.Sentence())
			}
		}
		if good < organized[m.Address] {
			t.Errorf("%s: %d of %d meetings have a reason: %v", m.Address, good, organized[m.Address], last)
		}
	}
}

// open opens the stopped connector's databases without serving anybody, as a
// command that shows its trace does.
func (s *procSystem) open() *node.Node {
	s.t.Helper()
	o := node.Options{
		Data:     s.path("connector"),
		Exchange: exchange.Options{URL: s.ews, Username: "svc@example.com", Password: ews.NewSecret(procPassword)},
		Cloud:    node.Peer{URL: s.cloudURL}, KMS: node.Peer{URL: s.kmsURL},
	}
	for _, user := range s.opt.Served {
		m := connector.Mailbox{}
		m.Address = procAddress(user)
		o.Connector.Mailboxes = append(o.Connector.Mailboxes, m)
	}
	o.Connector.Rules.Detect = detect.New(nil)
	n, err := node.Open(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
