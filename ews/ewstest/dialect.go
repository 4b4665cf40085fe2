package ewstest

import (
	"fmt"
	"slices"
	"time"
)

// Dialect names the server that the simulator plays.
type Dialect string

// The dialects. The differences are listed in one table, in traits.
const (
	Exchange2013 Dialect = "exchange2013"
	Exchange2016 Dialect = "exchange2016"
	Exchange2019 Dialect = "exchange2019"
	ExchangeSE   Dialect = "exchangese"
	Gromox       Dialect = "gromox"
)

// Dialects returns all dialects, the default one first.
func Dialects() []Dialect {
	return []Dialect{Exchange2019, Exchange2013, Exchange2016, ExchangeSE, Gromox}
}

// ParseDialect returns the dialect of that name; an empty name is the default.
func ParseDialect(name string) (Dialect, error) {
	if name == "" {
		return Exchange2019, nil
	}
	if !slices.Contains(Dialects(), Dialect(name)) {
		return "", fmt.Errorf("there is no dialect %q; use one of %v", name, Dialects())
	}
	return Dialect(name), nil
}

// traits are what one server does differently from another.
type traits struct {
	build   [4]int // major, minor, build and revision in ServerVersionInfo
	schema  string // its Version attribute
	newest  int    // index in versions of the newest schema that requests may ask for; -1: not looked at
	prefix  string // of the SOAP envelope
	sync    int    // ConcurrentSyncCalls; 0: no limit
	hanging int    // HangingConnectionLimit; 0: no limit

	subscriptionLife time.Duration // without an open stream
	tick             time.Duration // events are told at such moments only; 0: at once

	// quietProbe leaves the Version attribute out of answers that no mailbox
	// had a part in. Some servers send none, and exchangelib 4.9, which probes
	// with ConvertId, cannot name a 2019 that does.
	quietProbe bool

	// What only gromox does. Each is one line of a real server's behaviour.
	faultsWith200     bool // faults for what went wrong with the caller have status 200 and no detail
	noExpansion       bool // CalendarView compares masters only, with inclusive bounds, and does not sort
	quietOccurrences  bool // changes of occurrences leave the master's change key and sync state alone
	lenientSyncState  bool // a sync state it cannot read starts anew, silently
	hiddenAttendees   bool // attendees come only together with IsMeeting, resources as required ones
	poorBodies        bool // no text of an HTML body, no body of an exception
	caseUIDs          bool // UIDs differ in case between copies
	utcOnly           bool // TimeZoneContext is not looked at, times have up to 9 digits of a second
	folderEvents      bool // subscriptions to folders tell creations, and everything else as a change of the folder
	statusHeartbeat   bool // heartbeats are StatusEvents
	noChunks          bool // chunked requests are refused
	noChallenge       bool // GET is 405 without asking who it is
	ignoresChangeKeys bool
	noMasterID        bool // RecurringMasterItemId is not understood
	noProcessing      bool // invitations stay messages: no copy in the attendee's calendar
	outboxDefault     bool // CreateItem without a folder saves into the outbox
	ownerPermission   bool // the service account may open folders of mailboxes it may impersonate
	sparse            bool // no IsOrganizer and MeetingRequestWasSent, nothing of meetings on plain appointments
	noMerged          bool // no MergedFreeBusy
	fewIDFormats      bool // ConvertId knows EwsId, EwsLegacyId and HexEntryId
}

// versions are the values of RequestServerVersion in their order
// ([MS-OXWSCDATA] ExchangeVersionType).
var versions = []string{
	"Exchange2007", "Exchange2007_SP1", "Exchange2009", "Exchange2010", "Exchange2010_SP1", "Exchange2010_SP2", "Exchange2012",
	"Exchange2013", "Exchange2013_SP1", "Exchange2015", "Exchange2016", "V2015_10_05", "V2016_01_06", "V2016_04_13", "V2016_07_13",
	"V2016_10_10", "V2017_01_07", "V2017_04_14", "V2017_07_11",
}

func (d Dialect) traits() traits {
	exchange := traits{prefix: "s", subscriptionLife: 30 * time.Minute, hanging: 10, sync: 5}
	switch d {
	case Exchange2013:
		exchange.build, exchange.schema = [4]int{15, 0, 1497, 48}, "V2_23"
		exchange.newest, exchange.hanging, exchange.sync = slices.Index(versions, "Exchange2013_SP1"), 3, 0
	case Exchange2016:
		exchange.build, exchange.schema = [4]int{15, 1, 2507, 39}, "V2017_07_11"
		exchange.newest = slices.Index(versions, "Exchange2016")
	case Gromox:
		return gromox()
	case ExchangeSE:
		exchange.build, exchange.schema = [4]int{15, 2, 2562, 17}, "V2017_07_11"
		exchange.newest, exchange.quietProbe = len(versions)-1, true
	default:
		exchange.build, exchange.schema = [4]int{15, 2, 1544, 11}, "V2017_07_11"
		exchange.quietProbe = true
		exchange.newest = len(versions) - 1
	}
	return exchange
}

func gromox() traits {
	return traits{
		build: [4]int{15, 0, 847, 4040}, schema: "V2017_07_11", newest: -1, prefix: "SOAP",
		subscriptionLife: 5 * time.Minute, tick: 5 * time.Second,
		faultsWith200: true, noExpansion: true, quietOccurrences: true, lenientSyncState: true, hiddenAttendees: true,
		poorBodies: true, caseUIDs: true, utcOnly: true, folderEvents: true, statusHeartbeat: true, noChunks: true,
		noChallenge: true, ignoresChangeKeys: true, noMasterID: true, noProcessing: true, outboxDefault: true,
		ownerPermission: true, fewIDFormats: true, sparse: true, noMerged: true,
	}
}
