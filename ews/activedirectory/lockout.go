package activedirectory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Lockout is when a directory locks an account ([MS-ADTS] 3.1.1.5.5,
// [MS-SAMR] 3.1.1.7).
type Lockout struct {
	// Known is false where a policy of the account's own applies and may not be
	// read: the figures are careful ones then.
	Known bool
	// Threshold is how many refused passwords lock the account; 0: never.
	Threshold int
	// Window is how long a refused password counts.
	Window time.Duration
	// Duration is how long the account stays locked; 0: until somebody unlocks it.
	Duration time.Duration
}

// carefully is what is assumed where nothing is known.
func carefully() Lockout { return Lockout{Threshold: 2, Window: 30 * time.Minute} }

// Hold is how long a refused password is not to be tried again, for
// [ews.AccountOptions]: the window, or 30 minutes where there is none.
func (l Lockout) Hold() time.Duration {
	if l.Threshold == 0 || l.Window <= 0 {
		return 30 * time.Minute
	}
	return l.Window
}

// Lockout reads the policy that holds for an account, "DOMAIN\user" or
// "user@example.com": that of its own where it has one (msDS-ResultantPSO),
// else the domain's.
func (d *Directory) Lockout(ctx context.Context, account string) (Lockout, error) {
	var out Lockout
	err := d.ask(ctx, d.opt.Servers, func(l *ldap.Conn) (err error) {
		out, err = lockout(l, account)
		return err
	})
	return out, err
}

func lockout(l *ldap.Conn, account string) (Lockout, error) {
	r, err := root(l)
	if err != nil {
		return Lockout{}, fmt.Errorf("read the directory's contexts: %w", err)
	}
	domain := r.GetAttributeValue("defaultNamingContext")
	policy, err := resultant(l, domain, account)
	switch {
	case err != nil:
		return Lockout{}, err
	case policy != "":
		e, err := base(l, policy, "msDS-LockoutThreshold", "msDS-LockoutObservationWindow", "msDS-LockoutDuration")
		if err != nil || e.GetAttributeValue("msDS-LockoutThreshold") == "" {
			return carefully(), nil // by default, only administrators may read it
		}
		return parseLockout(e, "msDS-LockoutThreshold", "msDS-LockoutObservationWindow", "msDS-LockoutDuration")
	}
	e, err := base(l, domain, "lockoutThreshold", "lockOutObservationWindow", "lockoutDuration")
	if err != nil {
		return Lockout{}, fmt.Errorf("read the domain's lockout policy: %w", err)
	}
	return parseLockout(e, "lockoutThreshold", "lockOutObservationWindow", "lockoutDuration")
}

// resultant returns the name of the policy of the account's own, if it has one.
func resultant(l *ldap.Conn, domain, account string) (string, error) {
	name := account
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:]
	}
	short, _, _ := strings.Cut(name, "@")
	filter := fmt.Sprintf("(&(objectClass=user)(|(sAMAccountName=%s)(userPrincipalName=%s)))", ldap.EscapeFilter(short), ldap.EscapeFilter(name))
	found, err := l.Search(ldap.NewSearchRequest(domain, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 10, false, filter, []string{"msDS-ResultantPSO"}, nil))
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return "", fmt.Errorf("look the account up in the directory: %w", err)
	}
	if found == nil || len(found.Entries) == 0 {
		return "", errors.New("the directory does not show the account; check its name, as DOMAIN\\name or name@domain")
	}
	return found.Entries[0].GetAttributeValue("msDS-ResultantPSO"), nil
}

func parseLockout(e *ldap.Entry, threshold, window, duration string) (Lockout, error) {
	n, err := strconv.Atoi(e.GetAttributeValue(threshold))
	if err != nil || n < 0 || n > 65535 {
		return Lockout{}, errors.New("the directory does not say after how many refused passwords it locks an account")
	}
	w, err := interval(e.GetAttributeValue(window))
	if err != nil {
		return Lockout{}, err
	}
	d, err := interval(e.GetAttributeValue(duration))
	if err != nil {
		return Lockout{}, err
	}
	return Lockout{Known: true, Threshold: n, Window: w, Duration: d}, nil
}

// interval reads a time span: a negative count of 100 ns; the smallest number
// is for ever, given as 0.
func interval(s string) (time.Duration, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || n > 0:
		return 0, errors.New("the directory's lockout policy has a time that is none")
	case n < -math.MaxInt64/100:
		return 0, nil
	}
	return time.Duration(-n) * 100, nil
}
