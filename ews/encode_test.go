package ews

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// The same requests as encoding/xml writes them, which is what the encoder is
// held against, for content and for speed.

type xmlRequest struct {
	XMLName xml.Name `xml:"s:Envelope"`
	S       string   `xml:"xmlns:s,attr"`
	M       string   `xml:"xmlns:m,attr"`
	T       string   `xml:"xmlns:t,attr"`
	Version struct {
		Version string `xml:",attr"`
	} `xml:"s:Header>t:RequestServerVersion"`
	Address    string         `xml:"s:Header>t:ExchangeImpersonation>t:ConnectingSID>t:SmtpAddress"`
	GetItem    *xmlGetItem    `xml:"s:Body>m:GetItem"`
	UpdateItem *xmlUpdateItem `xml:"s:Body>m:UpdateItem"`
	CreateItem *xmlCreateItem `xml:"s:Body>m:CreateItem"`
}

type xmlField struct {
	FieldURI string `xml:",attr"`
}

type xmlExtendedField struct {
	Tag  string `xml:"PropertyTag,attr,omitempty"`
	Set  string `xml:"DistinguishedPropertySetId,attr,omitempty"`
	Name string `xml:"PropertyName,attr,omitempty"`
	ID   int    `xml:"PropertyId,attr,omitempty"`
	Type string `xml:"PropertyType,attr"`
}

type xmlItemID struct {
	ID        string `xml:"Id,attr"`
	ChangeKey string `xml:",attr"`
}

type xmlGetItem struct {
	BaseShape string             `xml:"m:ItemShape>t:BaseShape"`
	BodyType  string             `xml:"m:ItemShape>t:BodyType"`
	Fields    []xmlField         `xml:"m:ItemShape>t:AdditionalProperties>t:FieldURI"`
	Extended  []xmlExtendedField `xml:"m:ItemShape>t:AdditionalProperties>t:ExtendedFieldURI"`
	IDs       []xmlItemID        `xml:"m:ItemIds>t:ItemId"`
}

type xmlUpdateItem struct {
	Conflict string    `xml:"ConflictResolution,attr"`
	Send     string    `xml:"SendMeetingInvitationsOrCancellations,attr"`
	ID       xmlItemID `xml:"m:ItemChanges>t:ItemChange>t:ItemId"`
	Set      []xmlSet  `xml:"m:ItemChanges>t:ItemChange>t:Updates>t:SetItemField"`
}

type xmlSet struct {
	Field    *xmlField         `xml:"t:FieldURI"`
	Extended *xmlExtendedField `xml:"t:ExtendedFieldURI"`
	Item     struct {
		Body     *xmlWrittenBody `xml:"t:Body"`
		Property *xmlSetProperty `xml:"t:ExtendedProperty"`
	} `xml:"t:CalendarItem"`
}

type xmlSetProperty struct {
	Field xmlExtendedField `xml:"t:ExtendedFieldURI"`
	Value string           `xml:"t:Value"`
}

type xmlWrittenBody struct {
	BodyType string `xml:",attr"`
	Content  string `xml:",chardata"`
}

type xmlCreateItem struct {
	Send   string `xml:"SendMeetingInvitations,attr"`
	Folder struct {
		ID string `xml:"Id,attr"`
	} `xml:"m:SavedItemFolderId>t:DistinguishedFolderId"`
	Item struct {
		Subject   string         `xml:"t:Subject"`
		Body      xmlWrittenBody `xml:"t:Body"`
		Property  xmlSetProperty `xml:"t:ExtendedProperty"`
		Start     string         `xml:"t:Start"`
		End       string         `xml:"t:End"`
		Status    string         `xml:"t:LegacyFreeBusyStatus"`
		Location  string         `xml:"t:Location"`
		Attendees []xmlInvited   `xml:"t:RequiredAttendees>t:Attendee"`
	} `xml:"m:Items>t:CalendarItem"`
}

type xmlInvited struct {
	Name    string `xml:"t:Mailbox>t:Name"`
	Address string `xml:"t:Mailbox>t:EmailAddress"`
}

func newXMLRequest(m *Mailbox) *xmlRequest {
	x := &xmlRequest{S: wire.NSSoap, M: wire.NSMessages, T: wire.NSTypes, Address: m.address}
	x.Version.Version = version2013SP1
	return x
}

func fieldOf(f ExtendedField) xmlExtendedField {
	return xmlExtendedField{Tag: f.Tag, Set: f.Set, Name: f.Name, ID: f.ID, Type: f.Type}
}

