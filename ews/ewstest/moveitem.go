package ewstest

// moveItem answers MoveItem ([MS-OXWSCORE] 3.1.4.7). The item gets another id.
func (r *request) moveItem() error {
	ids, to := r.body.Child("ItemIds"), r.body.Child("ToFolderId")
	if ids == nil || len(ids.Children) == 0 || to == nil || len(to.Children) == 0 {
		return schemaViolation("MoveItem needs ToFolderId and ItemIds")
	}
	made := make([]outcome, len(ids.Children))
	blocked := r.blocked()
	r.s.mu.Lock()
	box, folder, err := r.folder(to.Children[0])
	for i, e := range ids.Children {
		if blocked != nil || err != nil {
			if made[i].err = blocked; err != nil {
				made[i].err = err
			}
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
			made[i] = outcome{box: box, items: []*Item{box.move(r.s.now(), t.it, folder.num)}}
		}
	}
	r.s.mu.Unlock()
	r.begin()
	for _, m := range made {
		r.message(m.err, "m:Items", func() {
			r.w.Start("m:Items")
			if back, given := parseBool(r.body.Value("ReturnNewItemIds")); back || !given {
				for _, it := range m.items {
					r.showID(m.box, it)
				}
			}
			r.w.End()
		})
	}
	return nil
}
