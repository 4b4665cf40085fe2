package mailbox

import (
	"maps"
	"slices"
)

// Reasons returns every reason that there is, in the order of their codes.
func Reasons() []Reason { return slices.Sorted(maps.Keys(sentences())) }

// Known is what is remembered of one item: for whoever has to find the item of
// a trace, or is told what is kept. It holds ids and codes only.
type Known struct {
	Item   string // the item's id at the server
	Ref    string // opaque id of the meeting, as in [Trace]
	Reason Reason // the last one; may be empty
	Series bool
}

// Known returns what is remembered, in the order of the items' ids.
func (s *State) Known() []Known {
	out := make([]Known, 0, len(s.items))
	for _, id := range slices.Sorted(maps.Keys(s.items)) {
		t := s.items[id]
		out = append(out, Known{Item: id, Ref: t.Ref, Reason: t.Reason, Series: t.Series})
	}
	return out
}
