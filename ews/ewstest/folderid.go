package ewstest

import (
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// folder finds the folder that an element names: FolderId, or
// DistinguishedFolderId with or without the mailbox it is in
// ([MS-OXWSCDATA] 2.2.4.30, 2.2.4.36). The caller holds Server.mu.
func (r *request) folder(e *wire.Element) (*mailbox, *folder, error) {
	if e == nil {
		return nil, nil, schemaViolation("a folder id is missing")
	}
	switch e.Name {
	case "FolderId":
		return r.folderByID(e.Attr("Id"))
	case "DistinguishedFolderId":
		return r.folderByName(e)
	}
	return nil, nil, schemaViolation("%q is not a folder id", e.Name)
}

func (r *request) folderByID(id string) (*mailbox, *folder, error) {
	ref, ok := decodeID(id)
	if !ok {
		return nil, nil, fail("ErrorInvalidIdMalformed")
	}
	b := r.s.boxes[ref.mailbox]
	if b == nil || ref.item != 0 {
		return nil, nil, fail("ErrorInvalidFolderId")
	}
	f := b.folder(ref.folder)
	if f == nil || !r.mayOpen(b) {
		return nil, nil, fail("ErrorFolderNotFound")
	}
	if err := r.s.unreachable(b); err != nil {
		return nil, nil, err
	}
	return b, f, nil
}

func (r *request) folderByName(e *wire.Element) (*mailbox, *folder, error) {
	b := r.as
	if address := strings.TrimSpace(e.Value("Mailbox", "EmailAddress")); address != "" {
		if b = r.s.names[strings.ToLower(address)]; b == nil {
			return nil, nil, fail("ErrorNonExistentMailbox")
		}
		if !r.mayOpen(b) {
			if r.s.traits.ownerPermission {
				return b, nil, fail("ErrorAccessDenied")
			}
			return b, nil, fail("ErrorFolderNotFound")
		}
	}
	if b == nil {
		return nil, nil, fail("ErrorMissingEmailAddress")
	}
	if err := r.s.unreachable(b); err != nil {
		return nil, nil, err
	}
	id := e.Attr("Id")
	if (id == "" || strings.ToLower(id) != id) && !r.s.traits.faultsWith200 {
		return nil, nil, schemaViolation("%q is not a distinguished folder", id)
	}
	f := b.distinguished(id)
	if f == nil {
		return b, nil, fail("ErrorFolderNotFound")
	}
	return b, f, nil
}

// folderID writes the id of a folder.
func (r *request) folderID(name string, b *mailbox, num uint32) {
	r.w.Leaf(name, "", "Id", b.folderRef(num).encode(), "ChangeKey", shortKey(kindFolder))
}

// target is what an item id in a request names.
type target struct {
	box    *mailbox
	it     *Item      // the stored item: of an occurrence, its master
	occ    occurrence // where original is set
	single *Item      // what is meant: the item, or the occurrence as views show it
}

func (t *target) isOccurrence() bool { return !t.occ.original.IsZero() }

// item finds the item that an element names: ItemId, OccurrenceItemId or
// RecurringMasterItemId ([MS-OXWSCORE] 2.2.4.25; [MS-OXWSMTGS] 2.2.4.22). The
// caller holds Server.mu.
func (r *request) item(e *wire.Element) (*target, error) {
	switch e.Name {
	case "ItemId":
		return r.itemByID(e.Attr("Id"), false)
	case "RecurringMasterItemId":
		if r.s.traits.noMasterID {
			return nil, fail("ErrorInvalidId")
		}
		return r.itemByID(e.Attr("OccurrenceId"), true)
	case "OccurrenceItemId":
		return r.itemByIndex(e)
	}
	return nil, schemaViolation("%q is not an item id", e.Name)
}

func (r *request) itemByID(id string, master bool) (*target, error) {
	ref, ok := decodeID(id)
	if !ok {
		return nil, fail("ErrorInvalidIdMalformed")
	}
	if ref.item == 0 {
		return nil, fail("ErrorInvalidId")
	}
	b := r.s.boxes[ref.mailbox]
	if b == nil {
		return nil, fail("ErrorItemNotFound")
	}
	if !r.mayOpen(b) {
		return nil, fail("ErrorAccessDenied")
	}
	if err := r.s.unreachable(b); err != nil {
		return nil, err
	}
	it := b.item(ref.folder, ref.item)
	if it == nil {
		return nil, fail("ErrorItemNotFound")
	}
	t := &target{box: b, it: it, single: it}
	if ref.original.IsZero() || master {
		if master && it.Recurrence == nil {
			return nil, fail("ErrorCalendarCannotUseIdForRecurringMasterId")
		}
		return t, nil
	}
	occ, found := it.occurrenceAt(r.s.zones.location(it.Zone), ref.original)
	if !found || it.deleted(occ.original) {
		return nil, fail("ErrorItemNotFound")
	}
	t.occ, t.single = occ, it.occurrence(occ)
	return t, nil
}

// itemByIndex finds the n-th occurrence of a series.
func (r *request) itemByIndex(e *wire.Element) (*target, error) {
	t, err := r.itemByID(e.Attr("RecurringMasterId"), false)
	if err != nil {
		return nil, err
	}
	if t.it.Recurrence == nil || t.isOccurrence() {
		return nil, fail("ErrorCalendarCannotUseIdForOccurrenceId")
	}
	n, ok := parseInt(e.Attr("InstanceIndex"))
	if !ok {
		return nil, schemaViolation("InstanceIndex is not a number")
	}
	occ, found := t.it.occurrenceNumber(r.s.zones.location(t.it.Zone), n)
	if n < 1 || !found {
		return nil, fail("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange")
	}
	if t.it.deleted(occ.original) {
		return nil, fail("ErrorCalendarOccurrenceIsDeletedFromRecurrence")
	}
	t.occ, t.single = occ, t.it.occurrence(occ)
	return t, nil
}
