package ews

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// pipes is a listener without a network, so that streams run in fake time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble runs a test in fake time with a client and a server that plays the
// script for every stream. Everything must have ended when it returns.
func inBubble(t *testing.T, script func(*player), test func(t *testing.T, m *Mailbox)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{
			ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "text/xml; charset=utf-8")
				script(&player{w, r, http.NewResponseController(w)})
			}),
		}
		go server.Serve(p)
		c, err := New(Options{URL: "http://127.0.0.1/EWS/Exchange.asmx", Credentials: Credentials{Username: "u"}, DialContext: p.dial})
		if err != nil {
			t.Fatal(err)
		}
		test(t, c.As("user@example.com"))
		c.Close()
		synctest.Wait()
		server.Close()
	})
}

// player writes a stream.
type player struct {
	w http.ResponseWriter
	r *http.Request
	c *http.ResponseController
}

func (p *player) send(s string) {
	io.WriteString(p.w, s)
	p.c.Flush()
}

// wait waits in the stream; it reports false where the client has gone.
func (p *player) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-p.r.Context().Done():
		return false
	}
}

// streamDoc makes a document as Exchange streams it: no declaration, the root
// without a prefix.
func streamDoc(payload string) string {
	return `<Envelope xmlns="` + wire.NSSoap + `"><soap11:Header xmlns:soap11="` + wire.NSSoap + `"><ServerVersionInfo xmlns="` + wire.NSTypes + `" MajorVersion="15" MinorVersion="1"/></soap11:Header><soap11:Body xmlns:soap11="` + wire.NSSoap + `"><m:GetStreamingEventsResponse xmlns:m="` + wire.NSMessages + `" xmlns:t="` + wire.NSTypes + `"><m:ResponseMessages>` + payload + `</m:ResponseMessages></m:GetStreamingEventsResponse></soap11:Body></Envelope>`
}

func status(s string) string {
	return streamDoc(success("GetStreamingEvents", "<m:ConnectionStatus>"+s+"</m:ConnectionStatus>"))
}

const (
	modified = `<t:ModifiedEvent><t:TimeStamp>2026-11-23T01:02:03Z</t:TimeStamp><t:ItemId Id="A" ChangeKey="DwAAAA=="/><t:ParentFolderId Id="F" ChangeKey="AQAAAA=="/></t:ModifiedEvent>`
	moved    = `<t:MovedEvent><t:TimeStamp>2026-11-23T01:02:04Z</t:TimeStamp><t:ItemId Id="B2"/><t:ParentFolderId Id="T"/><t:OldItemId Id="B"/><t:OldParentFolderId Id="F"/></t:MovedEvent>`
	folderEv = `<t:ModifiedEvent><t:TimeStamp>2026-11-23T01:02:03Z</t:TimeStamp><t:FolderId Id="F"/><t:ParentFolderId Id="P"/><t:UnreadCount>1</t:UnreadCount></t:ModifiedEvent>`
)

func notes(perSubscription ...string) string {
	var b strings.Builder
	for i, events := range perSubscription {
		b.WriteString(`<t:Notification xmlns:t="` + wire.NSTypes + `"><t:SubscriptionId>S` + string(rune('1'+i)) + `</t:SubscriptionId><t:PreviousWatermark/><t:MoreEvents>false</t:MoreEvents>` + events + `</t:Notification>`)
	}
	return streamDoc(success("GetStreamingEvents", "<m:Notifications>"+b.String()+"</m:Notifications>"))
}

// play reads a stream to its end.
func play(ctx context.Context, m *Mailbox) (events []Event, beats int, closed bool, err error) {
	for n, e := range m.GetStreamingEvents(ctx, []string{"S1", "S2"}, 30*time.Minute) {
		if e != nil {
			return events, beats, closed, e
		}
		if len(n.Events) == 0 && !n.Closed {
			beats++
		}
		events = append(events, n.Events...)
		closed = closed || n.Closed
	}
	return events, beats, closed, nil
}

func TestStreamWhole(t *testing.T) {
	t.Parallel()
	inBubble(t, func(p *player) {
		p.send(status("OK"))
		for range 4 {
			p.wait(45 * time.Second)
			p.send(status("OK"))
		}
		doc := notes(modified+folderEv, moved) + "\r\n" + notes(modified)
		for i := range doc { // chunks begin anywhere
			p.send(doc[i : i+1])
		}
		p.send(status("Closed"))
	}, func(t *testing.T, m *Mailbox) {
		began := time.Now()
		events, beats, closed, err := play(t.Context(), m)
		if err != nil || !closed || beats != 5 {
			t.Fatalf("ended with %v, closed %v, %d heartbeats", err, closed, beats)
		}
		if took := time.Since(began); took != 3*time.Minute {
			t.Errorf("took %v", took)
		}
		at := utc("2026-11-23T01:02:03Z")
		item := Event{SubscriptionID: "S1", Type: Modified, Time: at, ItemID: ItemID{"A", "DwAAAA=="}, ParentFolderID: FolderID{"F", "AQAAAA=="}}
		want := []Event{
			item,
			{SubscriptionID: "S1", Type: Modified, Time: at, FolderID: FolderID{ID: "F"}, ParentFolderID: FolderID{ID: "P"}},
			{SubscriptionID: "S2", Type: Moved, Time: at.Add(time.Second), ItemID: ItemID{ID: "B2"}, ParentFolderID: FolderID{ID: "T"}, OldItemID: ItemID{ID: "B"}, OldParentFolderID: FolderID{ID: "F"}},
			item,
		}
		if !slices.Equal(events, want) {
			t.Errorf("got  %v\nwant %v", events, want)
		}
	})
}

