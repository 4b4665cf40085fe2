package ewstest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

func hexID(r ref) string { return hex.EncodeToString(r.entryID()) }

// Message is one item of a mail folder, for assertions.
type Message struct {
	ID       string
	Class    string
	Subject  string
	Body     Body
	From     Person
	To, Cc   []Person
	Received time.Time
	Read     bool
	UID      string    // of the meeting it speaks of
	Kind     string    // MeetingRequestType of a request
	Start    time.Time // of the meeting
	Original time.Time // of the occurrence it speaks of
	Sequence int
}

// Calendar returns what is in a mailbox's calendar: single items and masters
// of series with their exceptions, in the order in which they were made.
func (s *Server) Calendar(address string) []Item { return s.items(address, "calendar") }

// DeletedItems returns what is in a mailbox's folder for deleted items.
func (s *Server) DeletedItems(address string) []Item { return s.items(address, "deleteditems") }

// Items returns what is in a folder, by its distinguished id or by the name
// that AddFolder gave it.
func (s *Server) Items(address, folder string) []Item { return s.items(address, folder) }

// Inbox returns the messages in a mailbox's Inbox, oldest first.
func (s *Server) Inbox(address string) []Message { return messages(s.items(address, "inbox")) }

// Sent returns the messages in a mailbox's Sent Items, oldest first.
func (s *Server) Sent(address string) []Message { return messages(s.items(address, "sentitems")) }

// Item returns one item by its id as the protocol shows it. The id of an
// occurrence returns the occurrence.
func (s *Server) Item(id string) (Item, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.lookup(id)
	if t == nil {
		return Item{}, false
	}
	return s.shown(t.box, t.single), true
}

// View returns what a mailbox's calendar shows between two moments, with
// series expanded.
func (s *Server) View(address string, from, to time.Time) []Item {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.names[strings.ToLower(address)]
	if b == nil {
		return nil
	}
	var out []Item
	for _, it := range b.folder(calendarFolder).items {
		if it.Recurrence == nil && seen(it.Start, it.End, from, to) {
			out = append(out, s.shown(b, it))
		}
		if it.Recurrence != nil {
			for _, o := range it.window(s.zones.location(it.Zone), from, to) {
				out = append(out, s.shown(b, it.occurrence(o)))
			}
		}
	}
	return out
}

func (s *Server) lookup(id string) *target {
	ref, ok := decodeID(id)
	if !ok {
		return nil
	}
	b := s.boxes[ref.mailbox]
	if b == nil {
		return nil
	}
	it := b.item(ref.folder, ref.item)
	if it == nil {
		return nil
	}
	t := &target{box: b, it: it, single: it}
	if !ref.original.IsZero() {
		o, found := it.occurrenceAt(s.zones.location(it.Zone), ref.original)
		if !found {
			return nil
		}
		t.occ, t.single = o, it.occurrence(o)
	}
	return t
}

// shown returns a copy of an item with what only readers see.
func (s *Server) shown(b *mailbox, it *Item) Item {
	c := it.deep()
	c.ID, c.ChangeKey = b.itemRef(it).encode(), it.changeKey(b)
	if f := b.folder(it.folder); f != nil {
		c.Folder = f.name
	}
	return *c
}

func (s *Server) items(address, folder string) []Item {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.names[strings.ToLower(address)]
	if b == nil {
		return nil
	}
	f := b.named(folder)
	if f == nil {
		return nil
	}
	out := make([]Item, 0, len(f.items))
	for _, it := range f.items {
		out = append(out, s.shown(b, it))
	}
	return out
}

// named finds a folder by its distinguished id or its name.
func (b *mailbox) named(name string) *folder {
	if f := b.distinguished(name); f != nil {
		return f
	}
	for _, f := range b.stored() {
		if f.name == name {
			return f
		}
	}
	return nil
}

func messages(items []Item) []Message {
	out := make([]Message, 0, len(items))
	for _, it := range items {
		out = append(out, Message{
			ID: it.ID, Class: it.Class, Subject: it.Subject, Body: it.Body, From: it.From, To: it.To, Cc: it.Cc, Received: it.Received,
			Read: it.Read, UID: it.UID, Kind: it.Kind, Start: it.Start, Original: it.Original, Sequence: it.Sequence,
		})
	}
	return out
}

