package ewstest

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// The folders that every mailbox has, by their numbers.
const (
	rootFolder uint32 = iota + 1
	msgFolderRoot
	inboxFolder
	calendarFolder
	sentFolder
	deletedFolder
	draftsFolder
	outboxFolder
	junkFolder
	contactsFolder
	tasksFolder
	journalFolder
	notesFolder
	firstOwnFolder uint32 = 100 // further folders are numbered from here
)

// folderKind describes one of the folders that every mailbox has.
type folderKind struct {
	num, parent     uint32
	id, name, class string
}

// folderKinds are the folders that every mailbox has, parents first.
var folderKinds = [...]folderKind{
	{rootFolder, 0, "root", "", ""},
	{msgFolderRoot, rootFolder, "msgfolderroot", "Top of Information Store", "IPF.Note"},
	{inboxFolder, msgFolderRoot, "inbox", "Inbox", "IPF.Note"},
	{calendarFolder, msgFolderRoot, "calendar", "Calendar", "IPF.Appointment"},
	{sentFolder, msgFolderRoot, "sentitems", "Sent Items", "IPF.Note"},
	{deletedFolder, msgFolderRoot, "deleteditems", "Deleted Items", "IPF.Note"},
	{draftsFolder, msgFolderRoot, "drafts", "Drafts", "IPF.Note"},
	{outboxFolder, msgFolderRoot, "outbox", "Outbox", "IPF.Note"},
	{junkFolder, msgFolderRoot, "junkemail", "Junk Email", "IPF.Note"},
	{contactsFolder, msgFolderRoot, "contacts", "Contacts", "IPF.Contact"},
	{tasksFolder, msgFolderRoot, "tasks", "Tasks", "IPF.Task"},
	{journalFolder, msgFolderRoot, "journal", "Journal", "IPF.Journal"},
	{notesFolder, msgFolderRoot, "notes", "Notes", "IPF.StickyNote"},
}

// folder holds items in the order of their numbers.
type folder struct {
	folderKind
	items []*Item
	gone  []tomb
	cn    uint64 // of the last change inside
	born  uint64
}

// tomb is what is left of an item that was deleted or moved away.
type tomb struct{ item, cn, born uint64 }

// mailbox is one mailbox. Everything in it is guarded by Server.mu.
type mailbox struct {
	guid     guid
	address  string
	name     string
	password secret
	zone     string
	culture  string
	aliases  []string

	cn, lastItem uint64
	lastFolder   uint32
	seeds        *sowing // of the calendar, until somebody writes into it
	user         int32   // its number among the mailboxes that seeds fill
	epoch        uint32  // sync states of earlier epochs are invalid
	folders      []*folder
	subs         []*subscription

	oof       *OOF
	room      *Room
	hidden    string        // the code with which others are refused its free/busy times
	home      atomic.Uint32 // number of the back end
	moving    atomic.Bool   // between back ends
	denied    bool          // the service account may not impersonate it
	delegates []string
}

// newMailbox makes a mailbox. Its GUID, which stands in every id, is the same in
// every run and, like a real one, says nothing about the address.
func newMailbox(address, name string) *mailbox {
	sum := sha256.Sum256([]byte("GUID of the mailbox " + strings.ToLower(address)))
	b := &mailbox{address: address, name: name, lastFolder: firstOwnFolder}
	copy(b.guid[:], sum[:])
	return b
}

func (b *mailbox) person() Person { return Person{b.name, b.address} }

func (b *mailbox) next() uint64 {
	b.cn++
	return b.cn
}

// folder returns the folder of that number for reading, or nil. A standard
// folder that nothing was ever put into exists all the same.
func (b *mailbox) folder(num uint32) *folder {
	for _, f := range b.folders {
		if f.num == num {
			return f
		}
	}
	if b.seeds != nil && num == calendarFolder {
		return b.seeds.read(b)
	}
	return standardFolder(num)
}

