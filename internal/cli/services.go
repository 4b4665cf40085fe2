package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/ops"
)

// serviceConfig is one meeting service.
type serviceConfig struct {
	Name          string             `yaml:"name" example:"Example Meet" help:"Name as shown to people"`
	Default       string             `yaml:"default" allowed:"myroom space onetime" help:"What the plain keyword gets; empty: a new meeting where one can be made, else the personal room"`
	JitsiURL      string             `yaml:"jitsi_url" example:"https://meet.example.com" help:"Jitsi server that makes new meetings, and personal rooms where room_url is not set"`
	JitsiToken    jitsiTokenConfig   `yaml:"jitsi_token" help:"How organisers are signed in to that Jitsi server as moderators"`
	Webex         webexServiceConfig `yaml:"webex" help:"Webex site that makes new meetings, and personal rooms where room_url is not set"`
	BigBlueButton bbbServiceConfig   `yaml:"bigbluebutton" help:"BigBlueButton server that makes new meetings, and personal rooms where room_url is not set"`
	RoomURL       string             `yaml:"room_url" help:"Address of personal rooms with {{user}}, {{domain}} or {{address}}, such as https://vc.example.com/{{user}}"`
	RoomProvider  string             `yaml:"room_provider" help:"Whose rooms they are, by its name in docs/detection.md, such as pexip, or bigbluebutton for Greenlight; empty: other"`
	RoomSIP       string             `yaml:"room_sip" help:"SIP address of personal rooms, such as {{user}}@vc.example.com"`
	RoomPasscode  string             `yaml:"room_passcode" help:"Passcode that is the same for all personal rooms"`
}

type jitsiTokenConfig struct {
	AppID      string `yaml:"app_id" help:"The server's app_id; empty: the server asks for no tokens"`
	Audience   string `yaml:"audience" help:"Claim aud; empty: the app id"`
	Subject    string `yaml:"subject" help:"Claim sub; empty: the tenant in jitsi_url, else its host"`
	SecretFile string `yaml:"secret_file" help:"File with the server's app_secret (HS256)"`
	KeyFile    string `yaml:"key_file" help:"PEM file of an RSA private key, in the place of secret_file (RS256)"`
	KeyID      string `yaml:"key_id" help:"Name of that key for the server"`
}

type webexServiceConfig struct {
	ClientID         string `yaml:"client_id" help:"Client id of the service app or integration; empty: Webex is not used"`
	ClientSecretFile string `yaml:"client_secret_file" help:"File with its client secret"`
	RefreshTokenFile string `yaml:"refresh_token_file" help:"File with its refresh token"`
	Host             string `yaml:"host" help:"Address of the one person whose token this is: all meetings are that person's; empty: the token is an administrator's, and meetings are each organiser's own"`
	Site             string `yaml:"site" help:"Webex site, such as example.webex.com; empty: the host's preferred one"`
	URL              string `yaml:"url" default:"https://webexapis.com/v1" help:"Address of the REST API"`
}

type bbbServiceConfig struct {
	URL     string `yaml:"url" help:"Address of \"koyomi join\", such as https://join.example.com; empty: BigBlueButton is not used"`
	KeyFile string `yaml:"key_file" help:"File with the key that \"koyomi join\" has too"`
}

// meet is a service as package meet has it, without the secrets of files.
func (s serviceConfig) meet(secret meet.Secret) meet.Config {
	m := meet.Config{Name: s.Name, Default: s.Default}
	if s.JitsiURL != "" {
		m.Jitsi = &meet.JitsiConfig{URL: s.JitsiURL, Secret: secret}
	}
	if s.BigBlueButton.URL != "" {
		m.BigBlueButton = &meet.BigBlueButtonConfig{URL: s.BigBlueButton.URL, Secret: secret}
	}
	if s.Webex.ClientID != "" {
		m.Webex = &meet.WebexConfig{URL: s.Webex.URL, ClientID: s.Webex.ClientID, Host: s.Webex.Host, SiteURL: s.Webex.Site}
	}
	if s.RoomURL != "" {
		m.Personal = &meet.TemplateConfig{Provider: s.RoomProvider, URL: s.RoomURL, SIP: s.RoomSIP, Passcode: s.RoomPasscode}
	}
	return m
}

