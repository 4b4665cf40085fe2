package mailbox_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// quiet returns a world without faults and its mailboxes.
func quiet(t *testing.T, n int) (*world, []*box) {
	w := newWorld(t, 1, n)
	w.faults = false
	w.pass(time.Second)
	return w, w.boxes
}

// meeting puts an organized meeting with the keyword into a calendar.
func (b *box) meeting(edit func(*calendar.Item)) *calendar.Item {
	id := b.w.id()
	it := &calendar.Item{
		ID: id, Kind: calendar.Single, ItemClass: "IPM.Appointment", UID: "uid-" + id, GOID: "goid-" + id,
		Subject: "四半期会議", Location: "Room 1; @meet", Start: b.w.now.Add(time.Hour), End: b.w.now.Add(2 * time.Hour),
		Organizer: calendar.Person{Address: b.addr}, IsOrganizer: calendar.Yes, MyResponse: calendar.Organiser,
		RequestSent: calendar.No,
		Body:        calendar.Body{Type: calendar.BodyText, Native: calendar.BodyText, Content: "agenda\r\n", Whole: true},
	}
	if edit != nil {
		edit(it)
	}
	b.items[id] = it
	b.facts[it.GOID] = &fact{text: it.Body.Content, changes: 1}
	b.save()
	b.touch(it)
	if it.RequestSent == calendar.Yes {
		b.deliver(it)
	}
	return it
}

func invite(addrs ...string) func(*calendar.Item) {
	return func(it *calendar.Item) {
		for _, a := range addrs {
			it.Attendees = append(it.Attendees, calendar.Attendee{Person: calendar.Person{Address: a}, Role: calendar.Required})
		}
		it.IsMeeting, it.RequestSent = calendar.Yes, calendar.Yes
	}
}

func draft(addrs ...string) func(*calendar.Item) {
	return func(it *calendar.Item) { invite(addrs...)(it); it.RequestSent = calendar.No }
}

func (b *box) want(it *calendar.Item, writes, mails int, blocks render.State) {
	b.w.t.Helper()
	if b.w.writes != writes {
		b.w.fail("%d writes, want %d", b.w.writes, writes)
	}
	if got := b.facts[it.GOID].mails; got != mails {
		b.w.fail("%d updates mailed, want %d", got, mails)
	}
	if got := render.Find(it.Body, "https://meet.example.org/"+it.GOID).State; got != blocks {
		b.w.fail("block is %v, want %v", got, blocks)
	}
}

// wantReason looks for the reason among everything that was traced of the item.
func (b *box) wantReason(it *calendar.Item, want mailbox.Reason) {
	b.w.t.Helper()
	ref := ""
	if it.Key() != "" {
		ref = b.rules.Entry(it.Key())
	}
	line := b.addr + " trace " + ref + " " + string(want)
	if !slices.ContainsFunc(b.w.log, func(l string) bool { return strings.HasSuffix(l, line) }) {
		b.w.fail("no trace says %s", want)
	}
}

func TestAppointmentIsListedAtOnceAndWrittenWhenQuiet(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	it := b[0].meeting(nil)
	w.settle()
	if len(b[0].list) != 1 {
		t.Fatal("the meeting is not listed at once")
	}
	b[0].want(it, 0, 0, render.Absent)
	w.pass(2 * time.Second)
	b[0].touch(it) // still typing
	w.pass(2 * time.Second)
	b[0].want(it, 0, 0, render.Absent)
	w.pass(2 * time.Second)
	b[0].want(it, 1, 0, render.Whole)
	m := b[0].list[b[0].rules.Entry(it.Key())]
	if len(m.Head.Join) == 0 || m.Head.Join[0].URL != "https://meet.example.org/"+it.GOID {
		t.Errorf("the list shows %d ways to join", len(m.Head.Join))
	}
	if strings.Contains(m.Details.Notes, "meet.example.org") || !strings.Contains(m.Details.Notes, "agenda") {
		t.Error("the agenda is not the organizer's own text")
	}
	w.pass(48 * time.Hour)
	b[0].want(it, 1, 0, render.Whole)
}