// standardFolder returns an empty folder of those that every mailbox has, or
// nil.
func standardFolder(num uint32) *folder {
	for _, k := range folderKinds {
		if k.num == num {
			return &folder{folderKind: k}
		}
	}
	return nil
}

// stored returns the folders that something was ever put into, for reading.
func (b *mailbox) stored() []*folder {
	if b.seeds == nil {
		return b.folders
	}
	return append([]*folder{b.seeds.read(b)}, b.folders...)
}

// own returns the folder for writing. It must exist.
func (b *mailbox) own(num uint32) *folder {
	if b.seeds != nil && num == calendarFolder {
		f := b.seeds.calendar(b)
		b.seeds.forget(b)
		b.seeds, b.folders = nil, append(b.folders, f)
		return f
	}
	f := b.folder(num)
	if f != nil && !slices.Contains(b.folders, f) {
		b.folders = append(b.folders, f)
	}
	return f
}

// all returns every folder, parents first.
func (b *mailbox) all() []*folder {
	out := make([]*folder, 0, len(folderKinds))
	for _, k := range folderKinds {
		out = append(out, b.folder(k.num))
	}
	for _, f := range b.folders {
		if f.num > firstOwnFolder {
			out = append(out, f)
		}
	}
	return out
}

// distinguished returns the folder with that distinguished id, or nil.
func (b *mailbox) distinguished(id string) *folder {
	for _, k := range folderKinds {
		if strings.EqualFold(k.id, id) {
			return b.folder(k.num)
		}
	}
	return nil
}

// item returns an item by number, or nil.
func (b *mailbox) item(folder uint32, num uint64) *Item {
	if b.seeds != nil && folder == calendarFolder {
		if num < 1 || num > uint64(b.seeds.events) {
			return nil
		}
		return b.seeds.item(b, int(num)-1)
	}
	f := b.folder(folder)
	if f == nil {
		return nil
	}
	i, found := f.search(num)
	if !found {
		return nil
	}
	return f.items[i]
}

func (f *folder) search(num uint64) (int, bool) {
	return slices.BinarySearchFunc(f.items, num, func(it *Item, n uint64) int {
		switch {
		case it.num < n:
			return -1
		case it.num > n:
			return 1
		}
		return 0
	})
}

// byUID returns the calendar item with that UID, without regard to case.
func (b *mailbox) byUID(uid string) *Item {
	for _, f := range b.stored() {
		if f.class != "IPF.Appointment" {
			continue
		}
		for _, it := range f.items {
			if len(it.UID) == len(uid) && strings.EqualFold(it.UID, uid) {
				return it
			}
		}
	}
	return nil
}

// byNumber finds an item in any folder but the one for deleted items.
func (b *mailbox) byNumber(num uint64) *Item {
	for _, f := range b.stored() {
		if i, found := f.search(num); found && f.num != deletedFolder {
			return f.items[i]
		}
	}
	return nil
}

// unread counts the messages in a folder that have not been read.
func (f *folder) unread() int {
	n := 0
	for _, it := range f.items {
		if !it.Read {
			n++
		}
	}
	return n
}

func (b *mailbox) itemRef(it *Item) ref {
	r := ref{mailbox: b.guid, folder: it.folder, item: it.num}
	if it.Occurrence != "" {
		r.original = it.Original
	}
	return r
}

func (b *mailbox) folderRef(num uint32) ref { return ref{mailbox: b.guid, folder: num} }

// add puts a new item into a folder. The store keeps the pointer.
func (b *mailbox) add(now time.Time, num uint32, it *Item) *Item {
	f := b.own(num)
	b.lastItem++
	it.num, it.folder = b.lastItem, num
	it.cn = b.next()
	it.born, it.readCN = it.cn, 0
	if it.Created.IsZero() {
		it.Created = now
	}
	it.Modified = now
	f.items = append(f.items, it)
	f.cn = it.cn
	b.publish(event{kind: createdEvent, at: now, folder: num, item: it.num, object: it.kind()})
	if num == inboxFolder {
		b.publish(event{kind: newMailEvent, at: now, folder: num, item: it.num, object: it.kind()})
	}
	b.touched(now, f, it)
	return it
}

