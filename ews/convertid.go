package ews

import (
	"context"
	"errors"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// IDFormat is a form of an item's id ([MS-OXWSCVTID] IdFormatType).
type IDFormat string

// The forms of ids.
const (
	EwsLegacyID IDFormat = "EwsLegacyId"
	EwsID       IDFormat = "EwsId"
	EntryID     IDFormat = "EntryId"
	HexEntryID  IDFormat = "HexEntryId"
	StoreID     IDFormat = "StoreId"
	OwaID       IDFormat = "OwaId"
)

// AlternateID is an id in one form, of an item in the mailbox with that SMTP
// address ([MS-OXWSCVTID] AlternateIdType).
type AlternateID struct {
	Format  IDFormat
	ID      string
	Mailbox string // required by servers
}

// AlternateIDResult is one converted id, or why it could not be converted.
type AlternateIDResult struct {
	ID  AlternateID
	Err error
}

// ConvertId converts ids into another form ([MS-OXWSCVTID] 3.1.4.1). The
// results are in the order of the ids. The server does not look whether the
// items exist.
func (m *Mailbox) ConvertId(ctx context.Context, to IDFormat, ids ...AlternateID) ([]AlternateIDResult, error) {
	return do(ctx, m, operation[[]AlternateIDResult]{
		name: "ConvertId", safe: true, write: convertID(to, ids),
		read: func(a answer) ([]AlternateIDResult, error) {
			return each(a, len(ids), func(msg *wire.Element, e *Error) AlternateIDResult {
				if e != nil {
					return AlternateIDResult{Err: e}
				}
				id := msg.Child("AlternateId")
				return AlternateIDResult{ID: AlternateID{
					Format:  IDFormat(strings.Clone(id.Attr("Format"))),
					ID:      strings.Clone(id.Attr("Id")),
					Mailbox: strings.Clone(id.Attr("Mailbox")),
				}}
			}), nil
		},
	})
}

func convertID(to IDFormat, ids []AlternateID) func(*request) {
	return func(r *request) {
		if len(ids) == 0 {
			r.refuse("there is no id to convert")
		}
		r.Start("m:ConvertId", "DestinationFormat", string(to))
		r.Start("m:SourceIds")
		for _, id := range ids {
			r.Leaf("t:AlternateId", "", "Format", string(id.Format), "Id", id.ID, "Mailbox", id.Mailbox)
		}
		r.End()
		r.End()
	}
}

// ServerInfo is what a server says of itself ([MS-OXWSCDATA]
// ServerVersionInfo). With several back ends it is the mailbox's.
type ServerInfo struct {
	Version       string // name of the newest schema that it knows, e.g. "V2017_07_11"
	Major, Minor  int    // 15.0 is Exchange 2013, 15.1 2016, 15.2 2019 and Subscription Edition
	Build, Number int
}

// Probe checks with the cheapest request there is that the server answers,
// knows the account and the version, and lets it impersonate the mailbox. It
// converts an id that is none: a server that says so is well.
func (m *Mailbox) Probe(ctx context.Context) (ServerInfo, error) {
	mailbox := m.address
	if mailbox == "" {
		mailbox = "probe@example.com"
	}
	return do(ctx, m, operation[ServerInfo]{
		name: "ConvertId", safe: true, write: convertID(HexEntryID, []AlternateID{{Format: EwsID, ID: "DUMMY", Mailbox: mailbox}}),
		read: func(a answer) (ServerInfo, error) {
			_, err := a.single()
			if e, ok := errors.AsType[*Error](err); ok && e.Class() != OwnBug && e.Class() != ItemLocal {
				return ServerInfo{}, e
			}
			v := a.env.Find("Header", "ServerVersionInfo")
			attr := func(name string) int { return number(&wire.Element{Text: v.Attr(name)}) }
			return ServerInfo{
				Version: strings.Clone(v.Attr("Version")), Major: attr("MajorVersion"), Minor: attr("MinorVersion"),
				Build: attr("MajorBuildNumber"), Number: attr("MinorBuildNumber"),
			}, nil
		},
	})
}
