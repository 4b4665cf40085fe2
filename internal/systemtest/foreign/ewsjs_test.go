package foreign

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// TestEWSJavaScriptAPI has the client for JavaScript find and bind what is there
// and hear, by a stream, of what somebody else makes meanwhile.
func TestEWSJavaScriptAPI(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		notHere(t, "node")
	}
	dir, err := filepath.Abs("testdata/ewsjs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "ews-javascript-api")); err != nil {
		notHere(t, "ews-javascript-api")
	}
	s := startSimulator(t)
	me := s.as(t, user(1))
	begin := time.Now().UTC().Truncate(time.Hour).Add(24 * time.Hour)
	save := func(subject string) {
		t.Helper()
		_, err := me.CreateItem(limited(t), ews.CreateItemRequest{Items: []ews.CalendarItem{{Subject: subject, Location: "Room 7", Start: begin, End: begin.Add(time.Hour)}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	save("There before")

	c := exec.Command(node, "client.js", s.url, service, password, user(1), begin.Format(time.RFC3339))
	c.Dir = dir
	c.Env = environment("HOME=" + t.TempDir())
	p := start(t, "ews-javascript-api", c)
	p.says(t, "^listening$")
	save("Made meanwhile")
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Error("ews-javascript-api does not end")
	}
	operations(t, p.last(100), p.err, "find", "bind", "subscribe", "stream", "bind_news", "unsubscribe")
}
