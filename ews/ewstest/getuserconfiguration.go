package ewstest

// getUserConfiguration answers GetUserConfiguration ([MS-OXWSUSRCFG]
// 3.1.4.3): no folder of the simulator holds one, and clients live with that.
func (r *request) getUserConfiguration() error {
	name := r.body.Child("UserConfigurationName")
	if name == nil || len(name.Children) == 0 || name.Attr("Name") == "" {
		return schemaViolation("UserConfigurationName is not complete")
	}
	r.s.mu.RLock()
	_, _, err := r.folder(name.Children[0])
	r.s.mu.RUnlock()
	if err == nil {
		err = failf("ErrorItemNotFound", "The specified object was not found in the store., The configuration object was not found. Name = %.60s.", name.Attr("Name"))
	}
	r.begin()
	r.message(err, "", func() {})
	return nil
}
