package ewstest

import (
	"fmt"
	"strings"
)

// copyItem answers CopyItem ([MS-OXWSCORE] 3.1.4.1).
func (r *request) copyItem() error {
	ids, to := r.body.Child("ItemIds"), r.body.Child("ToFolderId")
	if ids == nil || len(ids.Children) == 0 || to == nil || len(to.Children) == 0 {
		return schemaViolation("CopyItem needs ToFolderId and ItemIds")
	}
	made := make([]outcome, len(ids.Children))
	blocked := r.blocked()
	r.s.mu.Lock()
	box, folder, err := r.folder(to.Children[0])
	if blocked != nil {
		err = blocked
	}
	for i, e := range ids.Children {
		if err != nil {
			made[i].err = err
			continue
		}
		if made[i].err = r.spared(i); made[i].err != nil {
			continue
		}
		t, err := r.item(e)
		switch {
		case err != nil:
			made[i].err = err
		case t.isOccurrence():
			made[i].err = fail("ErrorCalendarCannotMoveOrCopyOccurrence")
		case t.box != box:
			made[i].err = fail("ErrorMoveCopyFailed")
		default:
			made[i] = outcome{box: box, items: []*Item{r.s.copy(box, t.it, folder.num)}}
		}
	}
	r.s.mu.Unlock()
	r.begin()
	for _, m := range made {
		r.message(m.err, "m:Items", func() {
			r.w.Start("m:Items")
			for _, it := range m.items {
				r.showID(m.box, it)
			}
			r.w.End()
		})
	}
	return nil
}

// copy puts a copy of an item into a folder. It has everything that the item
// has, other people's marks included, but an identity of its own ([MS-OXOCAL]
// 3.1.4.3). The caller holds Server.mu.
func (s *Server) copy(b *mailbox, it *Item, folder uint32) *Item {
	c := it.deep()
	if c.isCalendar() {
		c.UID = newUID(s.now(), b.guid, b.lastItem+1)
	}
	return b.add(s.now(), folder, c)
}

// Copy copies an item into a folder, by distinguished id or name, as somebody
// does who drags it there with the right button, and returns the copy.
func (s *Server) Copy(address, id, folder string) (Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.lookup(id)
	b := s.names[strings.ToLower(address)]
	if t == nil || t.box != b || t.isOccurrence() {
		return Item{}, fmt.Errorf("copy an item: %w", errNoItem)
	}
	f := b.named(folder)
	if f == nil {
		return Item{}, fmt.Errorf("copy an item: there is no folder %q", folder)
	}
	return s.shown(b, s.copy(b, t.it, f.num)), nil
}
