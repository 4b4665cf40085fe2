package ewstest

// getItem answers GetItem ([MS-OXWSCORE] 3.1.4.4): one response message per
// id, in the order of the request.
func (r *request) getItem() error {
	shape, err := r.parseShape(r.body.Child("ItemShape"), false)
	if err != nil {
		return err
	}
	ids := r.body.Child("ItemIds")
	if ids == nil || len(ids.Children) == 0 {
		return schemaViolation("ItemIds is empty")
	}
	r.begin()
	for i, e := range ids.Children {
		r.s.mu.RLock()
		t, err := r.item(e)
		r.s.mu.RUnlock()
		if spared := r.spared(i); spared != nil {
			err = spared
		}
		r.message(err, "m:Items", func() {
			r.w.Start("m:Items")
			r.show(t.box, t.single, t.it, shape)
			r.w.End()
		})
	}
	return nil
}