// TestStreamEnds plays every way in which a stream ends other than well.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	errorDoc := func(code, payload string) string {
		return streamDoc(`<m:GetStreamingEventsResponseMessage ResponseClass="Error"><m:MessageText>x</m:MessageText><m:ResponseCode>` + code + `</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>` + payload + `</m:GetStreamingEventsResponseMessage>`)
	}
	for name, tc := range map[string]struct {
		script func(*player)
		code   string
		class  Class
		after  time.Duration
		events int
		lost   []string
	}{
		"silence": {func(p *player) {
			p.send(status("OK"))
			p.wait(time.Hour)
		}, CodeTimeout, Transient, 110 * time.Second, 0, nil},
		"no answer at all": {func(p *player) { p.wait(time.Hour) }, CodeTimeout, Transient, 110 * time.Second, 0, nil},
		"slow bytes are alive": {func(p *player) {
			for i := range len("<Envelope ") {
				p.send("<Envelope "[i : i+1])
				p.wait(100 * time.Second)
			}
			p.wait(time.Hour)
		}, CodeTimeout, Transient, 9*100*time.Second + 110*time.Second, 0, nil},
		"cut in a document": {func(p *player) {
			p.send(notes(modified))
			p.send(status("OK")[:200])
		}, CodeTruncated, Transient, 0, 1, nil},
		"cut between documents": {func(p *player) {
			p.send(status("OK"))
			panic(http.ErrAbortHandler)
		}, CodeTruncated, Transient, 0, 0, nil},
		"ended without saying so": {func(p *player) { p.send(status("OK")) }, CodeTruncated, Transient, 0, 0, nil},
		"lost subscriptions": {func(p *player) {
			p.send(errorDoc("ErrorSubscriptionNotFound", `<m:ErrorSubscriptionIds><t:SubscriptionId>S2</t:SubscriptionId><SubscriptionId xmlns="">S1</SubscriptionId></m:ErrorSubscriptionIds>`))
		}, "ErrorSubscriptionNotFound", Resubscribe, 0, 0, []string{"S2", "S1"}},
		"lost ones, Closed, connection left open": {func(p *player) {
			p.send(streamDoc(success("GetStreamingEvents", `<m:ErrorSubscriptionIds><SubscriptionId>S2</SubscriptionId></m:ErrorSubscriptionIds><m:ConnectionStatus>Closed</m:ConnectionStatus>`)))
			p.wait(time.Hour)
		}, "ErrorInvalidSubscription", Resubscribe, 0, 0, []string{"S2"}},
		"events with an error": {func(p *player) {
			p.send(streamDoc(success("GetStreamingEvents", "<m:Notifications><t:Notification><t:SubscriptionId>S1</t:SubscriptionId>"+modified+"</t:Notification></m:Notifications>") + failed("GetStreamingEvents", "ErrorMissedNotificationEvents")))
		}, "ErrorMissedNotificationEvents", Resubscribe, 0, 1, nil},
		"taken over": {func(p *player) {
			p.send(status("OK"))
			p.send(errorDoc("ErrorNewEventStreamConnectionOpened", ""))
		}, "ErrorNewEventStreamConnectionOpened", Resubscribe, 0, 0, nil},
		"fault": {func(p *player) {
			p.w.WriteHeader(500)
			p.send(transcript(t, "fault_impersonate"))
		}, "ErrorImpersonateUserDenied", MailboxPermanent, 0, 0, nil},
		"fault with 200": {func(p *player) { p.send(transcript(t, "fault_grommunio")) }, "ErrorCannotFindUser", MailboxPermanent, 0, 0, nil},
		"gateway": {func(p *player) {
			p.w.Header().Set("Content-Type", "text/html")
			p.w.WriteHeader(504)
		}, CodeUnavailable, Transient, 0, 0, nil},
		"web page as XML": {func(p *player) { p.send("<!DOCTYPE html><html></html>") }, CodeNotEWS, AccountLevel, 0, 0, nil},
		"too large":       {func(p *player) { p.send("<Envelope>" + strings.Repeat("x", 5<<20)) }, CodeTooLarge, OwnBug, 0, 0, nil},
		"not an envelope": {func(p *player) { p.send("<a/>") }, CodeMalformed, Transient, 0, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, tc.script, func(t *testing.T, m *Mailbox) {
				began := time.Now()
				events, _, _, err := play(t.Context(), m)
				e := wantError(t, err, tc.code)
				if e.Class() != tc.class || !slices.Equal(e.SubscriptionIDs, tc.lost) || len(events) != tc.events || e.Op != "GetStreamingEvents" {
					t.Errorf("%v: class %s, lost %v, %d events", e, e.Class(), e.SubscriptionIDs, len(events))
				}
				if took := time.Since(began); took != tc.after {
					t.Errorf("ended after %v, want %v", took, tc.after)
				}
			})
		})
	}
}

