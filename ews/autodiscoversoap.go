package ews

import (
	"strconv"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// The namespaces are http, although the vendor's pages show https: those were
// changed with the links in them.
const (
	autodiscoverAction = wire.NSAutodiscover + "/Autodiscover/GetUserSettings"
	maxUsers           = 100 // in one GetUserSettings
)

// answerLimits bound an answer of Autodiscover: a hundred users with seven
// settings are some 120 KB and 4,000 elements.
var answerLimits = wire.Limits{Bytes: maxAnswer, Depth: 32, Elements: 200_000}

const maxAnswer = 4 << 20

// userSettings are what is asked for ([MS-OXWSADISC] 2.2.4.10).
func userSettings() []string {
	return []string{
		"InternalEwsUrl", "ExternalEwsUrl", "GroupingInformation", "CasVersion", "EwsSupportedSchemas", "AutoDiscoverSMTPAddress", "UserMSOnline",
	}
}

// getUserSettings writes the request for some users ([MS-OXWSADISC] 3.1.4.2).
func getUserSettings(to string, users []string) []byte {
	var w wire.Writer
	w.Declaration()
	w.Start("soap:Envelope", "xmlns:soap", wire.NSSoap, "xmlns:a", wire.NSAutodiscover, "xmlns:wsa", wire.NSAddressing, "xmlns:xsi", wire.NSXSI)
	w.Start("soap:Header")
	w.Leaf("a:RequestedServerVersion", "Exchange2013")
	w.Leaf("wsa:Action", autodiscoverAction)
	w.Leaf("wsa:To", to)
	w.End()
	w.Start("soap:Body")
	w.Start("a:GetUserSettingsRequestMessage")
	w.Start("a:Request")
	w.Start("a:Users")
	for _, u := range users {
		w.Start("a:User")
		w.Leaf("a:Mailbox", u)
		w.End()
	}
	w.End()
	w.Start("a:RequestedSettings")
	for _, s := range userSettings() {
		w.Leaf("a:Setting", s)
	}
	return w.Bytes()
}

// settings are what an answer says of one user, SOAP or POX.
type settings struct {
	code            string // NoError, or what went wrong with this user
	redirectAddress string
	redirectURL     string
	external        string // EWS URLs
	internal        string
	grouping        string
	version         string
	address         string // AutoDiscoverSMTPAddress
	online          bool   // UserMSOnline or MicrosoftOnline
	failed          string // code of UserSettingErrors for an EWS URL
}

const noError = "NoError"

// parseUserSettings reads the answer to GetUserSettings about so many users.
// The errors of the whole answer, a fault or Response/ErrorCode, become the
// error; those of a user stay with the user.
func parseUserSettings(data []byte, users int) ([]settings, *Error) {
	const op = "GetUserSettings"
	env, err := wire.Parse(data, answerLimits)
	if err != nil || env.Name != "Envelope" {
		return nil, &Error{Op: op, Code: CodeMalformed, Message: "the answer is not the XML of Autodiscover", Cause: err}
	}
	if f := wire.ParseFault(env); f != nil {
		code := f.ResponseCode
		if code == "" {
			code = f.Code
		}
		return nil, &Error{Op: op, Code: strings.Clone(code), Message: autodiscoverSentence(code), Detail: strings.Clone(f.String)}
	}
	resp := env.Body().Child("Response")
	if env.Body() == nil || env.Body().Name != "GetUserSettingsResponseMessage" || resp == nil {
		return nil, &Error{Op: op, Code: CodeMalformed, Message: "the answer is not one of Autodiscover"}
	}
	if code := strings.TrimSpace(resp.Value("ErrorCode")); code != noError && code != "" {
		return nil, &Error{Op: op, Code: strings.Clone(code), Message: autodiscoverSentence(code), Detail: strings.Clone(resp.Value("ErrorMessage"))}
	}
	version := soapVersion(env.Find("Header", "ServerVersionInfo"))
	out := make([]settings, 0, users)
	for u := range resp.Child("UserResponses").All("UserResponse") {
		if len(out) == users {
			return nil, &Error{Op: op, Code: CodeMalformed, Message: "the answer has more users than were asked for"}
		}
		out = append(out, userResponse(u, version))
	}
	if len(out) != users {
		return nil, &Error{Op: op, Code: CodeMalformed, Message: "the answer has fewer users than were asked for"}
	}
	return out, nil
}

// userResponse reads one user. Its strings do not hold on to the answer.
func userResponse(u *wire.Element, version string) settings {
	s := settings{code: text(u, "ErrorCode"), version: version}
	switch target := text(u, "RedirectTarget"); s.code {
	case "RedirectAddress":
		s.redirectAddress = target
	case "RedirectUrl":
		s.redirectURL = target
	}
	for e := range u.Child("UserSettingErrors").All("UserSettingError") {
		switch e.Value("SettingName") {
		case "ExternalEwsUrl", "InternalEwsUrl":
			s.failed = text(e, "ErrorCode")
		}
	}
	for e := range u.Child("UserSettings").All("UserSetting") {
		v := text(e, "Value")
		switch strings.TrimSpace(e.Value("Name")) {
		case "ExternalEwsUrl":
			s.external = v
		case "InternalEwsUrl":
			s.internal = v
		case "GroupingInformation":
			s.grouping = v
		case "CasVersion":
			s.version = dotted(v, s.version)
		case "AutoDiscoverSMTPAddress":
			s.address = v
		case "UserMSOnline":
			s.online = strings.EqualFold(v, "true")
		}
	}
	return s
}

func text(e *wire.Element, name string) string {
	return strings.Clone(strings.TrimSpace(e.Value(name)))
}

// soapVersion reads ServerVersionInfo, whose parts are elements here and
// attributes in EWS.
func soapVersion(e *wire.Element) string {
	var b strings.Builder
	for i, name := range []string{"MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber"} {
		n, err := strconv.ParseUint(strings.TrimSpace(e.Value(name)), 10, 16)
		if err != nil {
			return ""
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(strconv.FormatUint(n, 10))
	}
	return b.String()
}

// dotted returns a version as "15.2.1544.11": servers pad it with zeros. What
// is no version gives the other one.
func dotted(v, other string) string {
	parts := strings.Split(v, ".")
	if len(parts) != 4 {
		return other
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return other
		}
		parts[i] = strconv.FormatUint(n, 10)
	}
	return strings.Join(parts, ".")
}

// autodiscoverSentence says for people what a code of Autodiscover means.
func autodiscoverSentence(code string) string {
	switch code {
	case "InvalidUser", "500":
		return "Autodiscover knows no mailbox of this address; check the address, and that it is the mailbox's own"
	case "InvalidDomain":
		return "Autodiscover knows no mailbox of this domain; check the domain"
	case busyCode, "603", "602", "InternalServerError":
		return "Autodiscover has a passing problem; it is asked again later"
	case "SettingIsNotAvailable", "InvalidSetting":
		return "Autodiscover names no Exchange Web Services for this mailbox; set ExternalUrl or InternalUrl of the EWS virtual directory"
	case "InvalidRequest", "600", "601":
		return "Autodiscover finds the request wrong; report this as a bug"
	}
	return "Autodiscover refused the request"
}
