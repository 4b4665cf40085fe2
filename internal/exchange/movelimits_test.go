package exchange

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// most keeps the highest of what is counted by server.
type most map[string]int

func (m most) see(server string, n int) { m[server] = max(m[server], n) }

// TestMoveKeepsToLimits has groups move to the second account and back while
// everybody reads: no budget is exceeded, for requests, streams, subscriptions or
// synchronising; no back end has more requests under way than the scheduler lets
// through, nor more streams than two of each of its groups, the second for who
// had to be left alone first, and one of the group that moves; and nothing is sent for a mailbox, by neither account, that the server has asked to leave
// alone.
func TestMoveKeepsToLimits(t *testing.T) {
	t.Parallel()
	const (
		backEnds, groups, each = 2, 4, 2
		atOnce                 = 4
		pause                  = 7 * time.Second
	)
	options := ewstest.Options{
		Users: groups * each, BackEnds: backEnds, Latency: 40 * time.Millisecond, Auth: []string{"basic"}, Lockout: 20,
		Budget: ewstest.Budget{Concurrency: 5, Hanging: 2, SyncCalls: 1, Subscriptions: 3},
	}
	onFakeTime(t, options, func(t *testing.T, s *ewstest.Server, p *pipes) {
		s.AddServiceAccount("svc2@example.com", "second")
		file := secretFile(t, "password")
		scheduler := ews.NewScheduler(ews.SchedulerOptions{Start: 2, Most: atOnce})
		x, stop := startRun(t, Options{
			URL: "http://localhost/EWS/Exchange.asmx", Username: "svc@example.com", PasswordFile: file, SignIn: SignIn{Scheme: ews.Basic},
			Standby: &Login{Username: "svc2@example.com", Password: ews.NewSecret("second")}, DialContext: p.dial, Scheduler: scheduler,
		})
		defer stop()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		d := &diary{told: map[string]time.Time{}}
		var boxes []calendar.Mailbox
		for i := range groups * each {
			a := fmt.Sprintf("user%04d@example.com", i+1)
			s.MoveMailbox(a, i/each%backEnds) // a group is on one back end
			boxes = append(boxes, calendar.Mailbox{ID: calendar.MailboxID(fmt.Sprint("mb-", i)), Address: a})
		}
		for g := range groups {
			all.Go(func() { d.follow(ctx, x, boxes[g*each:(g+1)*each]) })
		}
		time.Sleep(20 * time.Second)
		for _, m := range boxes { // everybody reads all the time, two at once
			for range 2 {
				all.Go(func() {
					for ctx.Err() == nil {
						_, _ = x.Changes(ctx, m, "")
						_, _, _ = x.View(ctx, m, calendar.Window{From: time.Now(), To: time.Now().Add(37 * 24 * time.Hour)})
						time.Sleep(time.Second)
					}
				})
			}
		}
		streams, requests := most{}, most{}
		all.Go(func() {
			for ctx.Err() == nil {
				for n := range backEnds {
					streams.see(s.BackEndName(n), s.StreamsOn(n))
				}
				for _, server := range scheduler.Stats().Servers {
					requests.see(server.Server, server.InFlight)
				}
				time.Sleep(25 * time.Millisecond)
			}
		})
		busy := func() { // a mailbox of each group, anchors among them
			for g := range groups {
				s.Fail(ewstest.Fault{Op: "SyncFolderItems", Mailbox: boxes[g*each+g%each].Address, BackOff: pause})
			}
		}
		pauses := scheduler.Stats().BackOffs
		busy()
		time.Sleep(time.Second)
		s.SetPassword("svc@example.com", "changed") // in the middle of the pauses
		time.Sleep(30 * time.Second)
		if !x.OnStandby() || s.Streams() < groups {
			t.Errorf("on standby %v, %d streams", x.OnStandby(), s.Streams())
		}
		busy()
		time.Sleep(time.Second)
		setFile(t, file, "changed")
		time.Sleep(30 * time.Second)
		if x.OnStandby() || s.Streams() < groups {
			t.Errorf("on standby %v, %d streams", x.OnStandby(), s.Streams())
		}
		if n := scheduler.Stats().BackOffs - pauses; n < 2*groups {
			t.Errorf("the server asked for %d pauses only", n)
		}
		cancel()
		all.Wait()
		synctest.Wait()
		if r := s.Refusals(""); r != (ewstest.Refusals{}) {
			t.Errorf("beyond what the server bears: %+v", r)
		}
		for server, n := range requests {
			if n > atOnce || n == 0 {
				t.Errorf("%d requests at once to %s", n, server)
			}
		}
		for n := range backEnds {
			if got := streams[s.BackEndName(n)]; got <= groups/backEnds || got > 2*groups/backEnds+1 {
				t.Errorf("%d streams at once on back end %d", got, n)
			}
		}
	})
}
