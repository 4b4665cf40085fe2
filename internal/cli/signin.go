package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// signInConfig says how the service accounts sign in.
type signInConfig struct {
	Scheme   string   `yaml:"scheme" default:"basic" allowed:"basic ntlm kerberos oauth" help:"Way to sign in; there is no falling back from one to another"`
	Realm    string   `yaml:"realm" example:"CORP.EXAMPLE.COM" help:"Kerberos: the directory's realm"`
	KDC      []string `yaml:"kdc" example:"[dc1.corp.example.com]" help:"Kerberos: domain controllers, with :port where it is not 88; none: DNS is asked"`
	Keytab   string   `yaml:"keytab_file" help:"Kerberos: keytab of the service account, in the place of password_file"`
	SPN      string   `yaml:"spn" example:"HTTP/mail.example.com" help:"Kerberos: name of the service, where it is not HTTP/ and the host of the URL"`
	EPA      string   `yaml:"epa" default:"auto" allowed:"auto off" help:"NTLM and Kerberos: off leaves the channel binding of Extended Protection out, for a load balancer with a certificate of its own"`
	CertFile string   `yaml:"certificate_file" help:"OAuth: PEM file of the certificate by which the application signs in, in the place of password_file"`
	KeyFile  string   `yaml:"key_file" help:"OAuth: PEM file of the certificate's RSA key, without a passphrase; empty: it stands in certificate_file"`
	TokenURL string   `yaml:"token_url" example:"https://login.microsoftonline.com/TENANT/oauth2/v2.0/token" help:"OAuth: where tokens come from; username is the client id, password_file holds the client secret, or certificate_file names the certificate"`
	Scope    string   `yaml:"scope" example:"https://outlook.office365.com/.default" help:"OAuth: scope of the tokens"`
}

// standbyConfig is a second service account.
type standbyConfig struct {
	Username     string `yaml:"username" example:"EXAMPLE\\svc-koyomi2" help:"The second account; empty: there is none"`
	PasswordFile string `yaml:"password_file" example:"/etc/koyomi/exchange-password2" help:"File that holds its password and nothing else"`
	Keytab       string `yaml:"keytab_file" help:"Kerberos: its keytab, in the place of password_file"`
	CertFile     string `yaml:"certificate_file" help:"OAuth: its certificate, in the place of password_file"`
	KeyFile      string `yaml:"key_file" help:"OAuth: its certificate's key; empty: it stands in certificate_file"`
}

// proxyConfig is an HTTP proxy.
type proxyConfig struct {
	URL          string `yaml:"url" example:"http://proxy.example.com:3128" help:"Address; empty: there is none"`
	Username     string `yaml:"username" help:"Who signs in to it; empty: nobody need"`
	PasswordFile string `yaml:"password_file" help:"File that holds the proxy's password and nothing else"`
	Scheme       string `yaml:"scheme" default:"basic" allowed:"basic ntlm" help:"Way to sign in to it"`
}

// schemeOf returns the way to sign in of a name in the configuration.
func schemeOf(name string) ews.Scheme {
	switch name {
	case "ntlm":
		return ews.NTLM
	case "kerberos":
		return ews.Negotiate
	case "oauth":
		return ews.OAuth
	}
	return ews.Basic
}

// checkSignIn says what is missing or too much.
func (c *exchangeConfig) checkSignIn() error {
	s := c.SignIn
	switch {
	case s.Scheme == "kerberos" && s.Realm == "":
		return errors.New("exchange.sign_in.realm is missing")
	case s.Scheme != "kerberos" && (s.Keytab != "" || c.Standby.Keytab != ""):
		return errors.New("exchange.sign_in.keytab_file goes with scheme kerberos")
	case s.Scheme != "oauth" && (s.CertFile != "" || c.Standby.CertFile != ""):
		return errors.New("exchange.sign_in.certificate_file goes with scheme oauth")
	case s.KeyFile != "" && s.CertFile == "", c.Standby.KeyFile != "" && c.Standby.CertFile == "":
		return errors.New("exchange.sign_in.key_file goes with certificate_file")
	case s.CertFile != "" && c.PasswordFile != "":
		return errors.New("exchange: password_file and sign_in.certificate_file are two ways to sign in; name one")
	case c.Standby.Username != "" && c.Standby.PasswordFile == "" && c.Standby.Keytab == "" && c.Standby.CertFile == "":
		return errors.New("exchange.standby.password_file is missing")
	}
	if s.Scheme == "oauth" {
		if err := needURL("exchange.sign_in.token_url", s.TokenURL); err != nil {
			return err
		}
	}
	if c.Proxy.Username != "" && c.Proxy.PasswordFile == "" {
		return errors.New("exchange.proxy.password_file is missing")
	}
	return nil
}

