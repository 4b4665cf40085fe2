package detect

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// storm makes texts of pieces of others: cut, doubled, spliced, bytes turned
// over. It is what fuzzing does without looking, and so some hundred times as
// fast.
type storm struct {
	*rand.Rand
	seeds, hostile []string
}

// most bounds a text, so that runs stay short.
const stormMost = 700

func (s *storm) text() string {
	b := []byte(s.piece())
	for range 1 + s.IntN(6) {
		switch at := s.IntN(len(b) + 1); s.IntN(7) {
		case 0:
			b = append(b[:at:at], append([]byte(s.piece()), b[at:]...)...)
		case 1:
			b = b[:at]
		case 2:
			b = b[at:]
		case 3:
			if at < len(b) {
				b[at] = byte(s.IntN(256))
			}
		case 4:
			if at < len(b) {
				b[at] = "<>&;:/@=%.-_?#\"' \r\n\t0aZ\x00\xe3"[s.IntN(25)]
			}
		case 5:
			b = append(b[:at:at], append([]byte(s.hostile[s.IntN(len(s.hostile))]), b[at:]...)...)
		case 6:
			b = append(b, b[at:]...)
		}
		b = b[:min(len(b), stormMost)]
	}
	return string(b)
}

// piece is a part of a seed.
func (s *storm) piece() string {
	seed := s.seeds[s.IntN(len(s.seeds))]
	if len(seed) == 0 {
		return ""
	}
	from := s.IntN(len(seed))
	return seed[from:min(len(seed), from+1+s.IntN(stormMost/2))]
}

// TestStorm runs detection and unwrapping over as many torn texts as
// KOYOMI_RUNS says, by default a few, from the
// seed KOYOMI_SEED.
func TestStorm(t *testing.T) {
	t.Parallel()
	runs, seed := setting(t, "KOYOMI_RUNS", 20_000), setting(t, "KOYOMI_SEED", 1)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var seeds []string
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range archive.Files {
			seeds = append(seeds, string(part.Data))
		}
	}
	d := New(&Rules{SIPDomains: []string{"video.example.com"}, JitsiHosts: []string{"talk.example.org"}})
	var g sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() {
			s := &storm{rand.New(rand.NewPCG(uint64(seed), uint64(w))), seeds, slices.Sorted(maps.Values(hostile()))}
			for i := 0; i < runs && !t.Failed(); i += workers {
				s.once(t, d)
			}
		})
	}
	g.Wait()
}

// once makes one text and looks at what becomes of it.
func (s *storm) once(t *testing.T, d *Detector) {
	in := Input{Body: s.text()}
	if s.IntN(4) == 0 {
		in.Location = s.text()
	}
	if s.IntN(8) == 0 {
		in.Properties = map[string]string{"X-GOOGLE-CONFERENCE": s.text(), "CONFERENCE": s.text()}
	}
	if s.IntN(2) == 0 {
		in.BodyType = calendar.BodyHTML
	}
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%v at location %q, body %q, properties %q", r, in.Location, in.Body, in.Properties)
		}
	}()
	promises(broken{t}, in, d.Detect(in))
	link := strings.Fields(in.Body + " x")[0]
	target, names := d.registry.unwrap(link)
	if len(names) > maxNesting || len(names) == 0 && target != link || len(target) > max(2*len(link), maxURL) {
		t.Errorf("%q to %q by %q", link, target, names)
	}
}

// broken turns a broken promise into a panic, which once reports with its text.
type broken struct{ *testing.T }

func (broken) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s is a number: %v", name, err)
	}
	return n
}