// TestStreamGrommunio plays another make of server: its own prefix, heartbeats
// as StatusEvents, two documents at the end.
func TestStreamGrommunio(t *testing.T) {
	t.Parallel()
	doc := func(payload string) string {
		return `<SOAP:Envelope xmlns:SOAP="` + wire.NSSoap + `" xmlns:m="` + wire.NSMessages + `" xmlns:t="` + wire.NSTypes + `"><SOAP:Header/><SOAP:Body><m:GetStreamingEventsResponse><m:ResponseMessages><m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>` + payload + `</m:GetStreamingEventsResponseMessage></m:ResponseMessages></m:GetStreamingEventsResponse></SOAP:Body></SOAP:Envelope>`
	}
	inBubble(t, func(p *player) {
		p.send(doc("<m:ConnectionStatus>OK</m:ConnectionStatus>"))
		p.wait(45 * time.Second)
		p.send(doc("<m:Notifications><t:Notification><t:SubscriptionId>1</t:SubscriptionId><t:MoreEvents>false</t:MoreEvents><t:StatusEvent><t:Watermark/></t:StatusEvent></t:Notification></m:Notifications>"))
		p.wait(45 * time.Second)
		p.send(doc("<m:ConnectionStatus>Closed</m:ConnectionStatus>") + doc("<m:ConnectionStatus>Closed</m:ConnectionStatus>"))
		p.wait(time.Hour)
	}, func(t *testing.T, m *Mailbox) {
		began := time.Now()
		events, beats, closed, err := play(t.Context(), m)
		if err != nil || !closed || beats != 2 || len(events) != 0 || time.Since(began) != 90*time.Second {
			t.Errorf("ended with %v after %v, closed %v, %d heartbeats, %d events", err, time.Since(began), closed, beats, len(events))
		}
	})
}

// TestStreamCancel ends the caller's context, and leaves the loop: the
// connection must be gone at once in both cases.
func TestStreamCancel(t *testing.T) {
	t.Parallel()
	script := func(left chan time.Duration) func(*player) {
		return func(p *player) {
			began := time.Now()
			p.send(status("OK"))
			p.wait(time.Hour)
			left <- time.Since(began)
		}
	}
	t.Run("context", func(t *testing.T) {
		var left chan time.Duration
		inBubble(t, func(p *player) { script(left)(p) }, func(t *testing.T, m *Mailbox) {
			left = make(chan time.Duration, 1)
			reason := errors.New("shutting down")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(10*time.Second, func() { cancel(reason) })
			began := time.Now()
			_, beats, _, err := play(ctx, m)
			if e := wantError(t, err, CodeCanceled); !errors.Is(e, reason) || e.Class() != Canceled {
				t.Errorf("cause %v", e.Cause)
			}
			if beats != 1 || time.Since(began) != 10*time.Second || <-left != 10*time.Second {
				t.Errorf("%d heartbeats, ended after %v", beats, time.Since(began))
			}
		})
	})
	t.Run("loop", func(t *testing.T) {
		var left chan time.Duration
		inBubble(t, func(p *player) { script(left)(p) }, func(t *testing.T, m *Mailbox) {
			left = make(chan time.Duration, 1)
			for range m.GetStreamingEvents(t.Context(), []string{"S1"}, time.Minute) {
				break
			}
			if gone := <-left; gone != 0 {
				t.Errorf("the connection was open for %v more", gone)
			}
		})
	})
}

func TestStreamTimeoutMinutes(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "1", 29 * time.Minute: "29", time.Hour: "30"} {
		g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) { soap(w, 200, status("Closed")) })
		if err := first(g.As("").GetStreamingEvents(ctxOf(t), []string{"S"}, d)); err != nil {
			t.Fatal(err)
		}
		if p := g.requests()[0].payload; !strings.Contains(p, "<m:ConnectionTimeout>"+want+"<") {
			t.Errorf("%v: %s", d, p)
		}
	}
}
