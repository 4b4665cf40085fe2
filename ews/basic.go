package ews

import "encoding/base64"

// basic returns the value of Authorization for Basic (RFC 7617).
func basic(p pass) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Username+":"+p.Password.Reveal()))
}
