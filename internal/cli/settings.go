package cli

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// connectorConfig is the configuration of `koyomi connector` and `koyomi check`.
type connectorConfig struct {
	Data         string             `yaml:"data" default:"/var/lib/koyomi/connector" help:"Folder of the two databases: settings.db (back it up) and cache.db (rebuilt from Exchange)"`
	Log          logConfig          `yaml:"log" help:"Log lines on standard error"`
	Admin        adminConfig        `yaml:"admin" help:"The connector's only listener: /healthz and /metrics"`
	Exchange     exchangeConfig     `yaml:"exchange" help:"The Exchange server and the service account that impersonates the mailboxes"`
	Cloud        peerConfig         `yaml:"cloud" help:"The cloud that carries the sealed meetings"`
	KMS          peerConfig         `yaml:"kms" help:"The key server"`
	Organisation organisationConfig `yaml:"organisation" help:"What holds for everybody"`
	Keywords     []keywordConfig    `yaml:"keywords" help:"What people type into the location; none: @meet"`
	Services     []serviceConfig    `yaml:"services" help:"Where join details come from; the first is the default"`
	Detection    detectionConfig    `yaml:"detection" help:"The organisation's own rules for finding meetings; try them with \"koyomi explain --config FILE INVITATION\""`
	Safety       safetyConfig       `yaml:"safety" help:"What keeps calendars from being hurt"`
	Mailboxes    []mailboxConfig    `yaml:"mailboxes" help:"Who is served, beside those that \"koyomi mailboxes activate\" names; a mailbox is activated at its first start, and what is older stays as it is"`
}

type logConfig struct {
	Level  string `yaml:"level" default:"info" allowed:"debug info warn error" help:"The least severe line that is written"`
	Format string `yaml:"format" default:"text" allowed:"text json" help:"Form of the lines"`
}

type adminConfig struct {
	Listen string    `yaml:"listen" default:"127.0.0.1:8490" help:"Address and port"`
	TLS    tlsConfig `yaml:"tls" help:"Certificate; needed unless listen is on loopback"`
}

type exchangeConfig struct {
	URL          string             `yaml:"url" example:"https://mail.example.com/EWS/Exchange.asmx" help:"Address of Exchange Web Services; leave it out to have each mailbox's server found by Autodiscover"`
	Autodiscover autodiscoverConfig `yaml:"autodiscover" help:"How the servers are found where url is left out"`
	Directory    directoryConfig    `yaml:"directory" help:"Active Directory"`
	Username     string             `yaml:"username" example:"EXAMPLE\\svc-koyomi" help:"The service account: DOMAIN\\name or name@domain"`
	PasswordFile string             `yaml:"password_file" example:"/etc/koyomi/exchange-password" help:"File that holds the service account's password and nothing else; without it the systemd credential exchange-password is used"`
	SignIn       signInConfig       `yaml:"sign_in" help:"How the service account signs in"`
	Standby      standbyConfig      `yaml:"standby" help:"A second service account, used when the first is refused"`
	Proxy        proxyConfig        `yaml:"proxy" help:"HTTP proxy on the way to Exchange; the environment's is not used"`
	CAFile       string             `yaml:"ca_file" help:"PEM file of the certificate authority, where the system does not know it"`
	Timeout      time.Duration      `yaml:"timeout" default:"60s" help:"Longest wait for an answer, streams apart"`
	AbsentSent   string             `yaml:"absent_counts_as" default:"unknown" allowed:"unknown sent" help:"What it means where the server never says whether an invitation was sent"`
	Profile      string             `yaml:"profile" help:"File that \"koyomi check --write A B --profile FILE\" has written: how this server treats bodies; without it a body that Outlook stored as RTF is written back as HTML"`
}

// autodiscoverConfig says how the server of each mailbox is found.
type autodiscoverConfig struct {
	AllowedHosts []string `yaml:"allowed_hosts" example:"[autodiscover.example.com, mail.example.com]" help:"Hosts that may get the service account's password, each written out, with :port where it is not 443: those of Autodiscover and those of Exchange Web Services that it names; others are listed as pending and get nothing"`
	BlockedHosts []string `yaml:"blocked_hosts" help:"Hosts that are not even asked without a password"`
	RootDomain   bool     `yaml:"root_domain" default:"false" help:"Also try https://domain/, where most organisations have their web site"`
}

// directoryConfig says how Active Directory is read, with the service account.
type directoryConfig struct {
	Servers []string `yaml:"servers" example:"[dc1.corp.example.com]" help:"Domain controllers, asked over LDAPS: they say by service connection points where Autodiscover is, and how soon a wrong password locks the account; with a keytab name each in full, as the directory does; not with OAuth; hosts that they name are allowed"`
	Site    string   `yaml:"site" help:"Site of this computer in Active Directory: its Exchange servers come first"`
	CAFile  string   `yaml:"ca_file" help:"PEM file of the certificate authority of the domain controllers, where the system does not know it"`
}

