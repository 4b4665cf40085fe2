package ewstest

import (
	"slices"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// deleteFolder answers DeleteFolder ([MS-OXWSFOLD] 3.1.4.4). What is inside
// is lost whatever DeleteType says.
func (r *request) deleteFolder() error {
	if v := r.body.Attr("DeleteType"); !slices.Contains([]string{"HardDelete", "SoftDelete", "MoveToDeletedItems"}, v) {
		return schemaViolation("%q is not a DeleteType", v)
	}
	ids := r.body.Child("FolderIds")
	if ids == nil || len(ids.Children) == 0 {
		return schemaViolation("FolderIds is empty")
	}
	r.begin()
	for _, e := range ids.Children {
		r.message(r.dropFolder(e), "", func() {})
	}
	return nil
}

func (r *request) dropFolder(e *wire.Element) error {
	if err := r.blocked(); err != nil {
		return err
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	b, f, err := r.folder(e)
	if err != nil {
		return err
	}
	if f.num < firstOwnFolder {
		return failf("ErrorDeleteDistinguishedFolder", "Distinguished folders cannot be deleted.")
	}
	now := r.s.now()
	for _, it := range slices.Clone(f.items) {
		b.remove(now, it)
	}
	b.folders = slices.DeleteFunc(b.folders, func(other *folder) bool { return other == f })
	return nil
}
