package ewstest

import (
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// createFolder answers CreateFolder ([MS-OXWSFOLD] 3.1.4.2).
func (r *request) createFolder() error {
	parent, folders := r.body.Child("ParentFolderId"), r.body.Child("Folders")
	if parent == nil || len(parent.Children) == 0 || folders == nil || len(folders.Children) == 0 {
		return schemaViolation("CreateFolder needs ParentFolderId and Folders")
	}
	r.begin()
	for _, e := range folders.Children {
		r.s.mu.Lock()
		b, f, err := r.makeFolder(parent.Children[0], e)
		facts := b.facts(f)
		r.s.mu.Unlock()
		r.message(err, "m:Folders", func() {
			r.w.Start("m:Folders")
			r.showFolder(b, facts, &folderShape{base: "IdOnly"})
			r.w.End()
		})
	}
	return nil
}

// makeFolder makes one folder. The caller holds Server.mu.
func (r *request) makeFolder(parent, e *wire.Element) (*mailbox, *folder, error) {
	if err := r.blocked(); err != nil {
		return nil, nil, err
	}
	b, f, err := r.folder(parent)
	if err != nil {
		return nil, nil, err
	}
	name, class := strings.TrimSpace(e.Value("DisplayName")), e.Value("FolderClass")
	if class == "" {
		class = map[string]string{"CalendarFolder": "IPF.Appointment", "ContactsFolder": "IPF.Contact", "TasksFolder": "IPF.Task"}[e.Name]
	}
	if name == "" {
		return nil, nil, fail("ErrorFolderSavePropertyError")
	}
	for _, other := range b.all() {
		if other.parent == f.num && strings.EqualFold(other.name, name) {
			return nil, nil, failf("ErrorFolderExists", "A folder with the specified name already exists.")
		}
	}
	return b, b.addFolder(f.num, strings.Clone(name), orElse(strings.Clone(class), "IPF.Note")), nil
}

// addFolder makes a folder below another.
func (b *mailbox) addFolder(parent uint32, name, class string) *folder {
	b.lastFolder++
	f := &folder{folderKind: folderKind{num: b.lastFolder, parent: parent, name: name, class: class}, born: b.next()}
	b.folders = append(b.folders, f)
	return f
}
