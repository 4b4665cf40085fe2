package ewstest

import "github.com/koyomi-cal/koyomi/ews/internal/wire"

// getUserConfiguration answers GetUserConfiguration ([MS-OXWSUSRCFG]
// 3.1.4.3). The one that exists is OWA.UserOptions in the root folder, with
// the mailbox's time zone, in which mail gateways look for it.
func (r *request) getUserConfiguration() error {
	name := r.body.Child("UserConfigurationName")
	if name == nil || len(name.Children) == 0 || name.Attr("Name") == "" {
		return schemaViolation("UserConfigurationName is not complete")
	}
	r.s.mu.RLock()
	b, f, err := r.folder(name.Children[0])
	r.s.mu.RUnlock()
	if err == nil && (f.num != rootFolder || name.Attr("Name") != "OWA.UserOptions") {
		err = failf("ErrorItemNotFound", "The specified object was not found in the store., The configuration object was not found. Name = %.60s.", name.Attr("Name"))
	}
	r.begin()
	r.message(err, "", func() { r.userOptions(b, name.Children[0]) })
	return nil
}

func (r *request) userOptions(b *mailbox, folder *wire.Element) {
	r.w.Start("m:UserConfiguration")
	r.w.Start("t:UserConfigurationName", "Name", "OWA.UserOptions")
	r.w.Leaf("t:"+folder.Name, "", "Id", folder.Attr("Id"))
	r.w.End()
	r.w.Start("t:Dictionary")
	for _, entry := range [][2]string{{"timezone", b.zone}, {"timeformat", "HH:mm"}} {
		r.w.Start("t:DictionaryEntry")
		for i, part := range []string{"t:DictionaryKey", "t:DictionaryValue"} {
			r.w.Start(part)
			r.w.Leaf("t:Type", "String")
			r.w.Leaf("t:Value", entry[i])
			r.w.End()
		}
		r.w.End()
	}
	r.w.End()
	r.w.End()
}
