package ewstest

import (
	"slices"
	"strings"
)

// syncFolderHierarchy answers SyncFolderHierarchy ([MS-OXWSSYNC] 3.1.4.1):
// everything below a folder at first, then what is new.
func (r *request) syncFolderHierarchy() error {
	shape, err := parseFolderShape(r.body.Child("FolderShape"))
	if err != nil {
		return err
	}
	b, found, state, err := r.hierarchy()
	if err == nil {
		err = r.blocked()
	}
	r.begin()
	if err != nil {
		r.syncFailure(err)
		return nil
	}
	r.message(nil, "", func() {
		r.w.Leaf("m:SyncState", state)
		r.w.Leaf("m:IncludesLastFolderInRange", "true")
		r.w.Start("m:Changes")
		for _, f := range found {
			r.w.Start("t:Create")
			r.showFolder(b, f, shape)
			r.w.End()
		}
		r.w.End()
	})
	return nil
}

// hierarchy returns the folders that are new since the request's state.
func (r *request) hierarchy() (*mailbox, []folderFacts, string, error) {
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	b, root := r.as, msgFolderRoot
	if e := r.body.Child("SyncFolderId"); e != nil && len(e.Children) > 0 {
		box, f, err := r.folder(e.Children[0])
		if err != nil {
			return nil, nil, "", err
		}
		b, root = box, f.num
	}
	if b == nil {
		return nil, nil, "", fail("ErrorMissingEmailAddress")
	}
	state := syncState{box: b.guid, folder: root, epoch: b.epoch}
	fresh := true
	if text := strings.TrimSpace(r.body.Value("SyncState")); text != "" {
		s, ok := decodeState(text)
		if valid := ok && s.box == b.guid && s.folder == root && s.epoch == b.epoch; valid {
			state, fresh = s, false
		} else if !r.s.traits.lenientSyncState {
			return nil, nil, "", fail("ErrorInvalidSyncStateData")
		}
	}
	found := slices.DeleteFunc(b.below(root, true), func(f folderFacts) bool { return !fresh && f.born <= state.base })
	state.base = b.cn
	return b, found, state.encode(), nil
}
