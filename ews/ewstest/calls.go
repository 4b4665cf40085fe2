package ewstest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// mostCalls bounds the log; the oldest calls are forgotten.
const mostCalls = 20000

// Call is one request that reached the server with a valid login.
type Call struct {
	Op       string // operation, such as "UpdateItem"; "" where the request could not be read
	At       time.Time
	Login    string      // who logged in
	Mailbox  string      // address of the impersonated mailbox, or the caller's own; "" where neither exists
	Anchor   string      // X-AnchorMailbox
	Version  string      // RequestServerVersion
	SendMode string      // SendMeetingInvitations… or SendMeetingCancellations
	Conflict string      // ConflictResolution
	Items    []string    // item ids in the request
	Subs     []string    // subscription ids in the request
	Status   int         // of the HTTP answer
	Code     string      // of the fault, or of the first response message that failed
	Request  int         // bytes of the body
	BackEnd  string      // the server whose mailbox answered
	Affinity string      // the newest X-BackEndOverrideCookie that came
	Header   http.Header // of the request, without credentials
}

// Calls returns the calls in the order in which they came, at most the last
// twenty thousand.
func (s *Server) Calls() []Call {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return slices.Clone(s.calls)
}

// CallsTo returns the calls of one operation on one mailbox; an empty mailbox
// stands for all.
func (s *Server) CallsTo(op, mailbox string) []Call {
	var out []Call
	for _, c := range s.Calls() {
		if c.Op == op && (mailbox == "" || strings.EqualFold(c.Mailbox, mailbox)) {
			out = append(out, c)
		}
	}
	return out
}

// Count returns how many calls of an operation there were since the server was
// made, whatever the log has forgotten; "" stands for all.
func (s *Server) Count(op string) int {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	if op != "" {
		return s.counts[op]
	}
	n := 0
	for _, c := range s.counts {
		n += c
	}
	return n
}

// ForgetCalls empties the log. The counts stay.
func (s *Server) ForgetCalls() {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.calls = nil
}

// log keeps a call. It is called when the answer is known, and for a stream
// when it begins.
func (s *Server) log(c Call) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	if len(s.counts) < 1000 || s.counts[c.Op] > 0 { // names come from requests
		s.counts[c.Op]++
	}
	if len(s.calls) >= mostCalls {
		s.calls = slices.Delete(s.calls, 0, mostCalls/4)
	}
	s.calls = append(s.calls, c)
}
