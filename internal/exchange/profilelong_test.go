package exchange

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// TestProbeLife finds out to twenty seconds how long a subscription lives without
// a stream, and leaves none behind.
func TestProbeLife(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lives   time.Duration
		atLeast time.Duration
		takes   time.Duration // most
		note    string
	}{
		"two minutes":    {lives: 130 * time.Second, atLeast: 120 * time.Second, takes: 8 * time.Minute},
		"half an hour":   {lives: 1810 * time.Second, atLeast: 1800 * time.Second, takes: 66 * time.Minute},
		"longer than we": {lives: 3 * time.Hour, atLeast: time.Hour, takes: 61 * time.Minute, note: "more than an hour"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onFakeTime(t, ewstest.Options{Profile: &ewstest.Profile{SubscriptionSeconds: int(tc.lives.Seconds())}}, func(t *testing.T, s *ewstest.Server, p *pipes) {
				client, err := ews.New(ews.Options{
					URL: "http://localhost/EWS/Exchange.asmx", Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}, DialContext: p.dial,
				})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				box := ProbeMailbox{client.As("user0001@example.com"), "user0001@example.com"}
				probe, began := NewProbe(ProbeOptions{A: box, B: box, Long: true}), time.Now()
				if err := probe.life(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := probe.result.Profile.SubscriptionSeconds; got != int(tc.atLeast.Seconds()) {
					t.Errorf("found %d s, want %v", got, tc.atLeast)
				}
				if took := time.Since(began); took > tc.takes {
					t.Errorf("it took %v", took)
				}
				if notes := strings.Join(probe.result.Notes, "; "); !strings.Contains(notes, tc.note) || (tc.note == "") != (notes == "") {
					t.Errorf("notes: %s", notes)
				}
				if made, ended := s.Count("Subscribe"), s.Count("Unsubscribe"); made != ended {
					t.Errorf("%d subscriptions made, %d ended", made, ended)
				}
				short := NewProbe(ProbeOptions{A: box, B: box})
				if err := short.life(t.Context()); err != nil || short.result.Profile.SubscriptionSeconds != 0 {
					t.Errorf("without being asked to: %v, %d s", err, short.result.Profile.SubscriptionSeconds)
				}
				s.Fail(ewstest.Fault{Op: "Subscribe", Code: "ErrorExceededSubscriptionCount"})
				if e, is := errors.AsType[*ews.Error](probe.life(t.Context())); !is || e.Code != "ErrorExceededSubscriptionCount" {
					t.Errorf("a limit of subscriptions: %v", e)
				}
			})
		})
	}
}
