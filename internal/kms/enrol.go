package kms

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// Role says what an instance may do.
type Role string

// The roles of an instance.
const (
	User      Role = "user"      // gets the keys of the resources it owns
	Connector Role = "connector" // makes resources and gets the keys of those it made
)

// Subject is whom a one-time code stands for: one of the two is set.
type Subject struct {
	User      string // primary SMTP address; case does not matter
	Connector string // name, the same for all nodes that serve together
}

// ErrSubject means no subject, both, or one out of form. The message says what is.
var ErrSubject = errors.New("enrolment")

// Enrol makes a one-time code and stores it. It works on the database, also
// while the server runs. The code lives account.CodeLife from now.
func Enrol(ctx context.Context, st store.KMS, who Subject) (account.Code, error) {
	role, name, err := who.normalise()
	if err != nil {
		return account.Code{}, err
	}
	now := time.Now()
	code := account.NewCode(account.KMS)
	err = st.PutCode(ctx, store.Code{
		ID: code.ID, Hash: code.Hash, Expires: now.Add(account.CodeLife), Tries: account.CodeTries,
		Role: string(role), Subject: name,
	}, store.AuditEntry{At: now, Actor: "command line", Action: "enrol.code", Subject: name})
	if err != nil {
		return account.Code{}, err
	}
	return code, nil
}

func (s Subject) normalise() (Role, string, error) {
	switch {
	case s.User != "" && s.Connector != "" || s == Subject{}:
		return "", "", fmt.Errorf("%w: name either a user or a connector", ErrSubject)
	case s.User != "":
		owner, ok := normaliseOwner(s.User)
		if !ok {
			return "", "", fmt.Errorf("%w: a user is named by the primary mail address, such as hanako@example.com", ErrSubject)
		}
		return User, owner, nil
	}
	name := strings.ToLower(s.Connector)
	if len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", "", fmt.Errorf("%w: a connector's name is up to 64 letters, digits and hyphens", ErrSubject)
	}
	return Connector, name, nil
}

// normaliseOwner is the one spelling of a mail address by which an owner is
// known: without white space around it, in lower case.
func normaliseOwner(address string) (string, bool) {
	a := strings.ToLower(strings.TrimSpace(address))
	local, domain, ok := strings.Cut(a, "@")
	if !ok || local == "" || domain == "" || len(a) > 320 || strings.Contains(domain, "@") {
		return "", false
	}
	for _, r := range a {
		if r <= ' ' || r == 0x7f || r == '\ufffd' {
			return "", false
		}
	}
	return a, true
}
