package ews

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// GetStreamingEvents reads the events of up to 200 subscriptions as they
// happen ([MS-OXWSNTIF] 3.1.4.2). The server holds the connection open for the
// timeout, a whole number of minutes from 1 to 30, and then ends it in good
// order: the sequence ends after a Notification with Closed. Open it again at
// once; nothing is lost in between.
//
// Heartbeats come as notifications without events, the first one at once.
// Every other end is an error, after which the sequence ends, too: of class
// Resubscribe with Error.SubscriptionIDs where single subscriptions are lost
// (open the stream again without them), Transient where the connection broke
// or was silent for [Options.Silence]. The connection is closed when the
// sequence ends or the loop over it does.
//
// Take notifications quickly and call nothing on the server in the loop. Where
// subscriptions of several mailboxes are read, the stream is opened on one of
// them.
func (m *Mailbox) GetStreamingEvents(ctx context.Context, subscriptions []string, timeout time.Duration) iter.Seq2[Notification, error] {
	return func(yield func(Notification, error) bool) {
		err := m.stream(ctx, subscriptions, timeout, func(n Notification) bool { return yield(n, nil) })
		if err != nil {
			yield(Notification{}, err)
		}
	}
}

// stream reads a stream to its end, or until yield returns false.
func (m *Mailbox) stream(ctx context.Context, subscriptions []string, timeout time.Duration, yield func(Notification) bool) error {
	call, err := newCall(m, "GetStreamingEvents", m.version(), func(r *request) {
		if len(subscriptions) == 0 || len(subscriptions) > 200 {
			r.refuse("a stream reads 1 to 200 subscriptions")
		}
		r.Start("m:GetStreamingEvents")
		r.Start("m:SubscriptionIds")
		for _, id := range subscriptions {
			r.Leaf("t:SubscriptionId", id)
		}
		r.End()
		r.Leaf("m:ConnectionTimeout", strconv.Itoa(min(max(int(timeout.Minutes()), 1), 30)))
		r.End()
	})
	if err != nil {
		return err
	}
	defer m.client.forget(call)
	call.safe, call.stream = true, true
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(m.client.opts.Silence, func() { cancel(errSilent) })
	defer watchdog.Stop()
	j := m.job(ctx, call.op, 0)
	j.stream = true
	ticket, held := m.client.scheduler.enter(ctx, j)
	if held != nil {
		return held
	}
	call.ticket = ticket
	begun := sync.OnceFunc(ticket.leave)
	defer begun()
	resp, err := m.client.send(ctx, call)
	if err != nil {
		ticket.met(err)
		return err
	}
	defer resp.Body.Close()
	m.client.forget(call) // it may go on for half an hour
	unpacked, err := unpacked(resp)
	if err != nil {
		return call.readError(ctx, resp, err)
	}
	s := streamReader{
		client: m.client, call: call, resp: resp, begun: begun,
		docs: wire.NewSplitter(&watched{unpacked, watchdog, m.client.opts.Silence}, 0),
	}
	return s.run(ctx, yield)
}

// watched puts the watchdog off with every read that brings something.
type watched struct {
	r       io.Reader
	dog     *time.Timer
	silence time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.dog.Reset(w.silence)
	}
	return n, err
}

// streamReader reads the documents of one stream.
type streamReader struct {
	client *Client
	call   *call
	resp   *http.Response
	docs   *wire.Splitter
	begun  func() // called after each document; may be nil
}

func (s *streamReader) run(ctx context.Context, yield func(Notification) bool) error {
	for {
		doc, err := s.docs.Next()
		if err != nil {
			return s.ended(ctx, err)
		}
		s.client.trace.response(s.call, s.resp, doc)
		a, err := s.call.interpret(s.resp, doc)
		if err != nil {
			s.call.ticket.met(err)
			return err
		}
		n, err := a.notification()
		if s.begun != nil {
			s.begun()
		}
		if len(n.Events) > 0 || err == nil {
			if !yield(n) {
				return nil
			}
		}
		if err != nil || n.Closed {
			return err
		}
		if ctx.Err() != nil {
			return s.call.explain(ctx, ctx.Err())
		}
	}
}

// ended explains a stream that ended without saying so.
func (s *streamReader) ended(ctx context.Context, err error) error {
	var e *Error
	switch {
	case ctx.Err() != nil:
		e = s.call.explain(ctx, err)
	case errors.Is(err, wire.ErrTooLarge):
		e = s.call.fail(CodeTooLarge, "the stream sent a document larger than allowed", err)
	case errors.Is(err, wire.ErrMalformed):
		e = s.call.fail(CodeNotEWS, "the stream is not Exchange Web Services; check that no log-in page of a proxy is in front of it", err)
	default:
		e = s.call.fail(CodeTruncated, "the event stream broke off; open it again", err)
	}
	e.HTTPStatus = s.resp.StatusCode
	return e
}

// notification reads one document of a stream. Events may come together with
// an error.
func (a answer) notification() (Notification, error) {
	var n Notification
	var failure *Error
	var lost []string
	for msg := range a.messages() {
		for list := range msg.All("Notifications") {
			for note := range list.All("Notification") {
				n.Events = append(n.Events, events(note)...)
			}
		}
		for id := range msg.Child("ErrorSubscriptionIds").All("SubscriptionId") {
			lost = append(lost, word(id))
		}
		if strings.TrimSpace(msg.Value("ConnectionStatus")) == "Closed" {
			n.Closed = true
		}
		if failure == nil {
			failure = a.failure(msg)
		}
	}
	if failure == nil && len(lost) > 0 { // some servers name them without an error
		failure = a.fail("ErrorInvalidSubscription", sentence("ErrorInvalidSubscription"), nil)
	}
	if failure != nil {
		failure.SubscriptionIDs = lost
		return n, failure
	}
	return n, nil
}

// events reads the events of one subscription ([MS-OXWSNTIF] NotificationType).
func events(note *wire.Element) []Event {
	id := word(note.Child("SubscriptionId"))
	var list []Event
	for _, c := range note.Children {
		switch t := EventType(c.Name); t {
		case Created, Modified, Deleted, Moved, Copied, NewMail, FreeBusyChanged:
			list = append(list, Event{
				SubscriptionID: id, Type: EventType(strings.Clone(c.Name)), Time: dateTime(c.Child("TimeStamp")),
				ItemID: itemID(c.Child("ItemId")), FolderID: folderID(c.Child("FolderId")), ParentFolderID: folderID(c.Child("ParentFolderId")),
				OldItemID: itemID(c.Child("OldItemId")), OldParentFolderID: folderID(c.Child("OldParentFolderId")),
			})
		}
	}
	return list
}
