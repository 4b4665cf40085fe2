//go:build race

package detect

// withRace says that the race detector is compiled in: it takes memory of its
// own and ten times the time.
const withRace = true
