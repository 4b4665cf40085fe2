package ews

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// The schemas of plain old XML ([MS-OXDSCLI] 2.2.4).
const (
	poxRequest  = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
	poxResponse = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

// poxRequestFor writes the request for one user ([MS-OXDSCLI] 2.2.3).
func poxRequestFor(address string) []byte {
	var w wire.Writer
	w.Declaration()
	w.Start("Autodiscover", "xmlns", poxRequest)
	w.Start("Request")
	w.Leaf("EMailAddress", address)
	w.Leaf("AcceptableResponseSchema", poxResponse)
	return w.Bytes()
}

// parsePOX reads an answer ([MS-OXDSCLI] 2.2.4). Errors of the request become
// the error, those of the user stay in the settings: both come with status 200.
func parsePOX(data []byte) (settings, *Error) {
	const op = "Autodiscover"
	root, err := wire.Parse(data, answerLimits)
	if err != nil || root.Name != "Autodiscover" {
		return settings{}, &Error{Op: op, Code: CodeMalformed, Message: "the answer is not the XML of Autodiscover", Cause: err}
	}
	resp := root.Child("Response")
	if e := resp.Child("Error"); e != nil {
		code := text(e, "ErrorCode")
		if code == "500" {
			return settings{code: "InvalidUser"}, nil
		}
		return settings{}, &Error{Op: op, Code: poxCode(code), Message: autodiscoverSentence(code), Detail: text(e, "Message")}
	}
	account := resp.Child("Account")
	if account == nil {
		return settings{}, &Error{Op: op, Code: CodeMalformed, Message: "the answer is not one of Autodiscover"}
	}
	s := settings{code: noError, address: text(resp.Child("User"), "AutoDiscoverSMTPAddress"), online: strings.EqualFold(text(account, "MicrosoftOnline"), "true")}
	switch action := text(account, "Action"); {
	case strings.EqualFold(action, "redirectAddr"):
		s.code, s.redirectAddress = "RedirectAddress", text(account, "RedirectAddr")
	case strings.EqualFold(action, "redirectUrl"):
		s.code, s.redirectURL = "RedirectUrl", text(account, "RedirectUrl")
		if s.redirectURL == "" {
			s.redirectURL = text(account, "RedirectURL")
		}
	default:
		s.protocols(account)
	}
	return s, nil
}

// poxCode returns an error code as the SOAP form has it.
func poxCode(code string) string {
	switch code {
	case "600", "601":
		return "InvalidRequest"
	case "602", "603":
		return busyCode
	case "":
		return CodeMalformed
	}
	return "Autodiscover" + code
}

// protocols reads the Protocol elements: EXCH is for inside, EXPR for outside,
// EXHTTP for whoever asked.
func (s *settings) protocols(account *wire.Element) {
	for p := range account.All("Protocol") {
		url := text(p, "EwsUrl")
		switch strings.ToUpper(text(p, "Type")) {
		case "EXCH":
			s.internal = or(s.internal, url)
			s.version = or(s.version, poxVersion(text(p, "ServerVersion")))
		case "EXPR":
			s.external = or(s.external, url)
		case "EXHTTP":
			s.external = or(s.external, url)
		}
		s.grouping = or(s.grouping, text(p, "GroupingInformation"))
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// poxVersion reads the hexadecimal ServerVersion ([MS-OXDSCLI] 2.2.4.1.1.2.5.37):
// 4 bits unused, 6 bits major, 6 bits minor, 1 bit set, 15 bits build.
func poxVersion(hex string) string {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || n == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d.0", n>>22&0x3F, n>>16&0x3F, n&0x7FFF)
}
