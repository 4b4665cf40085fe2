package ewstest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// mostStreamed is how many subscriptions one stream may carry.
const mostStreamed = 200

// getStreamingEvents answers GetStreamingEvents ([MS-OXWSNTIF] 3.1.4.1): an
// answer that goes on for up to half an hour, one SOAP document for each thing
// that happens.
func (r *request) getStreamingEvents() error {
	minutes, ok := parseInt(r.body.Value("ConnectionTimeout"))
	if !ok || minutes < 1 || minutes > 30 {
		return schemaViolation("ConnectionTimeout goes from 1 to 30 minutes")
	}
	var ids []string
	for e := range r.body.Child("SubscriptionIds").All("SubscriptionId") {
		ids = append(ids, strings.TrimSpace(e.Text))
	}
	if len(ids) == 0 || len(ids) > mostStreamed {
		return schemaViolation("SubscriptionIds holds 1 to %d ids", mostStreamed)
	}
	release, err := r.hang()
	if err != nil {
		return err
	}
	defer release()
	r.streaming = true
	r.call.Status = http.StatusOK
	subs, bad, code := r.subscriptions(ids)
	if f := r.fault.failure(); f != nil {
		subs, bad, code = nil, ids, f.code
	}
	r.call.Code = code
	h := r.out.Header()
	h.Set("Content-Type", "text/xml; charset=utf-8")
	r.nameServers(h)
	r.s.log(r.call)
	h.Set("Date", r.s.now().UTC().Format(http.TimeFormat))
	r.out.WriteHeader(http.StatusOK)
	o := &streaming{r: r, control: http.NewResponseController(r.out), subs: subs, stream: newStream()}
	if code != "" {
		o.refuse(code, bad, time.Duration(minutes)*time.Minute)
		return nil
	}
	o.run(time.Duration(minutes) * time.Minute)
	return nil
}

// subscriptions finds the subscriptions of a stream. Where some are bad it
// returns those and the code of the whole stream.
func (r *request) subscriptions(ids []string) (subs []*subscription, bad []string, code string) {
	now := r.s.now()
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	for _, id := range ids {
		sub := r.s.subs[id]
		why := ""
		switch {
		case sub == nil || sub.back != r.back || sub.expired(now, r.s.traits.subscriptionLife):
			why = "ErrorSubscriptionNotFound"
			if _, known := decodeSubscription(id); !known || r.s.traits.folderEvents {
				why = "ErrorInvalidSubscription"
			}
		case sub.account != r.login:
			why = "ErrorSubscriptionAccessDenied"
		case r.s.traits.folderEvents && sub.as != r.as:
			why = "ErrorInvalidSubscription" // gromox: they belong to the impersonated user
		case !slices.Contains(subs, sub):
			subs = append(subs, sub)
		}
		if why != "" {
			bad = append(bad, id)
			code = why
		}
	}
	return subs, bad, code
}

// streaming writes one stream.
type streaming struct {
	r       *request
	control *http.ResponseController
	subs    []*subscription
	stream  *stream
	sent    int
	broken  bool
}

// run keeps the stream open until its time is over, another stream takes one
// of its subscriptions, the client leaves or the server closes.
func (o *streaming) run(timeout time.Duration) {
	for _, sub := range o.subs {
		if previous := sub.attach(o.stream); previous != nil {
			previous.kick()
		}
	}
	defer func() {
		now := o.r.s.now()
		for _, sub := range o.subs {
			sub.detach(o.stream, now)
		}
	}()
	o.beat()
	for _, sub := range o.subs {
		if sub.waiting() { // since the last stream
			o.stream.wake(sub)
		}
	}
	if o.r.s.traits.statusHeartbeat {
		timeout = gromoxTimeout(timeout, o.r.s.opt.Heartbeat)
	}
	end, heart := time.NewTimer(timeout), time.NewTimer(o.r.s.opt.Heartbeat)
	defer end.Stop()
	defer heart.Stop()
	for !o.broken {
		select {
		case <-o.stream.signal:
			before := o.sent
			if o.pause(); !o.deliver() {
				return
			}
			if o.sent > before {
				heart.Reset(o.r.s.opt.Heartbeat)
			}
		case <-heart.C:
			o.beat()
			heart.Reset(o.r.s.opt.Heartbeat)
		case <-end.C:
			o.close()
			return
		case <-o.r.s.done:
			o.close()
			return
		case <-o.r.http.Context().Done():
			return
		}
	}
}

// gromoxTimeout is when gromox notices that the time is over: at the second
// look after it, as long as a heartbeat apart.
func gromoxTimeout(timeout, heartbeat time.Duration) time.Duration {
	looks := (timeout + heartbeat - 1) / heartbeat
	return looks*heartbeat + 4*time.Second
}

// pause waits for the tick on which events are told, so that those of one
// change travel together.
func (o *streaming) pause() {
	if o.r.s.traits.tick <= 0 {
		return
	}
	t := time.NewTimer(o.r.s.traits.tick)
	defer t.Stop()
	select {
	case <-t.C:
	case <-o.r.s.done:
	case <-o.r.http.Context().Done():
	}
}

