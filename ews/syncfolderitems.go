package ews

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// SyncFolderItemsRequest says from where to synchronise.
type SyncFolderItemsRequest struct {
	Folder FolderRef
	State  string   // of the page before; empty: from the beginning
	Max    int      // most changes to return; default and most 512
	Ignore []ItemID // items of which nothing is to be reported
	Shape  Shape    // zero: ids only, which costs the server the least
}

// SyncKind is what happened to an item ([MS-OXWSSYNC] SyncFolderItemsChangesType).
type SyncKind string

// The kinds of changes.
const (
	SyncCreate   SyncKind = "Create"
	SyncUpdate   SyncKind = "Update"
	SyncDelete   SyncKind = "Delete"
	SyncReadFlag SyncKind = "ReadFlagChange"
)

// SyncChange is one change. Of a deleted item there is the id only.
type SyncChange struct {
	Kind SyncKind
	Item CalendarItem
}

// SyncFolderItemsPage is one page of changes. Keep State only once the changes
// are dealt with.
type SyncFolderItemsPage struct {
	State   string
	Changes []SyncChange
	Last    bool
}

// SyncFolderItems returns what changed in a folder since a sync state, a page
// at a time ([MS-OXWSSYNC] 3.1.4.2). Series appear as their masters; a changed
// occurrence is an update of its master. Servers allow few of these calls per
// mailbox at once. A state that the server no longer knows is an error of
// class Resync. An answer without a new state is an error, never a page.
func (m *Mailbox) SyncFolderItems(ctx context.Context, req SyncFolderItemsRequest) (SyncFolderItemsPage, error) {
	return do(ctx, m, operation[SyncFolderItemsPage]{
		name: "SyncFolderItems", safe: true, write: req.write,
		read: func(a answer) (SyncFolderItemsPage, error) {
			msg, err := a.single()
			if err != nil {
				return SyncFolderItemsPage{}, err
			}
			page := SyncFolderItemsPage{State: word(msg.Child("SyncState")), Last: truth(msg.Child("IncludesLastItemInRange"))}
			if page.State == "" {
				return SyncFolderItemsPage{}, a.fail(CodeMalformed, "the answer has no sync state", nil)
			}
			changes := msg.Child("Changes").Elements()
			page.Changes = slices.Grow(page.Changes, len(changes))
			for _, c := range changes {
				change := SyncChange{Kind: SyncKind(strings.Clone(c.Name))}
				switch change.Kind {
				case SyncDelete, SyncReadFlag:
					change.Item.ItemID = itemID(c.Child("ItemId"))
				case SyncCreate, SyncUpdate:
					for _, e := range c.Children {
						if it := decoded[CalendarItem](e); it != nil {
							change.Item = *it
						}
					}
				}
				if change.Item.ItemID.ID != "" {
					page.Changes = append(page.Changes, change)
				}
			}
			return page, nil
		},
	})
}

func (req SyncFolderItemsRequest) write(r *request) {
	r.Start("m:SyncFolderItems")
	r.shape(req.Shape)
	r.folders("m:SyncFolderId", []FolderRef{req.Folder})
	if req.State != "" {
		r.Leaf("m:SyncState", req.State)
	}
	if len(req.Ignore) > 0 {
		r.Start("m:Ignore")
		for _, id := range req.Ignore {
			r.itemID("t:ItemId", id)
		}
		r.End()
	}
	r.Leaf("m:MaxChangesReturned", strconv.Itoa(min(orDefault(req.Max, 512), 512)))
	r.Leaf("m:SyncScope", "NormalItems")
	r.End()
}
