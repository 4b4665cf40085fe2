package ewstest

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
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
	Location   string // of a redirect
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

	// FailItem, counted from one, makes the Code that of one thing in a batch.
	// What comes before it is done; what comes after fails with
	// ErrorBatchProcessingStopped and is not done.
	FailItem int

	// Shape writes the SOAP fault in other ways that have been seen.
	Shape FaultShape

	// DropAnswer does the work and closes the connection without a word.
	DropAnswer bool
	// CutAfterBytes closes the connection after so many bytes of the answer,
	// or of the stream.
	CutAfterBytes int
	// EndAfterBytes ends the answer after so many bytes as if it were whole.
	EndAfterBytes int
	// Illegal puts characters into subjects, locations and bodies of the
	// answer that XML forbids, both raw and as references.
	Illegal bool

	// Edit rewrites the body that the next save of a user brings, the
	// service account's not counted: [EditOutlook] does as Word would,
	// [EditOutlookRTF] stores RTF besides.
	Edit string

	struck int
}

// FaultShape is how a SOAP fault is written. Its values can be combined.
type FaultShape uint8

// The ways to write a fault.
const (
	FaultWithHeader FaultShape = 1 << iota // a Header with ServerVersionInfo before it
	FaultSpaces                            // white space around the code
	FaultBare                              // a code without its prefix
	FaultSOAP12                            // in the namespace of SOAP 1.2
	FaultStatus200                         // with HTTP status 200
	FaultNoDetail                          // without its detail
)

// ServerErrorPage is what IIS says with status 200 when the application under
// it is in trouble. It passes.
const ServerErrorPage = "<!DOCTYPE html>\r\n<html>\r\n    <head>\r\n        <title>Runtime Error</title>\r\n    </head>\r\n" +
	"    <body bgcolor=\"white\">\r\n            <span><H1>Server Error in '/EWS' Application.<hr width=100% size=1 color=silver></H1>\r\n" +
	"            <h2> <i>Runtime Error</i> </h2></span>\r\n    </body>\r\n</html>\r\n"

// ServerError answers with [ServerErrorPage].
func ServerError() Fault { return Fault{Status: http.StatusOK, Page: ServerErrorPage} }

// GenericErrorPage redirects to the page that the front end keeps for errors
// that pass.
func GenericErrorPage() Fault {
	return Fault{Status: http.StatusFound, Location: "/ews/genericerrorpage.htm?aspxerrorpath=/EWS/Exchange.asmx"}
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
	out.fault = !f.InBody && f.FailItem == 0
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

// disguised writes the document of a fault as the script wants it.
func (r *request) disguised(status int, w *wire.Writer) (int, *wire.Writer) {
	shape := r.fault.Shape
	if shape == 0 {
		return status, w
	}
	doc := string(w.Bytes())
	if shape&FaultSOAP12 != 0 {
		doc = strings.Replace(doc, wire.NSSoap, soap12, 1)
	}
	if from, to, ok := codeOf(doc); ok {
		code := doc[from:to]
		if shape&FaultBare != 0 {
			code = code[strings.IndexByte(code, ':')+1:]
		}
		if shape&FaultSpaces != 0 {
			code = "\r\n      " + code + "\r\n    "
		}
		doc = doc[:from] + code + doc[to:]
	}
	if from, to := strings.Index(doc, "<detail"), strings.Index(doc, "</detail>"); shape&FaultNoDetail != 0 && from >= 0 && to > from {
		doc = doc[:from] + doc[to+len("</detail>"):]
	}
	if shape&FaultWithHeader != 0 {
		h := &wire.Writer{}
		h.Start("s:Header")
		r.w = h
		r.versionInfo("h:ServerVersionInfo")
		doc = strings.Replace(doc, "<s:Body", string(h.Bytes())+"<s:Body", 1)
	}
	if shape&FaultStatus200 != 0 {
		status = http.StatusOK
	}
	out := &wire.Writer{}
	out.Raw(doc)
	return status, out
}

// soap12 is the namespace of SOAP 1.2 envelopes.
const soap12 = "http://www.w3.org/2003/05/soap-envelope"

// codeOf finds the text of faultcode in a document.
func codeOf(doc string) (from, to int, ok bool) {
	from = strings.Index(doc, "<faultcode")
	if from < 0 {
		return 0, 0, false
	}
	from += strings.IndexByte(doc[from:], '>') + 1
	to = strings.Index(doc[from:], "</faultcode>")
	return from, from + to, to >= 0
}
