package ewstest

import (
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
)

// secret is a password. It prints [redacted] in every form.
type secret string

// String hides the password.
func (secret) String() string { return "[redacted]" }

// GoString hides the password.
func (secret) GoString() string { return "[redacted]" }

// Format hides the password.
func (secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

func (p secret) is(other string) bool {
	return subtle.ConstantTimeCompare([]byte(p), []byte(other)) == 1
}

// SetPassword changes the password of the service account or of a user.
func (s *Server) SetPassword(login, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.names[strings.ToLower(login)]; b != nil {
		b.password = secret(password)
		return
	}
	s.accounts[strings.ToLower(login)] = secret(password)
}

// Refused returns how often a login came with a wrong password. A login that
// does not exist counts too.
func (s *Server) Refused(login string) int {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.refused[strings.ToLower(login)]
}

// Deny takes the service account's right to impersonate a mailbox away.
func (s *Server) Deny(address string) { s.change(address, func(b *mailbox) { b.denied = true }) }

// Grant gives it back.
func (s *Server) Grant(address string) { s.change(address, func(b *mailbox) { b.denied = false }) }

// Delegate lets another login open the folders of a mailbox.
func (s *Server) Delegate(address, login string) {
	s.change(address, func(b *mailbox) { b.delegates = append(b.delegates, strings.ToLower(login)) })
}

// change runs f on a mailbox, if it exists.
func (s *Server) change(address string, f func(*mailbox)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.names[strings.ToLower(address)]; b != nil {
		f(b)
	}
}

// isService reports whether a login may impersonate.
func (s *Server) isService(login string) bool {
	_, further := s.services.Load(login)
	return further || strings.EqualFold(login, s.opt.ServiceAccount)
}

// AddServiceAccount adds a further login that may impersonate, and has no
// mailbox.
func (s *Server) AddServiceAccount(login, password string) {
	s.services.Store(strings.ToLower(login), true)
	s.SetPassword(login, password)
}

// mayOpen reports whether the caller may open the folders of a mailbox.
func (r *request) mayOpen(b *mailbox) bool {
	if r.as == b {
		return true
	}
	if r.s.isService(r.login) && r.s.traits.ownerPermission && r.as == nil && !b.denied {
		return true
	}
	if slices.Contains(b.delegates, r.login) && r.as == r.own {
		return true
	}
	return r.as != nil && slices.Contains(b.delegates, strings.ToLower(r.as.address))
}
