//go:build !race

package detect

// withRace says that the race detector is compiled in.
const withRace = false