// errNoMailbox and errNoItem are what direct edits fail with.
var (
	errNoMailbox = errors.New("there is no such mailbox")
	errNoItem    = errors.New("there is no such item")
)

// Add puts an item into a mailbox's calendar, or a message into its Inbox, as
// if a client had saved it there, without sending anything. It returns the
// item as stored, with its id. Class defaults to an appointment, UID to a new
// one; an appointment without attendees and State is the mailbox's own.
func (s *Server) Add(address string, it Item) (Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.names[strings.ToLower(address)]
	if b == nil {
		return Item{}, fmt.Errorf("add an item: %w", errNoMailbox)
	}
	c := it.deep()
	folder := inboxFolder
	if c.Class == "" {
		c.Class = ClassAppointment
	}
	if c.isCalendar() {
		folder = calendarFolder
		if c.UID == "" {
			c.UID = newUID(s.now(), b.guid, b.lastItem+1)
		}
		if len(c.Attendees) > 0 {
			c.State |= StateMeeting
		}
		if c.IsOrganizer() && c.Organizer.Address == "" {
			c.Organizer = b.person()
		}
		c.Start, c.End = c.Start.UTC(), c.End.UTC()
		if c.Recurrence != nil {
			if err := c.Recurrence.validate(); err != nil {
				return Item{}, fmt.Errorf("add an item: %w", err)
			}
		}
	}
	return s.shown(b, b.add(s.now(), folder, c)), nil
}

// Edit changes an item as a client would that sends nothing: the change key
// changes and subscribers hear of it. The id may be that of an occurrence,
// which becomes an exception with all fields of its own.
func (s *Server) Edit(address, id string, change func(*Item)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.lookup(id)
	if t == nil || t.box != s.names[strings.ToLower(address)] {
		return fmt.Errorf("edit an item: %w", errNoItem)
	}
	c := t.single.deep()
	change(c)
	if editor := s.editor(Call{Op: "UpdateItem", Login: address, Mailbox: t.box.address}); editor != "" {
		c.Body = edited(editor, c.Body)
	}
	c.num, c.folder, c.born, c.readCN = t.it.num, t.it.folder, t.it.born, t.it.readCN
	if !t.isOccurrence() {
		t.box.replace(s.now(), c)
		return nil
	}
	m := t.it.shallow()
	m.Exceptions = t.it.except(t.occ, c, ^Fields(0))
	t.box.replace(s.now(), m)
	return nil
}

// Remove deletes an item for good, without sending anything.
func (s *Server) Remove(address, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.lookup(id)
	if t == nil || t.box != s.names[strings.ToLower(address)] {
		return fmt.Errorf("remove an item: %w", errNoItem)
	}
	if t.isOccurrence() {
		t.box.replace(s.now(), t.it.without(t.occ.original))
		return nil
	}
	t.box.remove(s.now(), t.it)
	return nil
}

// AddFolder makes a folder below the mailbox's root, such as a second
// calendar of class "IPF.Appointment", and returns its id.
func (s *Server) AddFolder(address, name, class string) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.names[strings.ToLower(address)]
	if b == nil {
		return "", fmt.Errorf("add a folder: %w", errNoMailbox)
	}
	return b.folderRef(b.addFolder(msgFolderRoot, name, class).num).encode(), nil
}

// Move puts an item into another folder, by distinguished id or name, and
// returns its new id.
func (s *Server) Move(address, id, folder string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.lookup(id)
	b := s.names[strings.ToLower(address)]
	if t == nil || t.box != b || t.isOccurrence() {
		return "", fmt.Errorf("move an item: %w", errNoItem)
	}
	f := b.named(folder)
	if f == nil {
		return "", fmt.Errorf("move an item: there is no folder %q", folder)
	}
	return b.itemRef(b.move(s.now(), t.it, f.num)).encode(), nil
}
