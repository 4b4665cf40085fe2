package ews

import (
	"encoding/xml"
	"reflect"
	"strings"
	"testing"

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
		Property *struct {
			Field xmlExtendedField `xml:"t:ExtendedFieldURI"`
			Value string           `xml:"t:Value"`
		} `xml:"t:ExtendedProperty"`
	} `xml:"t:CalendarItem"`
}

type xmlWrittenBody struct {
	BodyType string `xml:",attr"`
	Content  string `xml:",chardata"`
}

func newXMLRequest(m *Mailbox) *xmlRequest {
	x := &xmlRequest{S: wire.NSSoap, M: wire.NSMessages, T: wire.NSTypes, Address: m.address}
	x.Version.Version = version2013SP1
	return x
}

func fieldOf(f ExtendedField) xmlExtendedField {
	return xmlExtendedField{Tag: f.Tag, Set: f.Set, Name: f.Name, ID: f.ID, Type: f.Type}
}

// encodings are two requests, each written by this package and by
// encoding/xml.
func encodings() map[string][2]func() ([]byte, error) {
	m := &Mailbox{address: "user@example.com"}
	shape := CalendarShape(BodyBest, PublicString("KoyomiJoin"))
	refs := make([]ItemRef, 10)
	for i := range refs {
		refs[i] = ItemID{ID: strings.Repeat("AAMkADk", 20), ChangeKey: "DwAAABYAAAB2"}.Ref()
	}
	body := &Body{Type: BodyHTML, Content: strings.Repeat("<p class=\"x\">Please read the agenda & bring it along.</p>\r\n", 60)}
	join := ExtendedProperty{Field: PublicString("KoyomiJoin"), Value: "https://meet.example.com/x?a=b&c=d"}
	update := UpdateItemRequest{Changes: []ItemChange{{Item: refs[0], Updates: []FieldUpdate{Set("item:Body", CalendarItem{Body: body}), SetProperty(join)}}}}
	ours := func(op string, write func(*request)) func() ([]byte, error) {
		return func() ([]byte, error) {
			c, err := newCall(m, op, version2013SP1, write)
			if err != nil {
				return nil, err
			}
			return c.payload, nil
		}
	}
	return map[string][2]func() ([]byte, error){
		"GetItem": {ours("GetItem", func(r *request) { writeGetItem(r, shape, refs) }), func() ([]byte, error) {
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
			return xml.Marshal(x)
		}},
		"UpdateItem": {ours("UpdateItem", update.write), func() ([]byte, error) {
			x := newXMLRequest(m)
			u := &xmlUpdateItem{Conflict: string(NeverOverwrite), Send: string(SendToNone), ID: xmlItemID{refs[0].ID, refs[0].ChangeKey}, Set: make([]xmlSet, 2)}
			u.Set[0].Field = &xmlField{"item:Body"}
			u.Set[0].Item.Body = &xmlWrittenBody{string(body.Type), body.Content}
			u.Set[1].Extended = ptr(fieldOf(join.Field))
			u.Set[1].Item.Property = &struct {
				Field xmlExtendedField `xml:"t:ExtendedFieldURI"`
				Value string           `xml:"t:Value"`
			}{fieldOf(join.Field), join.Value}
			x.UpdateItem = u
			return xml.Marshal(x)
		}},
	}
}

// TestEncodeCost holds the encoder's requests against encoding/xml's, and
// bounds their allocations.
func TestEncodeCost(t *testing.T) {
	for name, enc := range encodings() {
		var docs [2]*wire.Element
		for i, encode := range enc {
			data, err := encode()
			if err != nil {
				t.Fatal(err)
			}
			if docs[i], err = wire.Parse(data, wire.Limits{}); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(docs[0], docs[1]) {
			t.Errorf("%s: the encoder and encoding/xml write different requests", name)
		}
		if n := testing.AllocsPerRun(5, func() { enc[0]() }); n > 6 {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
}

func BenchmarkEncodeGetItem(b *testing.B)            { benchmarkEncode(b, encodings()["GetItem"][0]) }
func BenchmarkEncodeGetItemEncodingXML(b *testing.B) { benchmarkEncode(b, encodings()["GetItem"][1]) }
func BenchmarkEncodeUpdateItem(b *testing.B)         { benchmarkEncode(b, encodings()["UpdateItem"][0]) }
func BenchmarkEncodeUpdateItemEncodingXML(b *testing.B) {
	benchmarkEncode(b, encodings()["UpdateItem"][1])
}

func benchmarkEncode(b *testing.B, encode func() ([]byte, error)) {
	data, err := encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encode(); err != nil {
			b.Fatal(err)
		}
	}
}