// replace stores a changed item in the place of the old one.
func (b *mailbox) replace(now time.Time, it *Item) *Item {
	f := b.own(it.folder)
	i, found := f.search(it.num)
	if !found {
		return it
	}
	it.cn, it.Modified = b.next(), now
	f.items[i], f.cn = it, it.cn
	b.publish(event{kind: modifiedEvent, at: now, folder: f.num, item: it.num, object: it.kind()})
	b.touched(now, f, it)
	return it
}

// replaceQuietly stores a changed item as gromox does after a change of one
// occurrence: its change key stays, and the folder does not show that
// anything happened, but whoever watches the whole mailbox hears of it.
func (b *mailbox) replaceQuietly(now time.Time, it *Item) *Item {
	f := b.own(it.folder)
	if i, found := f.search(it.num); found {
		it.Modified = now
		f.items[i] = it
		b.publish(event{kind: modifiedEvent, at: now, folder: f.num, item: it.num, object: it.kind()})
	}
	return it
}

// setRead changes the read flag, which is not a change of the item.
func (b *mailbox) setRead(now time.Time, it *Item, read bool) *Item {
	f := b.own(it.folder)
	i, found := f.search(it.num)
	if !found || it.Read == read {
		return it
	}
	c := it.shallow()
	c.Read, c.readCN = read, b.next()
	f.items[i], f.cn = c, c.readCN
	b.publish(event{kind: modifiedEvent, at: now, folder: f.num, item: it.num, object: it.kind()})
	return c
}

// remove takes an item away for good.
func (b *mailbox) remove(now time.Time, it *Item) {
	if f := b.take(it); f != nil {
		b.publish(event{kind: deletedEvent, at: now, folder: f.num, item: it.num, object: it.kind()})
		b.touched(now, f, it)
	}
}

// take removes an item from its folder and leaves a tomb.
func (b *mailbox) take(it *Item) *folder {
	f := b.own(it.folder)
	i, found := f.search(it.num)
	if !found {
		return nil
	}
	f.items = slices.Delete(f.items, i, i+1)
	f.cn = b.next()
	f.gone = append(f.gone, tomb{it.num, f.cn, it.born})
	return f
}

// move puts an item into another folder, where it has another id.
func (b *mailbox) move(now time.Time, it *Item, to uint32) *Item {
	from := b.take(it)
	if from == nil {
		return nil
	}
	c := it.shallow()
	f := b.own(to)
	b.lastItem++
	c.num, c.folder, c.cn = b.lastItem, to, b.next()
	c.born = c.cn
	f.items = append(f.items, c)
	f.cn = c.cn
	b.publish(event{kind: movedEvent, at: now, folder: to, item: c.num, oldFolder: from.num, oldItem: it.num, object: c.kind()})
	b.touched(now, from, it)
	b.touched(now, f, c)
	return c
}

// touched tells what follows every change in a folder: that free/busy times
// may have changed, and that the folder did.
func (b *mailbox) touched(now time.Time, f *folder, it *Item) {
	if f.class == "IPF.Appointment" {
		b.publish(event{kind: freeBusyEvent, at: now, folder: f.num, item: it.num, object: it.kind()})
	}
	b.publish(event{kind: modifiedEvent, at: now, folder: f.num, object: kindFolder})
}

// kind returns the object kind for change keys.
func (it *Item) kind() byte {
	if it.isCalendar() {
		return kindCalendar
	}
	return kindMessage
}

func (it *Item) isCalendar() bool {
	return it.Class == ClassAppointment || strings.HasPrefix(it.Class, ClassAppointment+".")
}
