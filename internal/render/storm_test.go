package render

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// storm makes bodies of pieces of others, among them pieces of blocks: cut,
// doubled, spliced, bytes turned over. It is what fuzzing does without looking,
// and so much faster.
type storm struct {
	*rand.Rand
	seeds []string
}

const stormMost = 600 // bytes of a body

func (s *storm) text() string {
	b := []byte(s.piece())
	for range 1 + s.IntN(5) {
		switch at := s.IntN(len(b) + 1); s.IntN(6) {
		case 0, 1:
			b = append(b[:at:at], append([]byte(s.piece()), b[at:]...)...)
		case 2:
			b = b[:at]
		case 3:
			b = b[at:]
		case 4:
			if at < len(b) {
				const odd = "<>&;:/-_\"' \r\n\t0aZ\x00\xe3!"
				b[at] = odd[s.IntN(len(odd))]
			}
		case 5:
			b = append(b, b[at:]...)
		}
		b = b[:min(len(b), stormMost)]
	}
	return string(b)
}

// piece is a part of a seed.
func (s *storm) piece() string {
	seed := s.seeds[s.IntN(len(s.seeds))]
	if seed == "" {
		return ""
	}
	from := s.IntN(len(seed))
	return seed[from:min(len(seed), from+1+s.IntN(stormMost/3))]
}

// TestStorm puts blocks into as many torn bodies as KOYOMI_RUNS says, by
// default a few, from the seed KOYOMI_SEED, and takes them out again; and takes rewritten ones out of
// between two of them.
func TestStorm(t *testing.T) {
	t.Parallel()
	runs, seed := number(t, "KOYOMI_RUNS", 4000), number(t, "KOYOMI_SEED", 1)
	lib, blocks := fuzzBlocks(t)
	rewritten := make([]Block, len(blocks))
	var seeds []string
	for i, b := range blocks {
		rewritten[i] = Block{HTML: rewrite(b.HTML), Text: b.Text}
		seeds = append(seeds, b.HTML, b.Text, rewritten[i].HTML)
	}
	for _, b := range bodies {
		seeds = append(seeds, b.content, b.content)
	}
	seeds = append(seeds, "<p><div><table><tr><td></td></tr></table></div></p>", "<!-- x --><style>p{}</style><br><hr>", "</body></html>", "-- \n", "<blockquote type=cite>", "&nbsp;&amp;&#10;")
	var g sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() {
			s := &storm{rand.New(rand.NewPCG(uint64(seed), uint64(w))), seeds}
			for i := 0; i < runs && !t.Failed(); i += workers {
				s.once(t, lib, blocks, rewritten)
			}
		})
	}
	g.Wait()
}

// once makes bodies and looks at what becomes of them.
func (s *storm) once(t *testing.T, lib *shelf, blocks, rewritten []Block) {
	n, html, first, second := s.IntN(len(blocks)), s.IntN(2) == 0, s.text(), s.text()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%v with block %d, html %v, %q, %q", r, n, html, first, second)
		}
	}()
	if fault := lib.putAndTake(html, blocks[n], first); fault != "" {
		panic(fmt.Sprint("round trip: ", fault))
	}
	if fault := lib.takeBetween(html, rewritten[n], first, second); fault != "" {
		panic(fmt.Sprint("remove: ", fault))
	}
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
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
