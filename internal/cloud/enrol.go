package cloud

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// Subject is whom a one-time code makes a credential for. The zero value is a
// person with a fresh account.
type Subject struct {
	Connector string // name of a connector; the same name is the same account
	Account   string // id of an account that a further device of the same person gets
}

// ErrSubject means that both fields are set, or that one is out of form. The message says which.
var ErrSubject = errors.New("enrolment")

// Enrol makes a one-time code and stores it, and returns it with the id of the
// account that it is for. It works on the database, also while the server runs.
// The code lives account.CodeLife from now.
func Enrol(ctx context.Context, st store.Accounts, who Subject) (code account.Code, id string, err error) {
	role := api.User
	switch {
	case who.Connector != "" && who.Account != "":
		return account.Code{}, "", fmt.Errorf("%w: name either a connector or an account", ErrSubject)
	case who.Connector != "":
		role = api.Connector
		if id, err = connectorAccount(ctx, st, who.Connector); err != nil {
			return account.Code{}, "", err
		}
	case who.Account != "":
		if id = who.Account; !api.ValidID(id) {
			return account.Code{}, "", fmt.Errorf("%w: an account's id has 22 characters, as an earlier enrolment printed it", ErrSubject)
		}
	default:
		id = account.NewID()
	}
	code = account.NewCode(account.Cloud)
	err = st.PutCode(ctx, store.Code{
		ID: code.ID, Hash: code.Hash, Expires: time.Now().Add(account.CodeLife), Tries: account.CodeTries,
		Role: string(role), Subject: id,
	})
	if err != nil {
		return account.Code{}, "", err
	}
	return code, id, nil
}

// connectorAccount derives a connector's account from its name, under a salt of
// this cloud: so a connector that enrols again finds its resources, and the
// name itself is not kept.
func connectorAccount(ctx context.Context, st store.Accounts, name string) (string, error) {
	name = strings.ToLower(name)
	if len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", fmt.Errorf("%w: a connector's name is up to 64 letters, digits and hyphens", ErrSubject)
	}
	var fresh [32]byte
	rand.Read(fresh[:]) // never fails, by its contract
	salt, err := st.InitValue(ctx, "connector-salt", fresh[:])
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(name))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16]), nil
}

// newCredential makes a credential: 256 random bits.
func newCredential() api.Credential {
	var raw [32]byte
	rand.Read(raw[:]) // never fails, by its contract
	return api.NewCredential(base64.RawURLEncoding.EncodeToString(raw[:]))
}
