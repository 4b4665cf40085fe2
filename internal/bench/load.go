package bench

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/koyomi-cal/koyomi/ews"
)

// LoadOptions say what [Load] reads. All are required but the last.
type LoadOptions struct {
	URL       string
	Account   ews.Credentials
	Mailboxes []string
	Workers   int // mailboxes read at once
	Batch     int // items in one GetItem
	// Plain asks the server not to pack its answers: less CPU on both sides,
	// more bytes between them.
	Plain bool
	// Progress is told now and then how many items were read; may be nil.
	Progress func(items int64)
}

// Result is what one client did and what it cost.
type Result struct {
	Client         string  `json:"client"`
	Mailboxes      int     `json:"mailboxes"`
	Items          int64   `json:"items"`
	Seconds        float64 `json:"seconds"`
	ItemsPerSecond float64 `json:"items_per_second"`
	// CPUSeconds is the process's user and system time for the load, its start
	// left out (Python's alone would take a second).
	CPUSeconds        float64 `json:"client_cpu_seconds"`
	ItemsPerCPUSecond float64 `json:"items_per_cpu_second"`
	RSSBytes          int64   `json:"rss_bytes"` // the peak
	Requests          int64   `json:"requests"`
	BytesReceived     int64   `json:"bytes_received"` // as they crossed the network
	BodyBytes         int64   `json:"body_bytes"`     // of the items' bodies
	Attendees         int64   `json:"attendees"`
	ServerCPUSeconds  float64 `json:"server_cpu_seconds"` // 0 where the system does not say
	Compressed        bool    `json:"compressed"`
	// Processors is how many the client may use at once; 0: as many as there are.
	Processors int `json:"processors,omitempty"`
}

// rates fills what follows from the rest.
func (r *Result) rates() {
	if r.Seconds > 0 {
		r.ItemsPerSecond = float64(r.Items) / r.Seconds
	}
	if r.CPUSeconds > 0 {
		r.ItemsPerCPUSecond = float64(r.Items) / r.CPUSeconds
	}
}

// loadFields are the properties that both clients read: what a calendar
// program shows of an item. exchangelib.py has the same under its names.
func loadFields() ews.Shape {
	return ews.Shape{BodyType: ews.BodyHTML, Fields: ews.Fields(
		"item:ItemClass", "item:Subject", "item:Sensitivity", "item:Body", "item:Categories", "item:Importance", "item:HasAttachments",
		"item:Culture", "item:DateTimeCreated", "item:LastModifiedTime", "item:ReminderIsSet", "item:ReminderMinutesBeforeStart",
		"calendar:UID", "calendar:Start", "calendar:End", "calendar:IsAllDayEvent", "calendar:LegacyFreeBusyStatus", "calendar:Location",
		"calendar:IsMeeting", "calendar:IsCancelled", "calendar:IsRecurring", "calendar:MeetingRequestWasSent",
		"calendar:IsResponseRequested", "calendar:CalendarItemType", "calendar:MyResponseType", "calendar:Organizer",
		"calendar:RequiredAttendees", "calendar:OptionalAttendees", "calendar:Resources", "calendar:AppointmentSequenceNumber",
		"calendar:AppointmentState", "calendar:Recurrence", "calendar:IsOnlineMeeting",
	)}
}

// Load reads every item of every mailbox's calendar: the ids by
// SyncFolderItems, then the items whole, with body and attendees, by GetItem.
// It measures the whole process, so it is for a process of its own, which it
// has run on one processor: the server is what takes the time, and a second
// one would only look for work. The garbage collector is as the runtime has
// it: a memory limit near what is needed would save a few megabytes and cost a
// third more CPU.
func Load(ctx context.Context, o LoadOptions) (Result, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l := loader{opt: o, shape: loadFields()}
	dialer := &net.Dialer{Timeout: 15 * time.Second}
	client, err := ews.New(ews.Options{
		URL: o.URL, Credentials: o.Account, MaxConcurrent: o.Workers, Uncompressed: o.Plain,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			return &counted{c, &l.received}, err
		},
	})
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	l.client = client

	began, cpu := time.Now(), cpuTime()
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(o.Workers)
	for _, m := range o.Mailboxes {
		if each.Err() != nil {
			break
		}
		g.Go(func() error { return l.mailbox(each, m) })
	}
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	r := Result{
		Client: "koyomi ews", Mailboxes: len(o.Mailboxes), Items: l.items.Load(), Seconds: time.Since(began).Seconds(),
		CPUSeconds: (cpuTime() - cpu).Seconds(), RSSBytes: peakMemory(), Requests: l.requests.Load(), BytesReceived: l.received.Load(),
		BodyBytes: l.body.Load(), Attendees: l.attendees.Load(), Compressed: !o.Plain, Processors: 1,
	}
	r.rates()
	return r, ctx.Err()
}

// loader reads and counts.
type loader struct {
	opt    LoadOptions
	client *ews.Client
	shape  ews.Shape

	items, requests, received, body, attendees atomic.Int64
}

func (l *loader) mailbox(ctx context.Context, address string) error {
	box := l.client.As(address)
	refs := make([]ews.ItemRef, 0, 128)
	for state, last := "", false; !last; {
		l.requests.Add(1)
		page, err := box.SyncFolderItems(ctx, ews.SyncFolderItemsRequest{State: state})
		if err != nil {
			return fmt.Errorf("read the ids of a mailbox: %w", err)
		}
		for _, c := range page.Changes {
			if c.Kind == ews.SyncCreate {
				refs = append(refs, c.Item.ItemID.Ref())
			}
		}
		state, last = page.State, page.Last
	}
	for len(refs) > 0 {
		n := min(l.opt.Batch, len(refs))
		l.requests.Add(1)
		results, err := box.GetItem(ctx, l.shape, refs[:n]...)
		if err != nil {
			return fmt.Errorf("read items: %w", err)
		}
		for i := range results {
			if err := l.count(&results[i]); err != nil {
				return err
			}
		}
		refs = refs[n:]
		if l.opt.Progress != nil {
			l.opt.Progress(l.items.Load())
		}
	}
	return nil
}

// count looks at what a program would use of an item.
func (l *loader) count(r *ews.ItemResult) error {
	if r.Err != nil {
		return fmt.Errorf("read an item: %w", r.Err)
	}
	it := &r.Item
	if it.Body == nil || it.Subject == "" || it.Start.IsZero() || !it.End.After(it.Start) {
		return fmt.Errorf("an item came without body, subject or time")
	}
	l.items.Add(1)
	l.body.Add(int64(len(it.Body.Content)))
	l.attendees.Add(int64(len(it.RequiredAttendees) + len(it.OptionalAttendees) + len(it.Resources)))
	return nil
}

// counted counts the bytes that a connection brings.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}
