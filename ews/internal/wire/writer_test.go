package wire

import (
	"maps"
	"testing"
)

func TestWriter(t *testing.T) {
	t.Parallel()
	var w Writer
	w.Declaration()
	w.Start("a", "k", "<\"&'\t\n\x01>", "odd")
	w.Leaf("b", "x<y>&z\r\n\x00\uFFFE\xFF日", "n", "1")
	w.Leaf("c", "")
	w.Start("d")
	w.Raw("<e/>")
	w.End()
	w.Text("tail")
	got := string(w.Bytes())
	want := `<?xml version="1.0" encoding="utf-8"?><a k="&lt;&quot;&amp;'&#x9;&#xA;>">` +
		`<b n="1">x&lt;y>&amp;z&#xD;` + "\n\uFFFD日" + `</b><c/><d><e/></d>tail</a>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.End() // nothing is open: nothing happens
}

func TestFault(t *testing.T) {
	t.Parallel()
	const detail = `<detail><e:ResponseCode xmlns:e="` + NSErrors + `">ErrorServerBusy</e:ResponseCode><e:Message xmlns:e="` + NSErrors + `">busy</e:Message>` +
		`<t:MessageXml xmlns:t="` + NSTypes + `"><t:Value Name="BackOffMilliseconds">297749</t:Value></t:MessageXml></detail>`
	for name, tc := range map[string]struct {
		in   string
		want *Fault
	}{
		"Exchange": {`<s:Envelope xmlns:s="` + NSSoap + `"><s:Body><s:Fault><faultcode xmlns:a="` + NSTypes + `">a:ErrorServerBusy</faultcode><faultstring xml:lang="en-US">The server cannot.</faultstring>` + detail + `</s:Fault></s:Body></s:Envelope>`,
			&Fault{"ErrorServerBusy", "ErrorServerBusy", "The server cannot.", "busy", map[string]string{"BackOffMilliseconds": "297749"}}},
		"bare, spaces, no detail": {`<SOAP:Envelope xmlns:SOAP="` + NSSoap + `"><SOAP:Header/><SOAP:Body><SOAP:Fault><faultcode> ErrorCannotFindUser </faultcode><faultstring> x </faultstring></SOAP:Fault></SOAP:Body></SOAP:Envelope>`,
			&Fault{Code: "ErrorCannotFindUser", String: "x"}},
		"schema validation": {`<E:Envelope xmlns:E="` + NSSoap + `"><E:Body><E:Fault><faultcode>E:Client</faultcode><faultstring>bad</faultstring><detail><MessageXml><LineNumber>1</LineNumber><Violation>v</Violation></MessageXml></detail></E:Fault></E:Body></E:Envelope>`,
			&Fault{Code: "Client", String: "bad", Values: map[string]string{"LineNumber": "1", "Violation": "v"}}},
		"SOAP 1.2": {`<s:Envelope xmlns:s="` + NSSoap12 + `"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:ErrorX</s:Value></s:Subcode></s:Code><s:Reason><s:Text>r</s:Text></s:Reason><s:Detail><ResponseCode>ErrorX</ResponseCode></s:Detail></s:Fault></s:Body></s:Envelope>`,
			&Fault{Code: "ErrorX", ResponseCode: "ErrorX", String: "r"}},
		"SOAP 1.2 without subcode": {`<Envelope><Body><Fault><Code><Value>s:Receiver</Value></Code></Fault></Body></Envelope>`, &Fault{Code: "Receiver"}},
		"none":                     {`<Envelope><Body><X/></Body></Envelope>`, nil},
		"empty body":               {`<Envelope><Body/></Envelope>`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ParseFault(parse(t, tc.in))
			if (got == nil) != (tc.want == nil) {
				t.Fatalf("got %v", got)
			}
			if got != nil && (got.Code != tc.want.Code || got.ResponseCode != tc.want.ResponseCode || got.String != tc.want.String ||
				got.Message != tc.want.Message || !maps.Equal(got.Values, tc.want.Values)) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestFaultWrite(t *testing.T) {
	t.Parallel()
	for _, f := range []Fault{
		{"ErrorServerBusy", "ErrorServerBusy", "s", "m", map[string]string{"BackOffMilliseconds": "10", "Policy": "p"}},
		{Code: "Client", String: "bad"},
	} {
		var w Writer
		w.Start("s:Envelope", "xmlns:s", NSSoap)
		w.Start("s:Body")
		if len(f.Values) > 0 {
			f.Write(&w, "s", "BackOffMilliseconds", "Policy")
		} else {
			f.Write(&w, "s")
		}
		got := ParseFault(parse(t, string(w.Bytes())))
		if got == nil || got.Code != f.Code || got.ResponseCode != f.ResponseCode || got.Message != f.Message || !maps.Equal(got.Values, f.Values) {
			t.Errorf("%+v came back as %+v", f, got)
		}
	}
}
