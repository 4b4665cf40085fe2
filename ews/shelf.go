package ews

import "sync"

// shelf keeps a few things that are costly to make for whoever needs one next.
// Unlike a sync.Pool it is not emptied by the garbage collector, which under a
// small heap runs every few answers.
type shelf[T any] struct {
	mu   sync.Mutex
	free []*T
}

// shelfRoom is how many things of a kind a client keeps. More requests at once
// make theirs anew.
const shelfRoom = 4

// take returns one of the things, or a new one that is zero.
func (s *shelf[T]) take() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		v := s.free[n-1]
		s.free = s.free[:n-1]
		return v
	}
	return new(T)
}

// put gives one back.
func (s *shelf[T]) put(v *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) < shelfRoom {
		s.free = append(s.free, v)
	}
}