type peerConfig struct {
	URL      string `yaml:"url" example:"https://koyomi.example.net" help:"Address; http only on loopback"`
	CAFile   string `yaml:"ca_file" help:"PEM file of the certificate authority, where the system does not know it"`
	CodeFile string `yaml:"code_file" help:"File with the one-time code for this connector, needed at the first start; a new code in it is redeemed at the next start; print it with \"enrol --connector NAME\" on the other side"`
}

type organisationConfig struct {
	Locale     string        `yaml:"locale" example:"de" help:"Language of the join block, see docs/join-block.md; without it that of each invitation, or else English"`
	Domains    []string      `yaml:"domains" example:"[example.com]" help:"Mail domains of the organisation, beside those of the mailboxes; whoever is invited from another one is a guest"`
	English    bool          `yaml:"english_for_guests" default:"true" help:"Write the join block in English, too, below another language where a guest is invited"`
	Phone      bool          `yaml:"show_phone" default:"true" help:"Telephone numbers in the join block"`
	Video      bool          `yaml:"show_video" default:"true" help:"Addresses for video systems in the join block"`
	SIPDomains []string      `yaml:"sip_domains" help:"Domains whose digits@domain is a meeting and not a mail address"`
	JitsiHosts []string      `yaml:"jitsi_hosts" help:"Hosts of the organisation's own Jitsi servers"`
	Header     string        `yaml:"header" help:"Plain text in the join block, below link and passcode, up to 1,024 characters"`
	Footer     string        `yaml:"footer" help:"The same at the end of the join block"`
	Notes      []noteConfig  `yaml:"notes" help:"Header and footer in single languages, instead of the two above"`
	ButtonLead time.Duration `yaml:"button_lead" default:"5m" help:"How long before the start Join is offered"`
}

type noteConfig struct {
	Locale string `yaml:"locale" example:"ja" help:"Language that these are for"`
	Header string `yaml:"header" help:"As organisation.header"`
	Footer string `yaml:"footer" help:"As organisation.footer"`
}

type keywordConfig struct {
	Word    string `yaml:"word" example:"@meet" help:"The keyword with its @"`
	Action  string `yaml:"action" default:"default" allowed:"default myroom space onetime" help:"What it asks for without a modifier; default: what the service does"`
	Service string `yaml:"service" help:"Name of the meeting service; empty: the first"`
}

type safetyConfig struct {
	Settle      time.Duration `yaml:"settle" default:"3s" help:"Quiet time after the last change before an item is written, 0s to 60s"`
	DraftSettle time.Duration `yaml:"draft_settle" default:"120s" help:"The same for a meeting with attendees that was not sent yet, 0s to 600s"`
	Writes      int           `yaml:"writes_per_hour" default:"100" help:"More writes in an hour stop all writes until acknowledged; each mailbox adds one"`
	Recipients  int           `yaml:"recipients_per_hour" default:"1000" help:"The same for people who are mailed; each mailbox adds ten"`
	DaysBack    int           `yaml:"days_back" default:"7" help:"Days of the past in the meeting list"`
	DaysAhead   int           `yaml:"days_ahead" default:"31" help:"Days of the future in the meeting list"`
	PurgeAfter  int           `yaml:"purge_after_days" default:"30" help:"Days after a mailbox has left until all that is kept of it is purged; 0: only by \"koyomi purge\""`
}

type mailboxConfig struct {
	Address string   `yaml:"address" example:"aya@example.com" help:"Primary SMTP address"`
	Aliases []string `yaml:"aliases" help:"Further addresses of the same mailbox"`
	Name    string   `yaml:"name" help:"Display name"`
	Owner   string   `yaml:"owner" help:"The user at the key server, as in \"koyomi kms enrol USER\"; empty: the address"`
	Account string   `yaml:"account" example:"pX2mJ4bq1zTt0m6v8c3k5Q" help:"The account at the cloud, as printed by \"koyomi cloud enrol\""`
	Locale  string   `yaml:"locale" help:"Language of this mailbox, where it is not the organisation's"`
}

// cloudConfig is the configuration of `koyomi cloud`.
type cloudConfig struct {
	Data   string    `yaml:"data" default:"/var/lib/koyomi/cloud" help:"Folder of the database"`
	Log    logConfig `yaml:"log" help:"Log lines on standard error"`
	Listen string    `yaml:"listen" default:"127.0.0.1:8480" help:"Address and port of the people's app and the connectors' calls"`
	URL    string    `yaml:"url" example:"https://koyomi.example.net" help:"Address by which browsers reach it; requests for another host are refused"`
	TLS    tlsConfig `yaml:"tls" help:"Certificate; needed unless listen is on loopback, for example behind a proxy on the same machine"`
	KMS    cloudKMS  `yaml:"kms" help:"The key server that the app asks for keys"`
}

type cloudKMS struct {
	URL       string `yaml:"url" example:"https://kms.example.com" help:"Address by which browsers reach the key server"`
	Authority string `yaml:"authority" example:"mJ4bq1zTt0m6v8c3k5QpXw" help:"The key server's own name, as printed by \"koyomi kms status\""`
}

