package ewstest

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSaveConflict is what a [Window] fails with that was sent or saved after the
// item had changed under it.
var ErrSaveConflict = errors.New("the item cannot be saved because it was changed by another user or in another window")

// Window is an item that somebody has open in Outlook on the desktop. It shows
// the item as it was when it was opened, whatever is written to it meanwhile.
type Window struct {
	s       *Server
	address string
	opened  *Item
}

// Open opens a single item or a whole series of a mailbox.
func (s *Server) Open(address, id string) (*Window, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.lookup(id)
	if t == nil || t.isOccurrence() || t.box != s.names[strings.ToLower(address)] {
		return nil, fmt.Errorf("open an item: %w", errNoItem)
	}
	return &Window{s, address, t.it.deep()}, nil
}

// Save saves what the window shows with a change of the user's, and sends
// nothing. It fails with [ErrSaveConflict] where the item has changed since it
// was opened.
func (w *Window) Save(change func(*Item)) error { return w.close(change, false) }

// Send sends the invitation, or the update, that the window shows, and saves it.
// Where the item has changed since it was opened, Outlook does the first and
// fails with the second (KB 4502145): the attendees have what the window
// showed, and the organizer's calendar has what somebody else wrote, as if
// nothing had been sent. The error is then [ErrSaveConflict].
func (w *Window) Send(change func(*Item)) error { return w.close(change, true) }

func (w *Window) close(change func(*Item), send bool) error {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.names[strings.ToLower(w.address)]
	if b == nil {
		return fmt.Errorf("save an item: %w", errNoMailbox)
	}
	c := w.opened.deep()
	change(c)
	if editor := s.editor(Call{Op: "UpdateItem", Login: w.address, Mailbox: b.address}); editor != "" {
		c.Body = edited(editor, c.Body)
	}
	c.num, c.folder, c.born, c.readCN = w.opened.num, w.opened.folder, w.opened.born, w.opened.readCN
	stored := b.item(c.folder, c.num)
	stale := stored == nil || stored.cn != w.opened.cn
	p := &post{s: s, now: s.now()}
	first := !c.RequestSent
	significant := first || !c.Start.Equal(w.opened.Start) || !c.End.Equal(w.opened.End)
	if send {
		c.State |= StateMeeting
		c.RequestSent, c.Unsent = true, false
		kind := "FullUpdate"
		if first {
			kind = "NewMeetingRequest"
		} else if !significant {
			kind = "InformationalUpdate"
		}
		p.invite(meeting{b, c, c}, c.Attendees, func(Attendee) string { return kind }, significant, true)
	} else {
		c.Unsent = c.Unsent || c.RequestSent && c.IsOrganizer()
	}
	if stale {
		return ErrSaveConflict
	}
	if send {
		c.Attendees = b.item(c.folder, c.num).Attendees // a room has answered while it was sent
	}
	w.opened = b.replace(p.now, c).deep()
	return nil
}
