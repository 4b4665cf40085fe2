package ewstest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// getFolder answers GetFolder ([MS-OXWSFOLD] 3.1.4.6).
func (r *request) getFolder() error {
	shape, err := parseFolderShape(r.body.Child("FolderShape"))
	if err != nil {
		return err
	}
	ids := r.body.Child("FolderIds")
	if ids == nil || len(ids.Children) == 0 {
		return schemaViolation("FolderIds is empty")
	}
	r.begin()
	for i, e := range ids.Children {
		r.s.mu.RLock()
		b, f, err := r.folder(e)
		facts := b.facts(f)
		r.s.mu.RUnlock()
		if spared := r.spared(i); spared != nil {
			err = spared
		}
		r.message(err, "m:Folders", func() {
			r.w.Start("m:Folders")
			r.showFolder(b, facts, shape)
			r.w.End()
		})
	}
	return nil
}

// folderShape is what a request wants to see of folders.
type folderShape struct {
	base     string
	fields   map[string]bool
	extended []Property
}

func parseFolderShape(e *wire.Element) (*folderShape, error) {
	if e == nil {
		return nil, schemaViolation("the element FolderShape is missing")
	}
	s := &folderShape{base: e.Value("BaseShape"), fields: map[string]bool{}}
	if !slices.Contains([]string{"IdOnly", "Default", "AllProperties"}, s.base) {
		return nil, schemaViolation("%q is not a BaseShape", s.base)
	}
	for f := range e.Child("AdditionalProperties").All("FieldURI") {
		s.fields[strings.TrimPrefix(f.Attr("FieldURI"), "folder:")] = true
	}
	for f := range e.Child("AdditionalProperties").All("ExtendedFieldURI") {
		p, err := parsePath(f)
		if err != nil {
			return nil, err
		}
		s.extended = append(s.extended, p)
	}
	return s, nil
}

func (s *folderShape) wants(name string, in baseShape) bool {
	return s.fields[name] || (s.base == "Default" && in == inDefault) || (s.base == "AllProperties" && in != inNone)
}

// folderFacts is a folder as it was while the store was locked.
type folderFacts struct {
	folderKind
	total, unread, children, gone int
	changed, born                 uint64
}

// facts counts what is in a folder. The caller holds Server.mu.
func (b *mailbox) facts(f *folder) folderFacts {
	if b == nil || f == nil {
		return folderFacts{}
	}
	out := folderFacts{folderKind: f.folderKind, total: len(f.items), unread: f.unread(), gone: len(f.gone), changed: f.cn, born: f.born}
	for _, other := range b.all() {
		if other.parent == f.num {
			out.children++
		}
	}
	return out
}

// folderElement returns the element that a folder class is shown as.
func folderElement(class string) string {
	switch class {
	case "IPF.Appointment":
		return "CalendarFolder"
	case "IPF.Contact":
		return "ContactsFolder"
	case "IPF.Task":
		return "TasksFolder"
	}
	return "Folder"
}

// showFolder writes a folder in the order of BaseFolderType
// ([MS-OXWSFOLD] 2.2.4.2).
func (r *request) showFolder(b *mailbox, f folderFacts, s *folderShape) {
	element := folderElement(f.class)
	r.w.Start("t:" + element)
	r.folderID("t:FolderId", b, f.num)
	if s.wants("ParentFolderId", inAll) && f.parent != 0 {
		r.folderID("t:ParentFolderId", b, f.parent)
	}
	if s.wants("FolderClass", inAll) && f.class != "" {
		r.w.Leaf("t:FolderClass", f.class)
	}
	if s.wants("DisplayName", inDefault) {
		r.w.Leaf("t:DisplayName", f.name)
	}
	if s.wants("TotalCount", inDefault) {
		r.w.Leaf("t:TotalCount", strconv.Itoa(f.total))
	}
	if s.wants("ChildFolderCount", inDefault) {
		r.w.Leaf("t:ChildFolderCount", strconv.Itoa(f.children))
	}
	for _, p := range s.extended {
		if v := r.folderProperty(f, p); v != "" {
			r.w.Start("t:ExtendedProperty")
			r.w.Leaf("t:ExtendedFieldURI", "", p.attributes()...)
			r.w.Leaf("t:Value", v)
			r.w.End()
		}
	}
	if s.wants("EffectiveRights", inAll) {
		r.rights()
	}
	if s.wants("DistinguishedFolderId", inAll) && f.id != "" && f.num < firstOwnFolder {
		r.w.Leaf("t:DistinguishedFolderId", f.id)
	}
	if s.wants("UnreadCount", inDefault) && element == "Folder" {
		r.w.Leaf("t:UnreadCount", strconv.Itoa(f.unread))
	}
	r.w.End()
}

// folderProperty works out the extended properties of folders that sync
// clients look at.
func (r *request) folderProperty(f folderFacts, p Property) string {
	switch tagNumber(p.Tag) {
	case 0x670A: // PidTagLocalCommitTimeMax
		return r.stamp(commitTime(f.changed))
	case 0x670B: // PidTagDeletedCountTotal
		return strconv.Itoa(f.gone)
	case 0x3613: // PidTagContainerClass
		return f.class
	case 0x10F4: // PidTagAttributeHidden
		return strconv.FormatBool(f.num == rootFolder)
	case 0x3001: // PidTagDisplayName
		return f.name
	}
	return ""
}
