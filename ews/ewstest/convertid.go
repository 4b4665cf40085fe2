package ewstest

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// idFormats are the formats of an id ([MS-OXWSCVTID] 2.2.5.1).
var idFormats = []string{"EwsLegacyId", "EwsId", "EntryId", "HexEntryId", "StoreId", "OwaId"}

// convertID answers ConvertId ([MS-OXWSCVTID] 3.1.4.1).
func (r *request) convertID() error {
	to := r.body.Attr("DestinationFormat")
	if !slices.Contains(idFormats, to) {
		return schemaViolation("%q is not an id format", to)
	}
	sources := r.body.Child("SourceIds")
	if sources == nil || len(sources.Children) == 0 {
		return schemaViolation("SourceIds is empty")
	}
	r.begin()
	for _, e := range sources.Children {
		from, id := e.Attr("Format"), e.Attr("Id")
		out, address, err := r.convert(e, from, id, to)
		r.message(err, "", func() {
			r.w.Leaf("m:AlternateId", "", "xmlns:xsi", wire.NSXSI, "xsi:type", "t:AlternateIdType", "Format", to, "Id", out, "Mailbox", address)
		})
	}
	return nil
}

// convert returns an id in another format, and the address of the mailbox that
// it is really in.
func (r *request) convert(e *wire.Element, from, id, to string) (out, address string, err error) {
	if !slices.Contains(idFormats, from) {
		return "", "", schemaViolation("%q is not an id format", from)
	}
	if r.s.traits.fewIDFormats && (!slices.Contains(fewFormats, from) || !slices.Contains(fewFormats, to)) {
		return "", "", fail("ErrorInvalidIdMalformed")
	}
	if e.Name == "AlternateId" && e.Attr("Mailbox") == "" {
		return "", "", fail("ErrorInvalidIdMalformed")
	}
	ref, ok := decodeFormat(from, id)
	if !ok {
		return "", "", fail("ErrorInvalidIdMalformed")
	}
	r.s.mu.RLock()
	b := r.s.boxes[ref.mailbox]
	r.s.mu.RUnlock()
	address = e.Attr("Mailbox")
	if b != nil {
		address = b.address
	}
	switch to {
	case "EntryId", "StoreId":
		return base64.StdEncoding.EncodeToString(ref.entryID()), address, nil
	case "HexEntryId":
		return strings.ToUpper(hex.EncodeToString(ref.entryID())), address, nil
	case "OwaId":
		return owaEscaper.Replace(ref.encode()), address, nil
	}
	return ref.encode(), address, nil
}

var fewFormats = []string{"EwsId", "EwsLegacyId", "HexEntryId"}

// owaEscaper makes an id fit for the address line of a browser.
var owaEscaper = strings.NewReplacer("+", "%2b", "/", "%2f", "=", "%3d")

// decodeFormat reads an id in one of the formats.
func decodeFormat(format, id string) (r ref, ok bool) {
	var entry []byte
	var err error
	switch format {
	case "EntryId", "StoreId":
		entry, err = base64.StdEncoding.DecodeString(id)
	case "HexEntryId":
		entry, err = hex.DecodeString(id)
	case "OwaId":
		return decodeID(strings.NewReplacer("%2b", "+", "%2f", "/", "%3d", "=", "%2B", "+", "%2F", "/", "%3D", "=").Replace(id))
	default:
		return decodeID(id)
	}
	if err != nil || !r.entry(entry) {
		return r, false
	}
	return r, true
}