// whole is the same with the secrets, which are read here.
func (s serviceConfig) whole(env *environment, secret meet.Secret) (meet.Config, error) {
	m := s.meet(secret)
	var errs []error
	read := func(key, file string) meet.Secret {
		text, err := readSecret(env, "services: "+s.Name+": "+key, file, key)
		errs = append(errs, err)
		return meet.Secret(text)
	}
	if w := m.Webex; w != nil {
		w.ClientSecret = read("webex.client_secret_file", s.Webex.ClientSecretFile)
		w.RefreshToken = read("webex.refresh_token_file", s.Webex.RefreshTokenFile)
	}
	if b := m.BigBlueButton; b != nil {
		b.Key = read("bigbluebutton.key_file", s.BigBlueButton.KeyFile)
	}
	if t := s.JitsiToken; m.Jitsi != nil && t.AppID != "" {
		token := &meet.JitsiToken{AppID: t.AppID, Audience: t.Audience, Subject: t.Subject, KeyID: t.KeyID}
		if t.KeyFile != "" {
			key, err := meet.ParseSigningKey([]byte(read("jitsi_token.key_file", t.KeyFile)))
			if err != nil {
				errs = append(errs, fmt.Errorf("services: %s: jitsi_token.key_file: %w", s.Name, err))
			}
			token.Key = key
		} else {
			token.Secret = read("jitsi_token.secret_file", t.SecretFile)
		}
		m.Jitsi.Token = token
	}
	return m, firstOf(errors.Join(errs...))
}

// check refuses what cannot work, without looking into any file.
func (s serviceConfig) check() error {
	m := s.meet(nil)
	makers := 0
	for _, there := range []bool{m.Jitsi != nil, m.Webex != nil, m.BigBlueButton != nil} {
		if there {
			makers++
		}
	}
	t := s.JitsiToken
	switch {
	case makers > 1:
		return errors.New("jitsi_url, webex and bigbluebutton are three services: give each an entry and a name of its own")
	case t.AppID != "" && s.JitsiURL == "":
		return errors.New("jitsi_token needs jitsi_url")
	case t.AppID != "" && (t.SecretFile == "") == (t.KeyFile == ""):
		return errors.New("jitsi_token needs either secret_file or key_file")
	case m.Webex != nil && (s.Webex.ClientSecretFile == "" || s.Webex.RefreshTokenFile == ""):
		return errors.New("webex needs client_secret_file and refresh_token_file")
	case m.BigBlueButton != nil && s.BigBlueButton.KeyFile == "":
		return errors.New("bigbluebutton needs key_file")
	case m.BigBlueButton != nil:
		return needURL("bigbluebutton.url", s.BigBlueButton.URL)
	}
	return nil
}

func (c *connectorConfig) checkServices() error {
	for i, s := range c.Services {
		if err := s.check(); err != nil {
			return fmt.Errorf("services: entry %d: %w", i+1, err)
		}
	}
	return nil
}

// meetServices makes the services of the configuration.
func (c *connectorConfig) meetServices(env *environment, secret meet.Secret, ledger meet.Ledger) ([]meet.Service, error) {
	var all []meet.Service
	for _, s := range c.Services {
		config, err := s.whole(env, secret)
		if err != nil {
			return nil, err
		}
		config.Ledger = ledger
		service, err := meet.New(config)
		if err != nil {
			return nil, fmt.Errorf("services: %w", err)
		}
		all = append(all, service)
	}
	return all, nil
}

// serviceSteps tries each meeting service as far as that makes no meeting: the
// secrets are read, and where there is somebody to sign in to, it signs in.
func (c *connectorConfig) serviceSteps(env *environment, l lang) (out []step) {
	for _, s := range c.Services {
		err := s.check()
		var config meet.Config
		if err == nil {
			config, err = s.whole(env, make(meet.Secret, 32))
		}
		var service meet.Service
		if err == nil {
			config.Ledger = connector.Ledger{}
			service, err = meet.New(config)
		}
		detail := s.Name + l.text(": set up; it is not asked before a meeting is due", ": 設定済み (会議の作成時まで問い合わせません)")
		if k, is := service.(meet.Checked); err == nil && is && config.Webex != nil {
			ctx, cancel := context.WithTimeout(env.ctx, 20*time.Second)
			err = k.Check(ctx)
			cancel()
			detail = s.Name + l.text(": signs in", ": サインインできます")
		}
		if err == nil {
			out = append(out, ok("", "service", detail))
			continue
		}
		out = append(out, step{
			Step: "service", Cause: s.Name + ": " + err.Error(), Code: "service",
			Repair: l.text("see docs/meeting-services.md; invitations with this service wait until then", "docs/meeting-services.md を参照してください。それまでこのサービスの招待は待機します"),
		})
	}
	return out
}

