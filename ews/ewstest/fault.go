package ewstest

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// Fault is something that goes wrong by script. [Server.Fail] arms it for the
// next call that it matches.
type Fault struct {
	// Which calls: those of one operation and one mailbox (an address), or
	// all where empty; Match looks closer. Skip lets so many pass first,
	// Times says how often it strikes: once where zero, always where negative.
	Op, Mailbox string
	Match       func(Call) bool
	Skip, Times int

	// Delay is waited before the call is looked at.
	Delay time.Duration

	// Status answers with an HTTP status and the Page, without doing anything.
	Status     int
	Page       string
	RetryAfter time.Duration

	// Code answers with a response code instead of doing the work, or, with
	// SavedNotMailed, after it. It is a SOAP fault, or, with InBody, the error
	// of every response message. BackOff is the time that ErrorServerBusy,
	// which is the Code where only BackOff is set, asks for.
	Code    string
	InBody  bool
	BackOff time.Duration

	// SavedNotMailed saves what the call asks for and sends no mail. Without
	// Code the answer says that all is well.
	SavedNotMailed bool

	// DropAnswer does the work and closes the connection without a word.
	DropAnswer bool
	// CutAfterBytes closes the connection after so many bytes of the answer,
	// or of the stream.
	CutAfterBytes int
	// Illegal puts characters into subjects, locations and bodies of the
	// answer that XML forbids, both raw and as references.
	Illegal bool

	// Edit rewrites the body that the next save of a user brings, the
	// service account's not counted: "outlook" does as Word would.
	Edit string

	struck int
}

// Fail arms a fault. Of several that match the one armed first strikes.
func (s *Server) Fail(f Fault) {
	if f.Code == "" && f.BackOff > 0 {
		f.Code = "ErrorServerBusy"
	}
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal disarms all faults.
func (s *Server) Heal() {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.faults = nil
}

// strike returns the fault that strikes a call, or an empty one. Editor faults
// are armed for savers only and are looked for by editor.
func (s *Server) strike(c Call) Fault {
	return s.pick(func(f *Fault) bool { return f.Edit == "" && f.matches(c) })
}

// editor returns the name of the editor that rewrites what a call saves.
func (s *Server) editor(c Call) string {
	if s.isService(c.Login) {
		return ""
	}
	return s.pick(func(f *Fault) bool { return f.Edit != "" && f.matches(c) }).Edit
}

func (s *Server) pick(matches func(*Fault) bool) Fault {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	for i, f := range s.faults {
		if !matches(f) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.struck++
		if f.Times >= 0 && f.struck >= max(f.Times, 1) {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return *f
	}
	return Fault{}
}

func (f *Fault) matches(c Call) bool {
	return (f.Op == "" || f.Op == c.Op) && (f.Mailbox == "" || strings.EqualFold(f.Mailbox, c.Mailbox)) &&
		(f.Match == nil || f.Match(c))
}

// failure returns what the fault answers with, or nil.
func (f *Fault) failure() *failure {
	if f.Code == "" {
		return nil
	}
	out := fail(f.Code)
	if f.BackOff > 0 || f.Code == "ErrorServerBusy" {
		out = busy(f.BackOff)
		out.code = f.Code
	}
	out.fault = !f.InBody
	return out
}

// spoil puts forbidden characters into a document: references to NUL and to a
// non-character, a raw control byte, and half of a surrogate pair.
func spoil(doc []byte) []byte {
	for _, element := range []string{"Subject", "Location", "Body", "Name"} {
		end := []byte("</t:" + element + ">")
		doc = bytes.ReplaceAll(doc, end, append([]byte("&#x0;\x0b&#xFFFE;\xed\xa0\xbd&#x1F;"), end...))
	}
	return doc
}