func TestAgendaReadsAsWritten(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	it := b[0].meeting(func(it *calendar.Item) {
		it.Body = calendar.Body{Type: calendar.BodyHTML, Whole: true,
			Content: "<html><body><p>議題</p>\r\n<p>&nbsp;</p><p>&nbsp;</p><p>1. one<br>\r\n2. two</p></body></html>"}
	})
	w.pass(time.Minute)
	if got := b[0].list[b[0].rules.Entry(it.Key())].Details.Notes; got != "議題\n\n1. one\n2. two" {
		t.Errorf("the agenda reads %q", got)
	}
	long := b[0].meeting(func(it *calendar.Item) { it.Body.Content = strings.Repeat("漢", 10000) })
	w.pass(time.Minute)
	if got := b[0].list[b[0].rules.Entry(long.Key())].Details.Notes; len(got) > 17<<10 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("a long agenda has %d bytes", len(got))
	}
}

func TestSentInvitationMailsOnce(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 2)
	it := b[0].meeting(invite(b[1].addr, "stranger@example.net"))
	w.pass(time.Minute)
	b[0].want(it, 1, 1, render.Whole)
	for _, c := range b[1].items {
		if render.Find(c.Body, "https://meet.example.org/"+it.GOID).State != render.Whole {
			t.Error("the attendee's copy lacks the block")
		}
	}
	it.Subject = "changed"
	b[0].touch(it)
	w.pass(time.Hour)
	b[0].want(it, 1, 1, render.Whole)
}

func TestDraftIsWrittenSilentlyAndLate(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 2)
	it := b[0].meeting(draft(b[1].addr))
	w.pass(119 * time.Second)
	b[0].want(it, 0, 0, render.Absent)
	w.pass(2 * time.Second)
	b[0].want(it, 1, 0, render.Whole)
	w.pass(11 * time.Minute)
	b[0].wantReason(it, mailbox.NotSeen)
	if m := b[0].list[b[0].rules.Entry(it.Key())]; m.Head.Notice != string(mailbox.NotSeen) {
		t.Errorf("the organizer is told %q", m.Head.Notice)
	}
	it.RequestSent = calendar.Yes // now it is sent, and carries the block
	b[0].touch(it)
	b[0].deliver(it)
	w.pass(time.Hour)
	b[0].want(it, 1, 0, render.Whole)
}

func TestInvitationMailedByThePhoneItself(t *testing.T) {
	t.Parallel()
	t.Run("before the write", func(t *testing.T) {
		w, b := quiet(t, 2)
		it := b[0].meeting(draft(b[1].addr))
		b[0].deliver(it)
		w.pass(time.Minute)
		b[0].want(it, 1, 1, render.Whole)
	})
	t.Run("after the silent write", func(t *testing.T) {
		w, b := quiet(t, 2)
		it := b[0].meeting(draft(b[1].addr))
		bare := *it
		w.pass(3 * time.Minute)
		b[0].want(it, 1, 0, render.Whole)
		b[0].deliver(&bare) // what the phone had mailed arrives late
		w.pass(time.Minute)
		b[0].want(it, 2, 1, render.Whole)
		w.pass(time.Hour)
		b[0].want(it, 2, 1, render.Whole)
	})
}

func TestKeywordRemovedChangedAndComeBack(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 2)
	it := b[0].meeting(invite(b[1].addr))
	w.pass(time.Minute)
	it.Location = "@meet:myroom"
	b[0].touch(it)
	w.pass(time.Minute)
	if it.Marker.Join != "https://meet.example.org/room-p0" {
		t.Fatalf("marker holds %q", it.Marker.Join)
	}
	it.Location = "Room 1"
	b[0].touch(it)
	w.pass(time.Minute)
	b[0].want(it, 3, 3, render.Absent)
	if it.Marker.Present() || it.Body.Content != "agenda\r\n" {
		t.Errorf("left behind: %q", it.Body.Content)
	}
	it.Location = "@meet"
	b[0].touch(it)
	w.pass(time.Minute)
	b[0].want(it, 4, 4, render.Whole)
}