// kmsConfig is the configuration of `koyomi kms`.
type kmsConfig struct {
	Data       string    `yaml:"data" default:"/var/lib/koyomi/kms" help:"Folder of the database"`
	Log        logConfig `yaml:"log" help:"Log lines on standard error"`
	Listen     string    `yaml:"listen" default:"127.0.0.1:8481" help:"Address and port"`
	URL        string    `yaml:"url" example:"https://kms.example.com" help:"Address by which browsers and connectors reach it; requests for another host are refused"`
	TLS        tlsConfig `yaml:"tls" help:"Certificate; needed unless listen is on loopback, for example behind a proxy on the same machine"`
	Origins    []string  `yaml:"origins" example:"[https://koyomi.example.net]" help:"Addresses of the apps that may ask from a browser"`
	MasterFile string    `yaml:"master_key_file" example:"/etc/koyomi/kms-master" help:"File of the master key, mode 0600, not in the data folder; made at the first start; without it every key is lost: back it up apart from the database"`
}

type tlsConfig struct {
	CertFile string `yaml:"cert_file" help:"PEM file of the certificate and its chain"`
	KeyFile  string `yaml:"key_file" help:"PEM file of the private key"`
}

// check refuses what cannot work, in a sentence that names the key.
func (c *connectorConfig) check() error {
	if err := errors.Join(
		c.Exchange.check(), needURL("cloud.url", c.Cloud.URL), needURL("kms.url", c.KMS.URL), needListen("admin.listen", c.Admin.Listen),
		prefixed("admin.", c.Admin.TLS.check(c.Admin.Listen)),
		most("safety.settle", c.Safety.Settle, time.Minute), most("safety.draft_settle", c.Safety.DraftSettle, 10*time.Minute),
	); err != nil {
		return firstOf(err)
	}
	if err := errors.Join(c.checkRules(), c.checkServices()); err != nil {
		return firstOf(err)
	}
	return c.checkMailboxes()
}

// check is what `koyomi check` needs of it.
func (c *exchangeConfig) check() error {
	if c.URL == "" && (len(c.Autodiscover.AllowedHosts) > 0 || len(c.Directory.Servers) > 0) {
		_, err := c.trust()
		return firstOf(errors.Join(err, need("exchange.username", c.Username), c.checkSignIn()))
	}
	return firstOf(errors.Join(needURL("exchange.url", c.URL), need("exchange.username", c.Username), c.checkSignIn()))
}

func (c *connectorConfig) checkMailboxes() error {
	seen := map[string]int{}
	for i, m := range c.Mailboxes {
		for _, a := range append([]string{m.Address}, m.Aliases...) {
			if p, err := mail.ParseAddress(a); err != nil || p.Address != a {
				return fmt.Errorf("mailboxes: entry %d needs an address such as aya@example.com", i+1)
			}
			if other, twice := seen[strings.ToLower(a)]; twice {
				return fmt.Errorf("mailboxes: entries %d and %d have the same address", other, i+1)
			}
			seen[strings.ToLower(a)] = i + 1
		}
	}
	return nil
}

func (c *cloudConfig) check() error {
	return firstOf(errors.Join(needListen("listen", c.Listen), needURL("kms.url", c.KMS.URL), c.TLS.check(c.Listen)))
}

func (c *kmsConfig) check() error {
	return firstOf(errors.Join(needListen("listen", c.Listen), need("master_key_file", c.MasterFile), c.TLS.check(c.Listen)))
}

func prefixed(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s%w", key, err)
}

// check demands a certificate for a listener that others can reach.
func (t tlsConfig) check(listen string) error {
	if (t.CertFile == "") != (t.KeyFile == "") {
		return errors.New("tls: cert_file and key_file go together")
	}
	if host, _, _ := net.SplitHostPort(listen); t.CertFile == "" && !loopback(host) {
		return fmt.Errorf("listen: %s can be reached by others and needs a certificate: set tls.cert_file and tls.key_file, or listen on 127.0.0.1 behind a proxy", listen)
	}
	return nil
}

func need(key, value string) error {
	if value == "" {
		return fmt.Errorf("%s is missing", key)
	}
	return nil
}

// needURL demands https, or http to loopback.
func needURL(key, value string) error {
	if err := need(key, value); err != nil {
		return err
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%s: %q is not an address such as https://host.example.com", key, value)
	case u.User != nil:
		return fmt.Errorf("%s: no user or password belongs into an address", key)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("%s: http is refused, since everybody on the way can read it: use https", key)
	}
	return nil
}

func needListen(key, value string) error {
	if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
		return fmt.Errorf("%s: %q is not address:port, such as 127.0.0.1:8480", key, value)
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

func most(key string, d, limit time.Duration) error {
	if d > limit {
		return fmt.Errorf("%s: %v is over the limit of %v", key, d, limit)
	}
	return nil
}

// firstOf returns the first of joined errors: one sentence at a time.
func firstOf(err error) error {
	if many, is := err.(interface{ Unwrap() []error }); is && len(many.Unwrap()) > 0 {
		return many.Unwrap()[0]
	}
	return err
}
