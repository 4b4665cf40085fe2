package exchange

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/koyomi-cal/koyomi/ews"
)

// What is known of hosts beside the configuration is kept in two notes, so that
// nobody writes over what another has written: the program notes the hosts that
// it has met, a command the decisions of the administrator.
const (
	hostsMet     = "exchange.hosts.met"
	hostsDecided = "exchange.hosts.decided"
)

// mostHosts bounds the hosts in a note.
const mostHosts = 1000

// readHosts reads one of the notes. What cannot be read counts as empty: then
// nothing is allowed by it.
func readHosts(ctx context.Context, notes Notes, name string) (map[string]ews.HostRule, error) {
	data, err := notes.InitValue(ctx, name, []byte("[]"))
	if err != nil {
		return nil, fmt.Errorf("read the hosts of Autodiscover: %w", err)
	}
	var list []ews.HostRule
	out := map[string]ews.HostRule{}
	if json.Unmarshal(data, &list) != nil || len(list) > mostHosts {
		return out, nil
	}
	for _, r := range list {
		out[r.Host] = r
	}
	return out, nil
}

func writeHosts(ctx context.Context, notes Notes, name string, hosts map[string]ews.HostRule) error {
	data, err := json.Marshal(byHost(hosts))
	if err == nil {
		err = notes.PutValue(ctx, name, data)
	}
	if err != nil {
		return fmt.Errorf("note the hosts of Autodiscover: %w", err)
	}
	return nil
}

func byHost(hosts map[string]ews.HostRule) []ews.HostRule {
	return slices.SortedFunc(maps.Values(hosts), func(a, b ews.HostRule) int { return cmp.Compare(a.Host, b.Host) })
}

// Hosts returns what is noted of hosts: those that Autodiscover has met, pending
// where nobody has decided on them, and those decided on, sorted by host. What the
// configuration says is not among them.
func Hosts(ctx context.Context, notes Notes) ([]ews.HostRule, error) {
	met, err := readHosts(ctx, notes, hostsMet)
	if err != nil {
		return nil, err
	}
	decided, err := readHosts(ctx, notes, hostsDecided)
	if err != nil {
		return nil, err
	}
	for host, r := range decided {
		if m, has := met[host]; has {
			r.Origin = m.Origin
		}
		met[host] = r
	}
	return byHost(met), nil
}

// DecideHost notes what the administrator says of a host, and returns it as it is
// compared: allowed, blocked, or pending, which takes the decision back. A program
// that runs takes it up within seconds.
func DecideHost(ctx context.Context, notes Notes, host string, state ews.HostState) (ews.HostRule, error) {
	typed, err := ews.NewTrust([]ews.HostRule{{Host: host, State: state}}, nil)
	if e, is := errors.AsType[*ews.Error](err); is {
		return ews.HostRule{}, errors.New(e.Message)
	}
	r := typed.Rules()[0]
	decided, err := readHosts(ctx, notes, hostsDecided)
	if err != nil {
		return r, err
	}
	if state == ews.HostPending {
		delete(decided, r.Host)
	} else if decided[r.Host] = r; len(decided) > mostHosts {
		return r, errors.New("there are a thousand decisions already; take some back first")
	}
	return r, writeHosts(ctx, notes, hostsDecided, decided)
}

// hosts holds the notes against the trust list.
type hosts struct {
	typed   map[string]bool         // the configuration's own, on which no note has a say
	noted   map[string]bool         // those in the note of hosts met; nil: it was not read
	decided map[string]ews.HostRule // as taken up last
}

func newHosts(t *ews.Trust) *hosts {
	h := &hosts{typed: map[string]bool{}, decided: map[string]ews.HostRule{}}
	for _, r := range t.Rules() {
		h.typed[r.Host] = r.State != ews.HostPending
	}
	return h
}

// exchangeHosts takes up decisions and notes hosts that were met. It reports
// whether there was a decision. It is called by one goroutine at a time.
func (f *finder) exchangeHosts(ctx context.Context, notes Notes) (changed bool, err error) {
	h, trust := f.hosts, f.opt.Trust
	decided, err := readHosts(ctx, notes, hostsDecided)
	if err != nil {
		return false, err
	}
	for host := range h.decided {
		if _, still := decided[host]; !still && !h.typed[host] {
			changed = trust.Set(host, ews.HostPending) == nil || changed
		}
	}
	for host, r := range decided {
		if h.decided[host].State != r.State && !h.typed[host] {
			changed = trust.Set(host, r.State) == nil || changed
		}
	}
	h.decided = decided
	return changed, f.noteMet(ctx, notes)
}

// noteMet notes the hosts that wait for a decision.
func (f *finder) noteMet(ctx context.Context, notes Notes) error {
	h, pending := f.hosts, map[string]ews.HostRule{}
	for _, r := range f.opt.Trust.Rules() {
		if r.State == ews.HostPending {
			pending[r.Host] = r
		}
	}
	fresh := h.noted == nil
	for host := range pending {
		fresh = fresh || !h.noted[host]
	}
	if !fresh {
		return nil
	}
	met, err := readHosts(ctx, notes, hostsMet)
	if err != nil {
		return err
	}
	before := len(met)
	for host, r := range met { // of earlier runs
		if !h.typed[host] && pending[host].Host == "" && h.decided[host].Host == "" {
			if f.opt.Trust.Set(host, ews.HostPending) == nil {
				pending[host] = r
			}
		}
	}
	for host, r := range pending {
		if _, has := met[host]; !has && len(met) < mostHosts {
			met[host] = r
		}
	}
	h.noted = map[string]bool{}
	for host := range pending {
		h.noted[host] = true
	}
	if len(met) == before {
		return nil
	}
	return writeHosts(ctx, notes, hostsMet, met)
}

// lookAtHosts is exchangeHosts for a program that runs.
func (x *Exchange) lookAtHosts(ctx context.Context) {
	x.holds.mu.Lock()
	notes := x.holds.notes
	x.holds.mu.Unlock()
	if x.finder == nil || notes == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, holdTime)
	defer cancel()
	switch changed, err := x.finder.exchangeHosts(ctx, notes); {
	case err != nil:
		x.log.Warn("what was decided about hosts of Autodiscover cannot be read or noted", "error", err)
	case changed:
		x.log.Info("a decision about hosts of Autodiscover is taken up")
		x.retry()
	}
}
