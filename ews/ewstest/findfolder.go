package ewstest

import (
	"slices"
	"strconv"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// findFolder answers FindFolder ([MS-OXWSSRCH] 3.1.4.1).
func (r *request) findFolder() error {
	shape, err := parseFolderShape(r.body.Child("FolderShape"))
	if err != nil {
		return err
	}
	traversal := r.body.Attr("Traversal")
	if !slices.Contains([]string{"Shallow", "Deep", "SoftDeleted"}, traversal) {
		return schemaViolation("%q is not a Traversal", traversal)
	}
	parents := r.body.Child("ParentFolderIds")
	if parents == nil || len(parents.Children) == 0 {
		return schemaViolation("ParentFolderIds is empty")
	}
	match, err := folderRestriction(r.body.Child("Restriction"))
	if err != nil {
		return err
	}
	r.begin()
	for _, e := range parents.Children {
		r.s.mu.RLock()
		b, f, err := r.folder(e)
		var found []folderFacts
		if err == nil && traversal != "SoftDeleted" {
			found = b.below(f.num, traversal == "Deep")
		}
		r.s.mu.RUnlock()
		found = slices.DeleteFunc(found, func(f folderFacts) bool { return !match(f) })
		r.message(err, "", func() { r.showFolders(b, found, shape) })
	}
	return nil
}

func (r *request) showFolders(b *mailbox, found []folderFacts, shape *folderShape) {
	page := r.body.Child("IndexedPageFolderView")
	if page == nil {
		page = r.body.Child("FractionalPageFolderView")
	}
	total, offset, last := len(found), 0, true
	if page != nil {
		offset, _ = parseInt(page.Attr("Offset"))
		offset = max(0, min(offset, total))
		most, ok := parseInt(page.Attr("MaxEntriesReturned"))
		if !ok || most < 1 {
			most = total
		}
		end := min(total, offset+most)
		found, offset, last = found[offset:end], end, end == total
	} else {
		offset = total
	}
	r.w.Start("m:RootFolder", "IndexedPagingOffset", strconv.Itoa(offset), "TotalItemsInView", strconv.Itoa(total),
		"IncludesLastItemInRange", strconv.FormatBool(last))
	r.w.Start("t:Folders")
	for _, f := range found {
		r.showFolder(b, f, shape)
	}
	r.w.End()
	r.w.End()
}

// below returns the folders inside one. The caller holds Server.mu.
func (b *mailbox) below(parent uint32, deep bool) []folderFacts {
	var out []folderFacts
	inside := map[uint32]bool{parent: true}
	for _, f := range b.all() {
		if inside[f.parent] && f.num != parent {
			out = append(out, b.facts(f))
			if deep {
				inside[f.num] = true
			}
		}
	}
	return out
}

// folderRestriction compiles the conditions that clients use to look for a
// folder: equality of its class or name. Others match everything.
func folderRestriction(e *wire.Element) (func(folderFacts) bool, error) {
	all := func(folderFacts) bool { return true }
	if e == nil || len(e.Children) != 1 {
		return all, nil
	}
	c := e.Children[0]
	if c.Name != "IsEqualTo" {
		return all, nil
	}
	path, err := parseField(c)
	if err != nil {
		return nil, err
	}
	want := c.Find("FieldURIOrConstant", "Constant").Attr("Value")
	if path.extended != nil && tagNumber(path.extended.Tag) == 0x3613 {
		path.uri = "folder:FolderClass"
	}
	switch path.uri {
	case "folder:FolderClass":
		return func(f folderFacts) bool { return f.class == want }, nil
	case "folder:DisplayName":
		return func(f folderFacts) bool { return f.name == want }, nil
	}
	return all, nil
}
