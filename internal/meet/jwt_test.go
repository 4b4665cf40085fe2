package meet

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// open splits a token and returns its header, claims, signed text and signature.
func openToken(t *testing.T, token string) (header, claims map[string]any, input string, sig []byte) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	return header, claims, parts[0] + "." + parts[1], sig
}

func TestModeratorOfJitsi(t *testing.T) {
	t.Parallel()
	key, err := ParseSigningKey(pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		url   string
		token JitsiToken
		alg   string
		aud   string
		sub   string
	}{
		"HS256":           {"https://meet.example.com", JitsiToken{AppID: "koyomi", Secret: secret}, "HS256", "koyomi", "meet.example.com"},
		"tenant":          {"https://meet.example.com/team", JitsiToken{AppID: "koyomi", Secret: secret}, "HS256", "koyomi", "team"},
		"RS256 and named": {"https://meet.example.com/", JitsiToken{AppID: "chat", Audience: "jitsi", Subject: "*", Key: key, KeyID: "k/1"}, "RS256", "jitsi", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, err := New(Config{Name: "Meet", Jitsi: &JitsiConfig{URL: tt.url, Secret: secret, Token: &tt.token}})
				if err != nil {
					t.Fatal(err)
				}
				boss := ann
				boss.Name = "Ann Lee"
				plain := join(t, s, Request{Mailbox: boss, Key: "k1"}).URL
				if strings.ContainsAny(plain, "?#=") {
					t.Fatalf("the invitation's link is a personal one: %s", plain)
				}
				end := time.Now().Add(90 * time.Minute)
				link, err := s.(Moderated).Enter(Entrance{Mailbox: boss, URL: plain, Until: end})
				if err != nil {
					t.Fatal(err)
				}
				token, found := strings.CutPrefix(link, plain+"?jwt=")
				if !found {
					t.Fatalf("link %s", link)
				}
				header, claims, input, sig := openToken(t, token)
				if header["alg"] != tt.alg || header["typ"] != "JWT" || tt.token.KeyID != "" && header["kid"] != tt.token.KeyID {
					t.Errorf("header %v", header)
				}
				room := plain[strings.LastIndex(plain, "/")+1:]
				for claim, want := range map[string]any{
					"iss": tt.token.AppID, "aud": tt.aud, "sub": tt.sub, "room": room,
					"exp": float64(end.Add(time.Hour).Unix()), "nbf": float64(time.Now().Add(-time.Minute).Unix()),
				} {
					if claims[claim] != want {
						t.Errorf("%s is %v, want %v", claim, claims[claim], want)
					}
				}
				user := claims["context"].(map[string]any)["user"].(map[string]any)
				if user["moderator"] != "true" || user["affiliation"] != "owner" || user["name"] != "Ann Lee" || user["id"] == "" {
					t.Errorf("user %v", user)
				}
				for k, v := range user {
					if _, is := v.(string); !is {
						t.Errorf("%s is no string", k)
					}
				}
				if strings.Contains(fmt.Sprint(claims), "xample.com") && tt.sub != "meet.example.com" || strings.Contains(fmt.Sprint(claims), "@") {
					t.Errorf("an address in %v", claims)
				}
				if tt.alg == "HS256" {
					mac := hmac.New(sha256.New, tt.token.Secret)
					mac.Write([]byte(input))
					if !hmac.Equal(sig, mac.Sum(nil)) {
						t.Error("the signature does not verify")
					}
					return
				}
				sum := sha256.Sum256([]byte(input))
				if err := rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA256, sum[:], sig); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestModeratorRefusals(t *testing.T) {
	t.Parallel()
	with, err := NewJitsi("J", JitsiConfig{URL: "https://meet.example.com", Secret: secret, Token: &JitsiToken{AppID: "a", Secret: secret}})
	if err != nil {
		t.Fatal(err)
	}
	without := both(t).(Moderated)
	for name, tt := range map[string]struct {
		s   Moderated
		url string
	}{
		"another host":   {with, "https://meet.example.org/room"},
		"longer host":    {with, "https://meet.example.com.evil.example/room"},
		"a path":         {with, "https://meet.example.com/a/room"},
		"a query":        {with, "https://meet.example.com/room?jwt=x"},
		"no room":        {with, "https://meet.example.com/"},
		"no tokens":      {without, "https://meet.example.com/room"},
		"a personal one": {without, "https://vc.example.com/webapp/conference/ann.lee"},
	} {
		_, err := tt.s.Enter(Entrance{Mailbox: ann, URL: tt.url, Until: time.Now()})
		var e *Error
		if !errors.As(err, &e) || e.State != NotOffered {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenLife(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for until, want := range map[time.Duration]time.Duration{
		-time.Hour: time.Hour, time.Hour: 2 * time.Hour, 48 * time.Hour: 24 * time.Hour,
	} {
		if from, to := tokenLife(now, now.Add(until)); to.Sub(now) != want || !from.Before(now) {
			t.Errorf("a meeting until %v: token until %v, want %v", until, to.Sub(now), want)
		}
	}
}

func TestSigningKeys(t *testing.T) {
	t.Parallel()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseSigningKey(pemOf("PRIVATE KEY", pkcs8))
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s", key, JitsiToken{Key: key}, &JitsiToken{Key: key, Secret: secret}, key.String())
	js, err := json.Marshal(JitsiToken{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if shown += string(js) + key.LogValue().String(); strings.Contains(shown, rsaKey().D.String()[:20]) || strings.Contains(shown, string(secret)) || !strings.Contains(shown, "[redacted]") {
		t.Errorf("the key shows: %s", shown)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"nothing": nil, "words": []byte("key"), "garbage": pemOf("PRIVATE KEY", []byte("x")), "another kind": pemOf("PRIVATE KEY", ec)} {
		if _, err := ParseSigningKey(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, token := range map[string]*JitsiToken{
		"no app": {Secret: secret}, "nothing to sign with": {AppID: "a"}, "two ways": {AppID: "a", Secret: secret, Key: key},
	} {
		if _, err := NewJitsi("J", JitsiConfig{URL: "https://meet.example.com", Secret: secret, Token: token}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