func TestBlockTakenOutIsNeverPutBack(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	it := b[0].meeting(func(it *calendar.Item) { it.End = it.End.Add(24 * time.Hour) })
	w.pass(time.Minute)
	it.Body.Content = "agenda\r\n"
	b[0].touch(it)
	w.pass(time.Hour)
	b[0].want(it, 1, 0, render.Absent)
	b[0].wantReason(it, mailbox.OptedOut)
	b[0].state = mailbox.New(start) // the databases are lost
	b[0].queue = append(b[0].queue, mailbox.Started{})
	w.pass(time.Hour)
	b[0].want(it, 1, 0, render.Absent)
	it.Location = "" // both gone: the marker goes too, silently, and a new keyword counts
	b[0].touch(it)
	w.pass(time.Minute)
	it.Location = "@meet"
	b[0].touch(it)
	w.pass(time.Minute)
	b[0].want(it, 3, 0, render.Whole)
}

func TestHalfABlockIsLeftAlone(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	it := b[0].meeting(nil)
	w.pass(time.Minute)
	lines := strings.Split(strings.TrimSpace(it.Body.Content), "\r\n")
	it.Body.Content = strings.Join(lines[:len(lines)-1], "\r\n")
	kept := it.Body.Content
	b[0].touch(it)
	w.pass(time.Minute)
	it.Location = ""
	b[0].touch(it)
	w.pass(time.Hour)
	if it.Body.Content != kept || w.writes != 1 {
		t.Errorf("%d writes; body %q", w.writes, it.Body.Content)
	}
	b[0].wantReason(it, mailbox.BlockUnclear)
}

func TestCopies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		location string
		sent     bool
		writes   int
		reason   mailbox.Reason
	}{
		"one-time, not sent yet: made anew": {"@meet", false, 2, mailbox.Replaced},
		"one-time, sent: stays":             {"@meet", true, 1, mailbox.ForeignMarker},
		"personal room: stays":              {"@meet:myroom", false, 1, mailbox.Done},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := quiet(t, 1)
			it := b[0].meeting(func(it *calendar.Item) { it.Location = c.location })
			w.pass(time.Minute)
			cp := *it
			cp.ID, cp.GOID, cp.UID = "copy", "goid-copy", "uid-copy"
			if c.sent {
				invite("stranger@example.net")(&cp)
			}
			b[0].items[cp.ID], b[0].facts[cp.GOID] = &cp, &fact{}
			b[0].touch(&cp)
			w.pass(time.Hour)
			if w.writes != c.writes {
				w.fail("%d writes, want %d", w.writes, c.writes)
			}
			b[0].wantReason(&cp, c.reason)
			if c.writes == 2 && (cp.Marker.GOID != "goid-copy" || strings.Count(cp.Body.Content, "goid-"+it.ID) > 0) {
				t.Errorf("the copy still holds the other meeting's details: %q", cp.Body.Content)
			}
		})
	}
}