// encoding is a request, as this package writes it, and as structs for
// encoding/xml, made of the same public values.
type encoding struct {
	write func(*request)
	peer  func() *xmlRequest
}

const encodedFor = "user@example.com"

// encodings are three requests.
func encodings() map[string]encoding {
	m := (&Client{}).As(encodedFor)
	refs := make([]ItemRef, 10)
	for i := range refs {
		refs[i] = ItemID{ID: strings.Repeat("AAMkADk", 20), ChangeKey: "DwAAABYAAAB2"}.Ref()
	}
	join := ExtendedProperty{Field: PublicString("KoyomiJoin"), Value: "https://meet.example.com/x?a=b&c=d"}
	return map[string]encoding{"GetItem": encodeGet(m, refs), "UpdateItem": encodeUpdate(m, refs[0], join), "CreateItem": encodeCreate(m, join)}
}

func encodeGet(m *Mailbox, refs []ItemRef) encoding {
	shape := CalendarShape(BodyBest, PublicString("KoyomiJoin"))
	peer := func() *xmlRequest {
		x := newXMLRequest(m)
		x.GetItem = &xmlGetItem{BaseShape: string(IDOnly), BodyType: string(shape.BodyType)}
		for _, f := range shape.Fields {
			if f.URI != "" {
				x.GetItem.Fields = append(x.GetItem.Fields, xmlField{f.URI})
			} else {
				x.GetItem.Extended = append(x.GetItem.Extended, fieldOf(f.Extended))
			}
		}
		for _, r := range refs {
			x.GetItem.IDs = append(x.GetItem.IDs, xmlItemID{r.ID, r.ChangeKey})
		}
		return x
	}
	return encoding{func(r *request) { writeGetItem(r, shape, refs) }, peer}
}

func encodeUpdate(m *Mailbox, ref ItemRef, join ExtendedProperty) encoding {
	body := &Body{Type: BodyHTML, Content: strings.Repeat("<p class=\"x\">Please read the agenda & bring it along.</p>\r\n", 60)}
	update := UpdateItemRequest{Changes: []ItemChange{{Item: ref, Updates: []FieldUpdate{Set("item:Body", CalendarItem{Body: body}), SetProperty(join)}}}}
	peer := func() *xmlRequest {
		x := newXMLRequest(m)
		x.UpdateItem = &xmlUpdateItem{Conflict: string(NeverOverwrite), Send: string(SendToNone), ID: xmlItemID{ref.ID, ref.ChangeKey}, Set: make([]xmlSet, 2)}
		x.UpdateItem.Set[0].Field = &xmlField{"item:Body"}
		x.UpdateItem.Set[0].Item.Body = &xmlWrittenBody{string(body.Type), body.Content}
		x.UpdateItem.Set[1].Extended = ptr(fieldOf(join.Field))
		x.UpdateItem.Set[1].Item.Property = &xmlSetProperty{fieldOf(join.Field), join.Value}
		return x
	}
	return encoding{update.write, peer}
}

// encodeCreate invites five people to a meeting with 5 KB of HTML, as Outlook
// writes it.
func encodeCreate(m *Mailbox, join ExtendedProperty) encoding {
	var html strings.Builder
	html.WriteString("<html xmlns:o=\"urn:schemas-microsoft-com:office:office\">\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n" +
		"<style><!--\r\np.MsoNormal, li.MsoNormal\r\n\t{margin:0cm;\r\n\tfont-size:11.0pt;\r\n\tfont-family:\"Calibri\",sans-serif;}\r\n--></style>\r\n</head>\r\n<body lang=\"EN-GB\" link=\"#0563C1\">\r\n")
	for i := range 14 {
		fmt.Fprintf(&html, "<p class=\"MsoNormal\"><b><span lang=\"EN-US\" style=\"font-family:&quot;Segoe UI&quot;,sans-serif\">%d. Figures &amp; plan</span></b><o:p></o:p></p>\r\n"+
			"<p class=\"MsoNormal\">Anna sums up where we stand, then we go through the open questions of last week and decide on each. "+
			"See <a href=\"https://files.example.com/plan?id=%d&amp;v=2\">the plan</a>.<o:p></o:p></p>\r\n", i, i*77)
	}
	html.WriteString("</body>\r\n</html>\r\n")
	it := CalendarItem{
		Subject: "Quarterly plan & review", Body: &Body{Type: BodyHTML, Content: html.String()}, Extended: []ExtendedProperty{join},
		Start: utc("2026-12-01T09:00:00Z"), End: utc("2026-12-01T10:00:00Z"), Status: "Busy", Location: "Room 4.12 <North>",
	}
	for _, name := range []string{"anna", "bert", "carla", "dora", "emil"} {
		it.RequiredAttendees = append(it.RequiredAttendees, Attendee{EmailAddress: EmailAddress{Name: strings.ToUpper(name) + " \"" + name + "\" Example", Address: name + "@example.com"}})
	}
	peer := func() *xmlRequest {
		x := newXMLRequest(m)
		c := &xmlCreateItem{Send: string(SendToAllAndSaveCopy)}
		c.Folder.ID = "calendar"
		c.Item.Subject, c.Item.Location, c.Item.Status = it.Subject, it.Location, string(it.Status)
		c.Item.Body = xmlWrittenBody{string(it.Body.Type), it.Body.Content}
		c.Item.Property = xmlSetProperty{fieldOf(join.Field), join.Value}
		c.Item.Start, c.Item.End = it.Start.UTC().Format(time.RFC3339), it.End.UTC().Format(time.RFC3339)
		for _, a := range it.RequiredAttendees {
			c.Item.Attendees = append(c.Item.Attendees, xmlInvited{a.Name, a.Address})
		}
		x.CreateItem = c
		return x
	}
	return encoding{CreateItemRequest{Send: SendToAllAndSaveCopy, Items: []CalendarItem{it}}.write, peer}
}