// signIn fills in how the accounts sign in.
func (c *exchangeConfig) signIn(x *exchange.Options) {
	s := c.SignIn
	x.KeytabFile, x.CertificateFile, x.KeyFile = s.Keytab, s.CertFile, s.KeyFile
	x.SignIn = exchange.SignIn{
		Scheme: schemeOf(s.Scheme), Realm: s.Realm, KDCs: s.KDC, SPN: s.SPN, NoBinding: s.EPA == "off", TokenURL: s.TokenURL, Scope: s.Scope,
	}
	if c.Standby.Username != "" {
		x.Standby = &exchange.Login{
			Username: c.Standby.Username, PasswordFile: c.Standby.PasswordFile, KeytabFile: c.Standby.Keytab,
			CertificateFile: c.Standby.CertFile, KeyFile: c.Standby.KeyFile,
		}
	}
	x.Proxy = exchange.Proxy{
		URL: c.Proxy.URL, Scheme: schemeOf(c.Proxy.Scheme),
		Login: exchange.Login{Username: c.Proxy.Username, PasswordFile: c.Proxy.PasswordFile},
	}
}

// options are Exchange as the configuration has it, for everything that uses
// it. What files hold is looked at here, so that it is missed by the name of its
// key. Hosts that Autodiscover meets are told to the log.
func (c *exchangeConfig) options(env *environment, log *slog.Logger) (exchange.Options, error) {
	x := exchange.Options{
		URL: c.URL, Username: c.Username, PasswordFile: c.PasswordFile, CAFile: c.CAFile,
		Timeout: c.Timeout, AbsentIsSent: c.AbsentSent == "sent", UserAgent: userAgent,
	}
	if err := c.find(&x, log); err != nil {
		return x, err
	}
	c.signIn(&x)
	if err := c.secrets(env, &x); err != nil {
		return x, err
	}
	if c.CAFile != "" {
		if _, err := os.Stat(c.CAFile); err != nil {
			return x, fmt.Errorf("exchange.ca_file: %s cannot be read: %s", c.CAFile, plain(err))
		}
	}
	var err error
	x.Profile, err = readProfile(c.Profile)
	return x, err
}

// secrets looks at the files of secrets. A password that systemd gives is taken
// as it is; with a keytab or a certificate there need not be one.
func (c *exchangeConfig) secrets(env *environment, x *exchange.Options) error {
	if c.SignIn.Keytab == "" && c.SignIn.CertFile == "" {
		password, err := readSecret(env, "exchange.password_file", c.PasswordFile, exchangeCredential)
		if err != nil {
			return err
		}
		if c.PasswordFile == "" {
			x.Password = ews.NewSecret(password)
		}
	}
	for _, f := range []struct{ key, file string }{
		{"exchange.sign_in.keytab_file", c.SignIn.Keytab}, {"exchange.standby.keytab_file", c.Standby.Keytab},
		{"exchange.sign_in.certificate_file", c.SignIn.CertFile}, {"exchange.sign_in.key_file", c.SignIn.KeyFile},
		{"exchange.standby.certificate_file", c.Standby.CertFile}, {"exchange.standby.key_file", c.Standby.KeyFile},
		{"exchange.standby.password_file", c.Standby.PasswordFile}, {"exchange.proxy.password_file", c.Proxy.PasswordFile},
	} {
		if f.file == "" {
			continue
		}
		if _, err := readSecret(env, f.key, f.file, ""); err != nil {
			return err
		}
	}
	return nil
}