// deliver sends what waits. It returns false where the stream is over.
func (o *streaming) deliver() bool {
	o.r.s.settled() // so that the events of one change travel together
	dirty, kicked, severed := o.stream.take()
	if severed {
		o.r.hangUp()
		return false
	}
	if kicked {
		o.refuse("ErrorNewEventStreamConnectionOpened", nil, 0)
		return false
	}
	if gone := o.stream.blinded(); len(gone) > 0 {
		o.refuse("ErrorReadEventsFailed", gone, 0)
		return false
	}
	type batch struct {
		sub    *subscription
		events []event
	}
	var batches []batch
	var missed []string
	for _, sub := range dirty {
		events, lost := sub.drain(o.stream)
		if lost {
			missed = append(missed, sub.id)
		} else if len(events) > 0 {
			batches = append(batches, batch{sub, events})
		}
	}
	if len(missed) > 0 {
		o.refuse("ErrorMissedNotificationEvents", missed, 0)
		return false
	}
	if len(batches) == 0 {
		return true
	}
	o.document("Success", func(w *wire.Writer) {
		w.Leaf("m:ResponseCode", "NoError")
		w.Start("m:Notifications")
		for _, b := range batches {
			w.Start("m:Notification")
			w.Leaf("t:SubscriptionId", b.sub.id)
			for _, e := range b.events {
				o.event(w, b.sub.box, e)
			}
			w.End()
		}
		w.End()
	})
	return true
}

// event writes one notification, with change keys that are good for nothing.
func (o *streaming) event(w *wire.Writer, b *mailbox, e event) {
	item := func(name string, folder uint32, num uint64) {
		w.Leaf("t:"+name, "", "Id", ref{mailbox: b.guid, folder: folder, item: num}.encode(), "ChangeKey", shortKey(e.object))
	}
	folder := func(name string, num uint32) {
		w.Leaf("t:"+name, "", "Id", b.folderRef(num).encode(), "ChangeKey", shortKey(kindFolder))
	}
	w.Start("t:" + e.kind.String())
	w.Leaf("t:TimeStamp", e.at.Format("2006-01-02T15:04:05Z"))
	if e.item == 0 {
		folder("FolderId", e.folder)
		folder("ParentFolderId", msgFolderRoot)
	} else {
		item("ItemId", e.folder, e.item)
		folder("ParentFolderId", e.folder)
	}
	if e.kind == movedEvent {
		item("OldItemId", e.oldFolder, e.oldItem)
		folder("OldParentFolderId", e.oldFolder)
	}
	w.End()
}

// beat sends a heartbeat.
func (o *streaming) beat() {
	o.document("Success", func(w *wire.Writer) {
		w.Leaf("m:ResponseCode", "NoError")
		if !o.r.s.traits.statusHeartbeat || o.sent == 0 {
			w.Leaf("m:ConnectionStatus", "OK")
			return
		}
		w.Start("m:Notifications")
		for _, sub := range o.subs {
			w.Start("m:Notification")
			w.Leaf("t:SubscriptionId", sub.id)
			w.Start("t:StatusEvent")
			w.End()
			w.End()
		}
		w.End()
	})
}

// close sends the last document; gromox sends it twice.
func (o *streaming) close() {
	last := func(w *wire.Writer) {
		w.Leaf("m:ResponseCode", "NoError")
		w.Leaf("m:ConnectionStatus", "Closed")
	}
	o.document("Success", last)
	if o.r.s.traits.statusHeartbeat {
		o.document("Success", last)
	}
}

// refuse ends the stream with an error. gromox says that it is closed and
// keeps the connection.
func (o *streaming) refuse(code string, bad []string, hold time.Duration) {
	f := fail(code)
	gromox := o.r.s.traits.statusHeartbeat
	o.document("Error", func(w *wire.Writer) {
		f.writeMessage(w)
		if len(bad) > 0 {
			w.Start("m:ErrorSubscriptionIds")
			for _, id := range bad {
				if gromox {
					w.Leaf("SubscriptionId", id, "xmlns", "")
				} else {
					w.Leaf("t:SubscriptionId", id)
				}
			}
			w.End()
		}
		w.Leaf("m:ConnectionStatus", "Closed")
	})
	if !gromox || hold == 0 {
		return
	}
	t := time.NewTimer(hold)
	defer t.Stop()
	select {
	case <-t.C:
	case <-o.r.s.done:
	case <-o.r.http.Context().Done():
	}
}

// document sends one SOAP document: with the unprefixed root that streams of
// Exchange have, and that its clients cut them by.
func (o *streaming) document(class string, payload func(*wire.Writer)) {
	w := &wire.Writer{}
	o.r.w = w
	if p := o.r.s.traits.prefix; p != "s" {
		w.Start(p+":Envelope", "xmlns:"+p, wire.NSSoap)
		w.Start(p + ":Header")
		o.r.versionInfo("h:ServerVersionInfo")
		w.End()
		w.Start(p + ":Body")
	} else {
		w.Start("Envelope", "xmlns", wire.NSSoap)
		w.Start("soap11:Header", "xmlns:soap11", wire.NSSoap)
		o.r.versionInfo("ServerVersionInfo")
		w.End()
		w.Start("soap11:Body", "xmlns:soap11", wire.NSSoap)
	}
	w.Start("m:GetStreamingEventsResponse", "xmlns:m", wire.NSMessages, "xmlns:t", wire.NSTypes)
	w.Start("m:ResponseMessages")
	w.Start("m:GetStreamingEventsResponseMessage", "ResponseClass", class)
	payload(w)
	o.write(w.Bytes())
}

func (o *streaming) write(doc []byte) {
	if o.broken {
		return
	}
	if o.r.fault.Illegal {
		doc = spoil(doc)
	}
	cut := o.r.fault.CutAfterBytes
	if cut > 0 && o.sent+len(doc) > cut {
		doc = doc[:max(0, cut-o.sent)]
	}
	n, err := o.r.out.Write(doc)
	o.sent += n
	if ferr := o.control.Flush(); err != nil || ferr != nil {
		o.broken = true
	}
	if cut > 0 && o.sent >= cut {
		o.broken = true
		o.r.hangUp()
	}
}
