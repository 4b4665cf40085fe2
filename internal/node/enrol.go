package node

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// Peer is a server that the node calls.
type Peer struct {
	URL       string                 // its origin; http only on loopback
	CAFile    string                 // PEM file of its certificate authority; empty: those of the system
	Code      func() (string, error) // the one-time code for the first start
	Renew     bool                   // look for a new code at each start, and redeem it: the way back after the server forgot
	Transport http.RoundTripper      // instead of the default one; CAFile does not count then
}

func (p Peer) transport() (http.RoundTripper, error) {
	if p.Transport != nil {
		return p.Transport, nil
	}
	t, is := http.DefaultTransport.(*http.Transport)
	if !is {
		return http.DefaultTransport, nil
	}
	t = t.Clone()
	if p.CAFile != "" {
		pem, err := os.ReadFile(p.CAFile)
		if err != nil {
			return nil, fmt.Errorf("the CA file for %s cannot be read; check that it exists and may be read: %w", p.URL, err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form; convert it, or name another file", p.CAFile)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return t, nil
}

// enrolment makes the two clients, with codes where nothing is known yet.
type enrolment struct {
	settings store.Settings
	log      *slog.Logger
}

// credential is what the cloud gave.
type credential struct {
	Credential api.Credential `json:"credential"`
	Account    string         `json:"account"`
}

func (e enrolment) cloud(ctx context.Context, p Peer) (*api.Client, error) {
	transport, err := p.transport()
	if err != nil {
		return nil, err
	}
	options := api.ClientOptions{URL: p.URL, Transport: transport}
	var c credential
	err = e.once(ctx, "cloud "+p.URL, &c, p, "cloud", func(ctx context.Context, code string) error {
		a, err := api.Redeem(ctx, options, code)
		c = credential{a.Credential, a.Account}
		return err
	})
	if err != nil {
		return nil, err
	}
	options.Credential = c.Credential
	return api.NewClient(options)
}

func (e enrolment) keys(ctx context.Context, p Peer) (seal.Keys, error) {
	transport, err := p.transport()
	if err != nil {
		return nil, err
	}
	// The key is kept before it is enrolled: if the answer is lost, the same key
	// and code give the same instance.
	key, err := e.instanceKey(ctx)
	if err != nil {
		return nil, err
	}
	options := kms.ClientOptions{URL: p.URL, Key: key, Transport: transport}
	err = e.once(ctx, "kms "+p.URL, &options.Identity, p, "key server", func(ctx context.Context, code string) (err error) {
		options.Identity, err = kms.Redeem(ctx, options, code)
		return err
	})
	if err != nil {
		return nil, err
	}
	return kms.NewClient(options)
}

// enrolled is what settings.db says of one server.
type enrolled struct {
	Code   []byte          `json:"code"` // SHA-256 of the code that was redeemed
	Record json.RawMessage `json:"record"`
}

// once fills a record from settings.db, or redeems a code for it and puts it
// there.
func (e enrolment) once(ctx context.Context, name string, record any, p Peer, server string, redeem func(context.Context, string) error) error {
	var known enrolled
	text, err := e.settings.Value(ctx, name)
	first := errors.Is(err, store.ErrNotFound)
	if err != nil && !first {
		return err
	}
	if !first && (json.Unmarshal(text, &known) != nil || json.Unmarshal(known.Record, record) != nil) {
		return fmt.Errorf("what settings.db says of the %s cannot be read; restore the file from a backup", server)
	}
	if !first && !p.Renew {
		return nil
	}
	code, err := p.code(server)
	if err != nil {
		if first {
			return err
		}
		return nil //nolint:nilerr // no new code, and none is needed
	}
	hash := sha256.Sum256([]byte(code))
	if !first && bytes.Equal(hash[:], known.Code) {
		return nil
	}
	if err := e.redeem(ctx, server, func() error { return redeem(ctx, code) }); err != nil {
		return fmt.Errorf("not enrolled at %s: %w", p.URL, err)
	}
	known.Code = hash[:]
	if known.Record, err = json.Marshal(record); err != nil {
		return err
	}
	if text, err = json.Marshal(known); err != nil {
		return err
	}
	return e.settings.PutValue(ctx, name, text)
}

// redeem tries until the server answers.
func (e enrolment) redeem(ctx context.Context, server string, try func() error) error {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		err := try()
		temporary, is := errors.AsType[interface {
			error
			Temporary() bool
		}](err)
		if err == nil || !is || !temporary.Temporary() {
			return err
		}
		e.log.Warn("not enrolled yet; trying again", "server", server, "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

func (p Peer) code(server string) (string, error) {
	if p.Code == nil {
		return "", fmt.Errorf("not enrolled at %s yet: get a one-time code from the %s and name its file", p.URL, server)
	}
	return p.Code()
}

// instanceKey returns this installation's own key, made at the first start.
func (e enrolment) instanceKey(ctx context.Context) (*ecdsa.PrivateKey, error) {
	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(fresh)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if der, err = e.settings.InitValue(ctx, "instance-key", der); err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	key, is := parsed.(*ecdsa.PrivateKey)
	if err != nil || !is {
		return nil, errors.New("this node's own key in settings.db cannot be read; restore the file from a backup")
	}
	return key, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails, by its contract
	return b
}