func TestUntouchable(t *testing.T) {
	t.Parallel()
	cases := map[mailbox.Reason]func(*calendar.Item){
		mailbox.BeforeBaseline:   nil, // set below: touching an item makes it new
		mailbox.NotOrganizer:     func(it *calendar.Item) { it.IsOrganizer = calendar.No },
		mailbox.Unattributed:     func(it *calendar.Item) { it.Organizer.Address = "boss@example.com" },
		mailbox.CancelledMeeting: func(it *calendar.Item) { it.Cancelled = true },
		mailbox.Deleted:          func(it *calendar.Item) { it.InDeletedItems = true },
		mailbox.Past:             func(it *calendar.Item) { it.Start, it.End = start.Add(-2*time.Hour), start.Add(-time.Hour) },
		mailbox.ForeignClass:     func(it *calendar.Item) { it.ItemClass = "IPM.Appointment.Other" },
		mailbox.Protected:        func(it *calendar.Item) { it.RightsManaged = true },
		mailbox.SignedItem:       func(it *calendar.Item) { it.Signed = true },
		mailbox.NoIdentity:       func(it *calendar.Item) { it.UID, it.GOID = "", "" },
		mailbox.BodyNotRead:      func(it *calendar.Item) { it.Body.Whole = false },
		mailbox.TooManyPeople: func(it *calendar.Item) {
			it.RequestSent, it.Attendees = calendar.Yes, make([]calendar.Attendee, 1501)
		},
		mailbox.TooHeavy: func(it *calendar.Item) {
			it.RequestSent, it.Attendees, it.Size = calendar.Yes, make([]calendar.Attendee, 100), 3<<20
		},
		mailbox.OwnBlockFound: func(it *calendar.Item) {
			d := calendar.JoinDetails{Service: "Example Meet", JoinMethod: calendar.JoinMethod{URL: "https://meet.example.org/other"}}
			it.Body, _ = render.Insert(it.Body, d, render.Options{Locale: "ja", Service: "Example Meet"})
		},
	}
	for reason, edit := range cases {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			w, b := quiet(t, 1)
			it := b[0].meeting(edit)
			if reason == mailbox.BeforeBaseline {
				it.Modified = start.Add(-time.Second)
			}
			was := it.Body.Content
			w.pass(24 * time.Hour)
			if w.writes != 0 || it.Body.Content != was || it.Marker.Present() {
				w.fail("%d writes to an item that must not be touched", w.writes)
			}
			b[0].wantReason(it, reason)
		})
	}
}

func TestForeignLinkDoesNotStandInForTheKeyword(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	it := b[0].meeting(func(it *calendar.Item) { it.Body.Content = "see https://zoom.us/j/123456789\r\n" })
	w.pass(time.Minute)
	b[0].want(it, 1, 0, render.Whole)
}

func TestServersThatLeavePropertiesOut(t *testing.T) {
	t.Parallel()
	absent := func(it *calendar.Item) {
		it.IsOrganizer, it.RequestSent, it.MyResponse, it.GOID = calendar.Unknown, calendar.Unknown, calendar.NoResponse, ""
		it.GOID = "goid-" + it.ID
	}
	t.Run("appointment", func(t *testing.T) {
		w, b := quiet(t, 1)
		it := b[0].meeting(func(it *calendar.Item) { absent(it); it.Organizer.Address = "" })
		b[0].markOrganized(it)
		w.pass(time.Minute)
		b[0].want(it, 1, 0, render.Whole)
	})
	t.Run("meeting counts as a draft", func(t *testing.T) {
		w, b := quiet(t, 1)
		it := b[0].meeting(func(it *calendar.Item) {
			invite("stranger@example.net")(it)
			absent(it)
			it.IsMeeting, it.Received = calendar.Yes, calendar.No
		})
		b[0].markOrganized(it)
		w.pass(time.Minute)
		b[0].want(it, 0, 0, render.Absent)
		w.pass(2 * time.Minute)
		b[0].want(it, 1, 0, render.Whole)
	})
	t.Run("unless the setting says sent", func(t *testing.T) {
		w, b := quiet(t, 1)
		b[0].rules.AbsentIsSent = true
		it := b[0].meeting(func(it *calendar.Item) {
			invite("stranger@example.net")(it)
			absent(it)
			it.IsMeeting, it.Received = calendar.Yes, calendar.No
		})
		b[0].markOrganized(it)
		w.pass(time.Minute)
		b[0].want(it, 1, 1, render.Whole)
	})
	t.Run("received copy", func(t *testing.T) {
		w, b := quiet(t, 1)
		it := b[0].meeting(func(it *calendar.Item) { absent(it); it.IsMeeting, it.Received = calendar.Yes, calendar.Yes })
		w.pass(time.Hour)
		b[0].want(it, 0, 0, render.Absent)
	})
}

// markOrganized lets the model's server accept a write although the item does
// not say whose it is.
func (b *box) markOrganized(it *calendar.Item) { b.organizes = append(b.organizes, it.ID) }
