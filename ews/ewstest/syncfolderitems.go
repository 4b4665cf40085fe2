package ewstest

import (
	"strconv"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// mostChanges is the most that MaxChangesReturned may ask for.
const mostChanges = 512

// syncFolderItems answers SyncFolderItems ([MS-OXWSSYNC] 3.1.4.2). A series is
// one item; a changed occurrence is an update of it.
func (r *request) syncFolderItems() error {
	shape, err := r.parseShape(r.body.Child("ItemShape"), true)
	if err != nil {
		return err
	}
	most, ok := parseInt(r.body.Value("MaxChangesReturned"))
	if !ok || most < 1 || most > mostChanges {
		if !r.s.traits.lenientSyncState {
			return schemaViolation("MaxChangesReturned goes from 1 to %d", mostChanges)
		}
		most = mostChanges
	}
	folder := r.body.Child("SyncFolderId")
	if folder == nil || len(folder.Children) == 0 {
		return schemaViolation("SyncFolderId is missing")
	}
	page, err := r.syncPage(folder.Children[0], most)
	if err == nil {
		err = r.blocked()
	}
	r.begin()
	if err != nil {
		r.syncFailure(err)
		return nil
	}
	r.message(nil, "", func() { r.showChanges(page, shape) })
	return nil
}

// syncedPage is a page of changes.
type syncedPage struct {
	box     *mailbox
	folder  uint32
	class   string
	changes []syncChange
	state   string
	last    bool
}

func (r *request) syncPage(e *wire.Element, most int) (syncedPage, error) {
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	b, f, err := r.folder(e)
	if err != nil {
		if failureOf(err).code == "ErrorFolderNotFound" {
			err = fail("ErrorSyncFolderNotFound")
		}
		return syncedPage{}, err
	}
	state := syncState{box: b.guid, folder: f.num, epoch: b.epoch}
	if text := strings.TrimSpace(r.body.Value("SyncState")); text != "" {
		s, ok := decodeState(text)
		switch {
		case ok && s.box == b.guid && s.folder == f.num && s.epoch == b.epoch:
			state = s
		case !r.s.traits.lenientSyncState:
			return syncedPage{}, fail("ErrorInvalidSyncStateData")
		}
	}
	p := syncedPage{box: b, folder: f.num, class: f.class}
	p.changes, state, p.last = b.changes(f, state, most)
	p.state = state.encode()
	return p, nil
}

// syncFailure writes the failure as real servers do: with an empty state and
// the claim that it was the last page. Whoever stores that state loses theirs.
func (r *request) syncFailure(err error) {
	f := failureOf(err)
	r.call.Code = f.code
	r.w.Start("m:"+r.call.Op+"ResponseMessage", "ResponseClass", "Error")
	f.writeMessage(r.w)
	r.w.Leaf("m:SyncState", "")
	last := "m:IncludesLastItemInRange"
	if r.call.Op == "SyncFolderHierarchy" {
		last = "m:IncludesLastFolderInRange"
	}
	r.w.Leaf(last, "true")
	r.w.End()
}

func (r *request) showChanges(p syncedPage, shape *shape) {
	r.w.Leaf("m:SyncState", p.state)
	r.w.Leaf("m:IncludesLastItemInRange", strconv.FormatBool(p.last))
	r.w.Start("m:Changes")
	for _, c := range p.changes {
		r.w.Start("t:" + c.element)
		switch {
		case c.it == nil:
			gone := ref{mailbox: p.box.guid, folder: p.folder, item: c.gone}
			kind := byte(kindMessage)
			if p.class == "IPF.Appointment" {
				kind = kindCalendar
			}
			r.w.Leaf("t:ItemId", "", "Id", gone.encode(), "ChangeKey", shortKey(kind))
		case c.element == "ReadFlagChange":
			r.itemID(p.box, c.it)
			r.w.Leaf("t:IsRead", strconv.FormatBool(c.it.Read))
		default:
			r.show(p.box, c.it, c.it, shape)
		}
		r.w.End()
	}
	r.w.End()
}
