package detect

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// TestMarks compares the packed marks with a list of all places.
func TestMarks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var m marks
		var places []int
		src := 0
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			written := rapid.IntRange(0, 3).Draw(t, "written")
			for range written {
				places = append(places, src)
				src++
			}
			src += rapid.IntRange(-min(src, 2), 40).Draw(t, "skipped")
			m.add(len(places), src)
		}
		for i, want := range places {
			if got := m.at(i); got != want {
				t.Fatalf("place %d of %d is %d, want %d", i, len(places), got, want)
			}
		}
	})
}

func TestBits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const most = 300
		var b bits
		var want [most + 100]bool
		for range rapid.IntRange(0, 6).Draw(t, "ranges") {
			from := rapid.IntRange(0, most+20).Draw(t, "from")
			to := rapid.IntRange(0, most+20).Draw(t, "to")
			b.set(from, to, most)
			for i := from; i < min(to, most); i++ {
				want[i] = true
			}
		}
		for i, w := range want {
			if b.has(i) != w {
				t.Fatalf("place %d: %v", i, !w)
			}
		}
	})
}

// TestPlacesInQuotedPrintable: places are those of the field as it came, not of
// what was decoded.
func TestPlacesInQuotedPrintable(t *testing.T) {
	t.Parallel()
	body := "<p>gr=C3=BC=C3=9Fe <a href=3D\"https://zoom.us/j/812=\n30000001?pwd=3Dx1\">Join</a></p>"
	r := Detect(Input{Body: body, BodyType: calendar.BodyHTML}, nil)
	if len(r.Candidates) != 1 || r.URL != "https://zoom.us/j/81230000001?pwd=x1" {
		t.Fatalf("%+v", r)
	}
	if c := r.Candidates[0]; body[c.Start:c.End] != "https://zoom.us/j/812=\n30000001?pwd=3Dx1" {
		t.Errorf("%d to %d is %q", c.Start, c.End, body[c.Start:c.End])
	}
}

// TestEveryWrapper: no wrapper of the table is without an invitation that
// shows it.
func TestEveryWrapper(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/wrappers.txtar")
	if err != nil {
		t.Fatal(err)
	}
	names, inputs, _ := cases(t, archive)
	d := New(nil)
	shown := map[string]bool{}
	for _, name := range names {
		for _, c := range d.Detect(*inputs[name]).Candidates {
			for _, why := range c.Why {
				if list, ok := strings.CutPrefix(why, "wrapped by "); ok {
					for w := range strings.SplitSeq(list, ", ") {
						shown[w] = true
					}
				}
			}
		}
	}
	for _, w := range wrapperTable() {
		if !shown[w.name] {
			t.Errorf("%s: nothing in testdata shows it", w.name)
		}
		if w.params == "" && w.decode == nil {
			t.Errorf("%s: neither a parameter nor a way to decode", w.name)
		}
	}
}