// joinConfig is the configuration of `koyomi join`.
type joinConfig struct {
	Log        logConfig     `yaml:"log" help:"Log lines on standard error"`
	Listen     string        `yaml:"listen" default:"127.0.0.1:8482" help:"Address and port"`
	URL        string        `yaml:"url" example:"https://join.example.com" help:"Address by which browsers reach it, the connector's services[].bigbluebutton.url; requests for another host are refused"`
	TLS        tlsConfig     `yaml:"tls" help:"Certificate; needed unless listen is on loopback, for example behind a proxy on the same machine"`
	KeyFile    string        `yaml:"key_file" example:"/etc/koyomi/join-key" help:"File with at least 16 random bytes as text, which the connector has too"`
	Locale     string        `yaml:"locale" default:"en" allowed:"en ja" help:"Language of the page where a browser asks for none of ours"`
	BBB        joinBBBConfig `yaml:"bigbluebutton" help:"The server to which it leads"`
	PerCaller  int           `yaml:"per_caller" default:"20" help:"Tries a minute from one address; on loopback, behind a proxy, callers are not told apart and only per_meeting holds"`
	PerMeeting int           `yaml:"per_meeting" default:"600" help:"Tries a minute for one meeting"`
}

type joinBBBConfig struct {
	URL        string `yaml:"url" example:"https://bbb.example.com/bigbluebutton/api" help:"Address of its API"`
	SecretFile string `yaml:"secret_file" example:"/etc/koyomi/bbb-secret" help:"File with its shared secret, as \"bbb-conf --secret\" prints it"`
	Checksum   string `yaml:"checksum" default:"sha256" allowed:"sha1 sha256 sha384 sha512" help:"Kind of checksum that it accepts"`
	Lobby      bool   `yaml:"lobby" default:"false" help:"Guests wait until a moderator lets them in"`
}

func (c *joinConfig) check() error {
	if c.PerCaller == 0 || c.PerMeeting == 0 {
		return errors.New("per_caller and per_meeting have to be at least 1")
	}
	return firstOf(errors.Join(
		needListen("listen", c.Listen), needURL("url", c.URL), need("key_file", c.KeyFile),
		needURL("bigbluebutton.url", c.BBB.URL), need("bigbluebutton.secret_file", c.BBB.SecretFile), c.TLS.check(c.Listen),
	))
}

type joinCommand struct {
	configFlags
}

// Run serves the door to BigBlueButton until it is told to stop.
func (c *joinCommand) Run(env *environment) error {
	var config joinConfig
	if err := c.load(env, &config); err != nil {
		return err
	}
	log := env.logger(config.Log)
	door, err := config.door(env)
	if err != nil {
		return err
	}
	l, err := listen(env.ctx, config.Listen, config.TLS)
	if err != nil {
		return err
	}
	log.Info("join runs", "listen", l.Addr().String())
	g, ctx := errgroup.WithContext(env.ctx)
	g.Go(func() error {
		return ops.Serve(ctx, l, guarded(guard(config.URL, config.Listen, nil), door.Handler()), log)
	})
	return g.Wait()
}

// door reads the secrets and makes the door.
func (c *joinConfig) door(env *environment) (*meet.Door, error) {
	key, err := readSecret(env, "key_file", c.KeyFile, "join-key")
	if err != nil {
		return nil, err
	}
	secret, err := readSecret(env, "bigbluebutton.secret_file", c.BBB.SecretFile, "bbb-secret")
	if err != nil {
		return nil, err
	}
	const most = 10000 // callers and meetings that are remembered
	callers := account.NewLimiter(time.Minute/time.Duration(c.PerCaller), c.PerCaller, most)
	meetings := account.NewLimiter(time.Minute/time.Duration(c.PerMeeting), c.PerMeeting, most)
	return meet.NewDoor(meet.DoorConfig{
		URL: c.BBB.URL, Secret: meet.Secret(secret), Checksum: c.BBB.Checksum, Key: meet.Secret(key), Lobby: c.BBB.Lobby, Locale: c.Locale,
		Log: env.logger(c.Log),
		Allow: func(r *http.Request, room string) (time.Duration, bool) {
			if caller := account.RemoteKey(r); !loopback(caller) {
				if wait, ok := callers.Allow(caller); !ok {
					return wait, false
				}
			}
			if room == "" {
				return 0, true
			}
			return meetings.Allow(room)
		},
	})
}
