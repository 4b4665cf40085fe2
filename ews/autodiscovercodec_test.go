package ews

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

func autodiscoverFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/autodiscover/" + name + ".xml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGetUserSettingsRequest(t *testing.T) {
	t.Parallel()
	got := getUserSettings("https://mail.example.com/autodiscover/autodiscover.svc", []string{"a@example.com", "b&c@example.com"})
	if strings.Contains(string(got), "https://schemas") {
		t.Error("a namespace begins with https: those of the vendor's pages are wrong")
	}
	env, err := wire.Parse(got, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	body := env.Body()
	switch {
	case !env.Is("http://schemas.xmlsoap.org/soap/envelope/", "Envelope"),
		!env.Find("Header", "RequestedServerVersion").Is("http://schemas.microsoft.com/exchange/2010/Autodiscover", "RequestedServerVersion"),
		!env.Find("Header", "Action").Is("http://www.w3.org/2005/08/addressing", "Action"),
		env.Value("Header", "Action") != "http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings",
		env.Value("Header", "To") != "https://mail.example.com/autodiscover/autodiscover.svc",
		!body.Is("http://schemas.microsoft.com/exchange/2010/Autodiscover", "GetUserSettingsRequestMessage"),
		len(body.Find("Request", "Users").Elements()) != 2, len(body.Find("Request", "RequestedSettings").Elements()) != 7,
		body.Find("Request", "Users").Elements()[1].Value("Mailbox") != "b&c@example.com":
		t.Errorf("the request is\n%s", got)
	}
}

func TestParseUserSettings(t *testing.T) {
	t.Parallel()
	got, err := parseUserSettings(autodiscoverFile(t, "soap_users"), 5)
	if err != nil {
		t.Fatal(err)
	}
	want := []settings{
		{
			code: noError, external: "https://mail.example.com/EWS/Exchange.asmx", internal: "https://cas01.example.com/EWS/Exchange.asmx",
			grouping: "Default-First-Site-Name", version: "15.1.2507.39", address: "aya@example.com",
		},
		{code: "RedirectAddress", redirectAddress: "ben@tenant.mail.onmicrosoft.com", version: "15.1.2507.0"},
		{code: "RedirectUrl", redirectURL: "https://mail.example.net/autodiscover/autodiscover.svc", version: "15.1.2507.0"},
		{code: "InvalidUser", version: "15.1.2507.0"},
		{code: noError, version: "15.1.2507.0", failed: "SettingIsNotAvailable", online: true},
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("user %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
	for _, n := range []int{4, 6} {
		if _, err := parseUserSettings(autodiscoverFile(t, "soap_users"), n); err == nil || err.Code != CodeMalformed {
			t.Errorf("the answer about 5 users is taken for %d: %v", n, err)
		}
	}
}

func TestParseUserSettingsErrors(t *testing.T) {
	t.Parallel()
	wrap := func(inner string) string {
		return `<s:Envelope xmlns:s="` + wire.NSSoap + `"><s:Body>` + inner + `</s:Body></s:Envelope>`
	}
	for doc, want := range map[string]string{
		"":               CodeMalformed,
		"<html/>":        CodeMalformed,
		wrap(""):         CodeMalformed,
		wrap("<Other/>"): CodeMalformed,
		wrap(`<GetUserSettingsResponseMessage><Response><ErrorCode>ServerBusy</ErrorCode></Response></GetUserSettingsResponseMessage>`):     "ServerBusy",
		wrap(`<GetUserSettingsResponseMessage><Response><ErrorCode>InvalidRequest</ErrorCode></Response></GetUserSettingsResponseMessage>`): "InvalidRequest",
		wrap(`<s:Fault><faultcode xmlns:a="x">a:ActionNotSupported</faultcode><faultstring>no</faultstring></s:Fault>`):                     "ActionNotSupported",
		strings.Repeat("<a>", 100):           CodeMalformed,
		`<!DOCTYPE a [<!ENTITY x "y">]><a/>`: CodeMalformed,
	} {
		if _, err := parseUserSettings([]byte(doc), 1); err == nil || err.Code != want || err.Message == "" {
			t.Errorf("%.80q gives %v, want %s", doc, err, want)
		}
	}
}

func TestParsePOX(t *testing.T) {
	t.Parallel()
	got, err := parsePOX(autodiscoverFile(t, "pox_settings"))
	want := settings{
		code: noError, external: "https://mail.example.com/EWS/Exchange.asmx", internal: "https://cas01.example.com/EWS/Exchange.asmx",
		grouping: "Default-First-Site-Name", version: "15.1.2507.0", address: "aya@example.com",
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	account := func(inner string) string {
		return `<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response xmlns="` + poxResponse + `"><Account>` + inner + `</Account></Response></Autodiscover>`
	}
	for doc, want := range map[string]settings{
		account(`<Action>redirectAddr</Action><RedirectAddr> b@example.net </RedirectAddr>`):                                                                                    {code: "RedirectAddress", redirectAddress: "b@example.net"},
		account(`<Action>redirectUrl</Action><RedirectUrl>https://a/b</RedirectUrl>`):                                                                                           {code: "RedirectUrl", redirectURL: "https://a/b"},
		account(`<Action>redirectUrl</Action><RedirectURL>https://a/b</RedirectURL>`):                                                                                           {code: "RedirectUrl", redirectURL: "https://a/b"},
		account(`<Action>settings</Action><MicrosoftOnline>True</MicrosoftOnline>`):                                                                                             {code: noError, online: true},
		account(`<Action>settings</Action><Protocol><Type>EXHTTP</Type><EwsUrl>https://a/e</EwsUrl></Protocol><Protocol><Type>WEB</Type><EwsUrl>https://x</EwsUrl></Protocol>`): {code: noError, external: "https://a/e"},
		poxErr("500"): {code: "InvalidUser"},
	} {
		if got, err := parsePOX([]byte(doc)); err != nil || got != want {
			t.Errorf("%s\n got %+v, %v\nwant %+v", doc, got, err, want)
		}
	}
	for doc, want := range map[string]string{
		poxErr("600"): "InvalidRequest", poxErr("603"): "ServerBusy", poxErr("699"): "Autodiscover699", poxErr(""): CodeMalformed,
		"": CodeMalformed, "<html><body/></html>": CodeMalformed, "<Autodiscover/>": CodeMalformed, "<Autodiscover><Response/></Autodiscover>": CodeMalformed,
	} {
		if _, err := parsePOX([]byte(doc)); err == nil || err.Code != want {
			t.Errorf("%q gives %v, want %s", doc, err, want)
		}
	}
}

func poxErr(code string) string {
	return fmt.Sprintf(`<Autodiscover xmlns="x"><Response><Error Time="1" Id="2"><ErrorCode>%s</ErrorCode><Message>about a@example.com</Message></Error></Response></Autodiscover>`, code)
}

func FuzzUserSettings(f *testing.F) {
	f.Add(autodiscoverFile(f, "soap_users"), 5)
	f.Add([]byte(`<Envelope><Body><GetUserSettingsResponseMessage><Response><UserResponses><UserResponse/></UserResponses></Response></GetUserSettingsResponseMessage></Body></Envelope>`), 1)
	f.Fuzz(func(t *testing.T, data []byte, users int) {
		users = min(max(users, 0), maxUsers)
		got, err := parseUserSettings(data, users)
		switch {
		case err == nil && len(got) != users:
			t.Fatalf("%d users for %d", len(got), users)
		case err != nil && (err.Code == "" && len(data) == 0 || err.Message == ""):
			t.Fatalf("an error without code or sentence: %+v", err)
		}
		for _, s := range got {
			if s.redirectAddress != "" && s.code != "RedirectAddress" || s.redirectURL != "" && s.code != "RedirectUrl" {
				t.Fatalf("a redirect without its code: %+v", s)
			}
		}
	})
}

func FuzzPOX(f *testing.F) {
	f.Add(autodiscoverFile(f, "pox_settings"))
	f.Add([]byte(poxErr("500")))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parsePOX(data)
		if err == nil && s.code == "" || err != nil && (err.Code == "" || err.Message == "") {
			t.Fatalf("neither answer nor error: %+v, %+v", s, err)
		}
	})
}
