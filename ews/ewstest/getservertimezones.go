package ewstest

import "strconv"

// getServerTimeZones answers GetServerTimeZones ([MS-OXWSGTZ] 3.1.4.1).
func (r *request) getServerTimeZones() error {
	full := true
	if v := r.body.Attr("ReturnFullTimeZoneData"); v != "" {
		var ok bool
		if full, ok = parseBool(v); !ok {
			return schemaViolation("ReturnFullTimeZoneData is not a boolean")
		}
	}
	wanted := map[string]bool{}
	for e := range r.body.Child("Ids").All("Id") {
		wanted[e.Text] = true
	}
	year := r.s.now().Year()
	r.begin()
	r.message(nil, "m:TimeZoneDefinitions", func() {
		r.w.Start("m:TimeZoneDefinitions")
		for _, z := range windowsZones {
			if len(wanted) > 0 && !wanted[z.id] {
				continue
			}
			rules := r.s.zones.in(r.s.zones.location(z.id), year)
			r.w.Start("t:TimeZoneDefinition", "Id", z.id, "Name", zoneTitle(rules.standard, z.id))
			if full {
				writeZoneRules(r.w, rules)
			}
			r.w.End()
		}
		r.w.End()
	})
	return nil
}

// zoneTitle is the name of a zone for people.
func zoneTitle(offset int, id string) string {
	if offset == 0 {
		return "(UTC) " + id
	}
	sign := "+"
	if offset < 0 {
		sign, offset = "-", -offset
	}
	pad := func(n int) string {
		if n < 10 {
			return "0" + strconv.Itoa(n)
		}
		return strconv.Itoa(n)
	}
	return "(UTC" + sign + pad(offset/3600) + ":" + pad(offset/60%60) + ") " + id
}