// TestEncodeContent reads what the encoder and what encoding/xml write with the
// latter: both must be the same document.
func TestEncodeContent(t *testing.T) {
	t.Parallel()
	for name, enc := range encodings() {
		c, err := newCall((&Client{}).As(encodedFor), name, version2013SP1, enc.write)
		if err != nil {
			t.Fatal(err)
		}
		peer, err := xml.Marshal(enc.peer())
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := infoset(t, c.payload.data), infoset(t, peer)
		if len(ours) < 20 || !slices.Equal(ours, theirs) {
			t.Errorf("%s: the encoder and encoding/xml write different requests:\n%s\n%s", name, c.payload.data, peer)
		}
	}
}

// infoset lists what is in a document, as encoding/xml reads it: names with
// their name spaces, attributes in order of their names, and text.
func infoset(t *testing.T, doc []byte) (list []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			slices.SortFunc(tok.Attr, func(a, b xml.Attr) int {
				return strings.Compare(a.Name.Space+" "+a.Name.Local, b.Name.Space+" "+b.Name.Local)
			})
			list = append(list, fmt.Sprintf("%q %q", tok.Name, tok.Attr))
		case xml.EndElement:
			list = append(list, "end")
		case xml.CharData:
			list = append(list, string(tok))
		}
	}
}

// TestEncodeAllocations: a request is written in the memory of one before it,
// so that only what is its own is allocated.
func TestEncodeAllocations(t *testing.T) {
	for name, enc := range encodings() {
		m := (&Client{}).As(encodedFor)
		n := testing.AllocsPerRun(20, func() {
			c, err := newCall(m, name, version2013SP1, enc.write)
			if err != nil {
				t.Fatal(err)
			}
			m.client.forget(c)
		})
		if most := map[string]float64{"CreateItem": 7}[name]; n > max(most, 2) {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
}

func BenchmarkEncodeGetItem(b *testing.B)               { benchmarkEncode(b, "GetItem") }
func BenchmarkEncodeGetItemEncodingXML(b *testing.B)    { benchmarkEncodingXML(b, "GetItem") }
func BenchmarkEncodeUpdateItem(b *testing.B)            { benchmarkEncode(b, "UpdateItem") }
func BenchmarkEncodeUpdateItemEncodingXML(b *testing.B) { benchmarkEncodingXML(b, "UpdateItem") }
func BenchmarkEncodeCreateItem(b *testing.B)            { benchmarkEncode(b, "CreateItem") }
func BenchmarkEncodeCreateItemEncodingXML(b *testing.B) { benchmarkEncodingXML(b, "CreateItem") }

// benchmarkEncode writes a request as a call does, which gives its memory back
// when it has been sent.
func benchmarkEncode(b *testing.B, name string) {
	enc, m := encodings()[name], (&Client{}).As(encodedFor)
	b.ReportAllocs()
	for b.Loop() {
		c, err := newCall(m, name, version2013SP1, enc.write)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(c.payload.data)))
		m.client.forget(c)
	}
}

// benchmarkEncodingXML writes the same from the same public values, as its twin
// for decoding reads into them.
func benchmarkEncodingXML(b *testing.B, name string) {
	enc := encodings()[name]
	b.ReportAllocs()
	for b.Loop() {
		data, err := xml.Marshal(enc.peer())
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
	}
}
