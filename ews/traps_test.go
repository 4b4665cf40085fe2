package ews

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// trap is one thing about Exchange that has broken somebody's client, with the
// test that holds it: where holds is the folder and the function, and says is
// what in the text of that function shows that it is about it.
type trap struct{ what, holds, says string }

// traps is the index of them, in the order in which one learns the protocol.
func traps() []trap { return slices.Concat(wireTraps(), callTraps(), calendarTraps()) }

// wireTraps are those of what goes over the wire: envelopes, versions, faults, ids, characters.
func wireTraps() []trap {
	return []trap{
		// The envelope and what goes with it.
		{"namespaces are http, although the vendor's pages show https", "ewstest.TestAutodiscoverWire", "https namespace"},
		{"ConnectionTimeout is in the namespace of messages", "ews.TestStreamTimeoutMinutes", "<m:ConnectionTimeout>"},
		{"a SOAPAction is not needed, and is wrong in the WSDL", "ews.TestNothingSentThatIsNotNeeded", "SOAPAction"},
		{"with a TimeZoneContext every time has an offset of its own", "ews.TestNothingSentThatIsNotNeeded", "TimeZoneContext"},
		{"a server that gets a TimeZoneContext heeds it", "ewstest.TestTimeZoneContext", "Tokyo Standard Time"},
		{"X-AnchorMailbox goes with every impersonated call", "ews.TestRequests", "checkHeaders"},
		{"some clients take exactly one Content-Type", "ewstest.TestHTTP", "text/xml; charset=utf-8"},
		{"any way to name the impersonated user", "ewstest.TestImpersonation", "PrincipalName"},
		{"prefixes are the writer's business", "ewstest.TestOtherPrefixes", "SOAP-ENV"},
		{"requests are never chunked: gromox refuses them", "ewstest.TestGromoxHTTP", "400"},

		// The version.
		{"a version that the mailbox's server does not know, as fault and as message", "ews.TestVersionFallback", "ErrorInvalidSchemaVersionForMailboxVersion"},
		{"the same as nothing but a text", "ews.TestAnswers", "The specified server version is invalid."},
		{"the version belongs to the back end, not to the URL", "ewstest.TestMixedFarm", "ErrorInvalidSchemaVersionForMailboxVersion"},
		{"a change that may be done is not sent again by another version", "ews.TestNoFallback", "half done"},
		{"exchangelib asks for Exchange2019, which there is not", "ewstest.TestRequestServerVersion", "Exchange2019"},
		{"ErrorInvalidIdMalformed for DUMMY means that all is well", "ews.TestConvertId", "convertid_malformed"},

		// Faults.
		{"faults with 200 and 500, with and without detail, bare codes, SOAP 1.2", "ews.TestFaults", "fault_soap12"},
		{"a fault with header, spaces, bare code, SOAP 1.2, 200 or no detail", "ewstest.TestShapesOfFaults", "FaultWithHeader"},
		{"values of MessageXml in both namespaces, and as elements", "wire.TestFault", "Violation"},
		{"ErrorExceededConnectionCount asks for a pause of 0 ms", "ews.TestFaults", "fault_connections"},
		{"a busy answer to SyncFolderItems has an empty SyncState that says it is the last", "ews.TestSyncFolderItems", "syncfolderitems_busy"},
		{"MessageXml of free/busy is in the namespace of errors", "ews.TestGetUserAvailability", "ExceptionCode"},
		{"500 with XML is an answer", "ews.TestFaults", "StatusInternalServerError"},
		{"one 401 after a password that worked is confirmed on a fresh connection", "ews.TestPassing401", "401"},
		{"a locked account, in words or as 456, stops everything", "ews.TestLockedAccount", "456"},
		{"302 to the page for errors passes", "ews.TestAnswers", "genericerrorpage"},
		{"a redirect elsewhere is not followed", "ews.TestRedirectNotFollowed", "reached"},
		{"503 and 429 with Retry-After", "ews.TestAnswers", "429"},
		{"Retry-After as a date", "ews.TestRetryAfterDate", "TimeFormat"},
		{"Retry-After holds the whole server", "ews.TestSchedulerRetryAfter", "BackOff"},
		{"200 with a page of IIS passes", "ews.TestAnswers", "Server Error in '/EWS' Application"},
		{"a log-in page with 200 or 440 does not pass by itself", "ews.TestAnswers", "forms log-in"},
		{"the end of an answer is missing, or says === Truncated Data ===", "ews.TestAnswers", "=== Truncated Data ==="},
		{"a middlebox closes the connection in the handshake", "ews.TestNTLMMiddleboxes", "Connection"},

		// Codes.
		{"what helps against each code", "ews.TestClasses", "ErrorNoDestinationCASDueToVersionMismatch"},
		{"a pause is kept for one mailbox, the others flow", "ews.TestSchedulerAgainstOracle", "left\n// alone to the nanosecond"},
		{"nothing is sent to the mailbox in the pause", "exchange.TestNothingIsSentWhileAskedToWait", "BackOff"},
		{"what comes after ErrorBatchProcessingStopped was not done", "ews.TestGetItemsStopped", "ErrorBatchProcessingStopped"},
		{"in any batch, also of changes", "ewstest.TestBatchStopsInTheMiddle", "UpdateItem"},
		{"a server that always stops first is not asked for ever", "ews.TestGetItemsStuck", "ErrorBatchProcessingStopped"},
		{"batches shrink where the server is slow", "ews.TestSchedulerBatch", "after a slow answer"},

		// Ids.
		{"ids that differ in case only are different", "ewstest.TestIdsAreCaseSensitive", "ToUpper"},
		{"change keys of events are too short for UpdateItem", "ewstest.TestChangeKeys", "DwAAAA=="},
		{"a short change key does not pass", "ewstest.TestConflictResolution", "ErrorChangeKeyRequiredForWriteOperations"},
		{"a subscription id names its server", "ewstest.TestSubscriptionIdsNameTheServer", "mail7.example.com"},
		{"and the client can read it", "ews.FuzzSubscriptionServer", "SubscriptionServer"},
		{"an item that is moved has another id", "ewstest.TestMoveItem", "deleteditems"},

		// Characters.
		{"references to NUL, control bytes, non-characters, halves of pairs", "ews.TestGetItemDirty", "getitem_dirty"},
		{"the same from the simulator", "ewstest.TestIllegalCharacters", "Illegal"},
		{"what we echo is repaired, too", "ews.TestRequests", "golden"},
		{"repair never fails and changes nothing that is good", "wire.FuzzRepair", "Repair"},
	}
}

// callTraps are those of operations, connections and finding the server.
func callTraps() []trap {
	return []trap{
		// Operations.
		{"every request is within the schema", "ews.TestVariantsSchema", "writable"},
		{"every answer is, or is on a list with its reason", "ewstest.TestSchemaMatrix", "check"},
		{"CalendarView takes what touches the window", "ewstest.TestCalendarViewBounds", "calendarView"},
		{"no restriction with it", "ewstest.TestCalendarViewBounds", "ErrorUnsupportedPathForQuery"},
		{"two years at most", "ewstest.TestCalendarViewBounds", "ErrorCalendarViewRangeTooBig"},
		{"too many: an error, or IncludesLastItemInRange=false", "ews.TestViewHalves", "ErrorExceededFindCountLimit"},
		{"FindItem cuts strings to 255 characters", "ewstest.TestFindItemShortensStrings", "255"},
		{"FindItem may show what GetItem refuses", "exchange.TestViewWhereSomeItemsFail", "Fail"},
		{"one answer for each id of GetItem, in their order", "ews.TestGetItemBatch", "getitem_batch"},
		{"SyncFolderItems gives masters only; an occurrence is an update of its master", "ewstest.TestSyncOfAFlagAndASeries", "Update"},
		{"at most 512 changes, five calls at once", "ewstest.TestConcurrentSyncCalls", "5"},
		{"a sync state that is not good", "ewstest.TestSyncStatesThatAreNotGood", "ErrorInvalidSyncStateData"},
		{"one subscription, one mailbox", "ewstest.TestSubscribeRefuses", "ErrorInvalidSubscriptionRequest"},
		{"FreeBusyChanged is the same event again", "ewstest.TestSubscribeToAllFolders", "FreeBusyChanged"},
		{"ErrorSubscriptionNotFound for Unsubscribe is success", "ews.TestSubscriptions", "unsubscribe_gone"},
		{"CreateItem needs SendMeetingInvitations, UpdateItem its own", "ewstest.TestUpdateNeedsItsSendMode", "ErrorSendMeetingInvitationsOrCancellationsRequired"},
		{"a change whose answer is lost is looked for, not made again", "mailbox.TestLostAnswers", "nobody can confirm"},
		{"one property in one SetItemField, and the right one", "ewstest.TestWhatCreateAndUpdateRefuse", "ErrorUpdatePropertyMismatch"},
		{"Start alone ends before it begins", "ewstest.TestWhatCreateAndUpdateRefuse", "start alone"},
		{"an AlternateId has an xsi:type", "ewstest.TestAlternateIdHasItsType", "xsi:type"},
		{"the mailbox that ConvertId names is the true one", "ewstest.TestConvertId", "blah@blah.com"},
		{"GetUserOofSettings has no response messages, and a duration without a zone", "ews.TestGetUserOofSettings", "OofScheduled"},
		{"a duration counts only where the state is Scheduled", "ews.TestGetUserOofSettings", "a duration means nothing"},
		{"free/busy needs a time zone, and answers in it", "ewstest.TestAvailability", "ErrorTimeZone"},
		{"the view can be less than was asked for", "ewstest.TestAvailability", "FreeBusyMerged"},
		{"a 42-day window and 100 mailboxes at most", "ewstest.TestAvailability", "ErrorTimeIntervalTooBig"},

		// gromox.
		{"CalendarView expands nothing", "exchange.TestExpandedView", "Gromox"},
		{"changed occurrences are quiet", "ewstest.TestGromoxView", "a changed occurrence changed the master's key"},
		{"a garbage sync state starts anew, silently", "ewstest.TestGromoxView", "rubbish"},
		{"attendees come only together with IsMeeting", "ewstest.TestGromoxItems", "IsMeeting"},
		{"nine digits of a second", "ews.TestGetItemGrommunio", "getitem_grommunio"},
		{"changes as changes of a folder; one mailbox to a stream", "ews.TestGroupGrommunio", "AllFolders"},
		{"StatusEvents as heartbeats, two documents at the end", "ews.TestStreamGrommunio", "StatusEvent"},
		{"Closed for a bad id, and the connection stays", "ewstest.TestGromoxHeartbeatsAndEnd", "Closed"},
		{"faults with 200 and no detail", "ewstest.TestGromoxFaults", "200"},
		{"three formats of ids", "ewstest.TestGromoxConvertsFewFormats", "HexEntryId"},
		{"UIDs that differ in case", "exchange.TestCopiesAreCorrelated", "other letters"},
		{"change keys are not looked at", "mailbox.TestWeeksWithoutChangeKeys", "lets every write through"},
		{"no IsOrganizer", "mailbox.TestServersThatLeavePropertiesOut", "Organizer"},

		// Connections.
		{"the sign-in belongs to the connection, and the body is not sent twice", "ews.TestNTLMLegs", "connection"},
		{"connections are not shared while they sign in", "ews.TestNTLMConcurrent", "handshake"},
		{"HTTP/2 knows no NTLM", "ews.TestHTTP1Only", "EnableHTTP2"},
		{"a stream is not compressed", "ews.TestRequests", "checkHeaders"},
		{"a proxy that buffers streams", "exchange.TestStreamsThatDoNotComeThrough", "Stream"},
		{"a gateway's 504 does not stop the stream for good", "ews.TestStreamEnds", "gateway"},
		{"one bad id poisons the whole stream", "ewstest.TestOneBadIdPoisonsTheStream", "ErrorSubscriptionNotFound"},
		{"the good ones stay", "ews.TestGroupBadIDs", "Subscribe"},
		{"SendToAll makes a meeting of an appointment", "ewstest.TestSendToAllMakesAMeetingOfAnAppointment", "IsMeeting"},

		// Autodiscover.
		{"the order of the steps", "ews.TestDiscoverOrder", "each step is taken only where those before it lead"},
		{"the lowest priority of SRV first", "ews.TestDiscoverSRV", "lowest priority"},
		{"SCP: pointers, sites, fallback", "activedirectory.TestServiceConnectionPoints", "Site="},
		{"a pointer without Domain= is the last resort", "activedirectory.TestFallbackPointer", "[]string{pointerID}"},
		{"no password for a host that nobody has allowed", "ews.TestDiscoverRogue", "credentials"},
		{"a 401 of a web server is none of ours", "ews.TestDiscoverForeignPassword", "401"},
		{"redirects end", "ews.TestDiscoverRedirects", "circle"},
		{"errors of POX have status 200", "ews.TestParsePOX", "600"},
		{"a hundred users to a request, kept for a day", "ews.TestDiscoverBatches", "requests for 250 mailboxes"},
		{"a mailbox in Exchange Online is named and not followed", "ews.TestDiscoverOnline", "office365"},
	}
}

// calendarTraps are those of streams, and what is in a calendar.
func calendarTraps() []trap {
	return []trap{
		// Streams.
		{"anchor and cookie", "ews.TestGroupAffinity", "X-PreferServerAffinity"},
		{"a new server in the cookie: the group moves as a whole", "ews.TestGroupNewServerInCookie", "cookie"},
		{"another account may not read the subscription", "ewstest.TestStreamOfAnotherAccount", "ErrorSubscriptionAccessDenied"},
		{"HangingConnectionLimit", "ewstest.TestHangingConnectionLimit", "3"},
		{"1 to 30 minutes", "ews.TestStreamTimeoutMinutes", "30"},
		{"an unprefixed root, at once and as heartbeat", "ewstest.TestStreamBeatsUntilItsTimeIsOver", "<Envelope xmlns"},
		{"chunks begin anywhere", "ews.TestStreamWhole", "chunks begin anywhere"},
		{"no bytes for 110 s: dead", "ews.TestStreamEnds", "110 * time.Second"},
		{"a document has a bound", "ews.TestStreamEnds", "5<<20"},
		{"the end of a stream: the same ids again, at once", "ews.TestGroupReopens", "opened again after"},
		{"events wait for the next stream", "ewstest.TestEventsWaitForTheNextStream", "events"},
		{"a second stream takes the subscription", "ews.TestGroupFence", "ErrorNewEventStreamConnectionOpened"},
		{"a slow listener loses no change", "ews.TestGroupSlowListener", "GroupSync"},
		{"a server dies: nothing is missed", "ews.TestGroupBackEndKilled", "StopBackEnd"},
		{"subscribe, synchronise, then listen", "exchange.TestWatchLosesNothing", "Catchup"},
		{"missed events", "ewstest.TestMissedEvents", "ErrorMissedNotificationEvents"},
		{"a lost sync state", "connector.TestSyncStateIsLost", "epoch++"},
		{"a moved mailbox", "exchange.TestMovedMailbox", "Move"},

		// Series.
		{"the n-th occurrence counts deleted ones", "ewstest.TestSeriesInBothCalendars", "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"},
		{"a deleted one is an error of its own", "ewstest.TestSeriesInBothCalendars", "ErrorCalendarOccurrenceIsDeletedFromRecurrence"},
		{"occurrences keep their order", "ewstest.TestOccurrencesKeepTheirOrder", "ErrorOccurrenceCrossingBoundary"},
		{"a new pattern makes new ids, and ends the exceptions", "ewstest.TestMasterChangesAndExceptions", "Recurrence"},
		{"dates of a range with an offset or Z", "ews.TestGetItemMaster", "getitem_master"},
		{"three expanders agree", "ews.TestThreeExpandersAgree", "rrule"},
		{"the last day of a month that has it not", "ews.TestMonthEndRules", "31"},
		{"one occurrence only is in the invitation", "ewstest.TestInvitedToOneOccurrenceOnly", "Occurrence"},

		// Time zones.
		{"odd ids: tzone://, (UTC+01:00), names of IANA, nothing", "ews.TestLoadZone", "tzone://Microsoft/Utc"},
		{"a zone of its own, by its rules", "ews.TestDefinitions", "LoadLocation"},
		{"the order in which an item's zone is looked for", "ews.TestZoneOfAnItem", "StartTimeZone"},
		{"all-day dates are midnights of their zone", "ews.TestDatesOfAllDayEvents", "Greenwich"},
		{"the table of zones against Go's own", "ews.TestZonesAgainstGo", "zoneinfo_abbrs_windows.go"},
		{"times without an offset", "ews.TestParseTime", "2026-11-23T09:00:00.5"},

		// Bodies.
		{"Best gives what is stored", "ewstest.TestBodyTypes", "Best"},
		{"an update in HTML changes what is stored", "ewstest.TestNativeBody", "native"},
		{"what RTF keeps of HTML", "connector.TestJoinBlockSurvivesRTF", "RTF"},
		{"what Outlook makes of HTML", "ewstest.TestRewriteAsOutlook", "MsoNormal"},
		{"append rather than rewrite what is RTF, where nothing is lost by it", "exchange.TestAppendsToRTFOnlyWhereNothingIsLost", "Append"},
		{"attachments live through a change of the body, or do not", "ewstest.TestAttachmentsAndBodies", "rewrite without"},
		{"inline images are no attachments", "ewstest.TestInlineImagesAreNoAttachments", "paper clip"},
		{"a body of an occurrence makes an exception", "ewstest.TestMasterTellsItsOccurrences", "Exception"},
		{"a stale window of Outlook saves over what was written", "ewstest.TestWindowThatIsStale", "stale"},
		{"a copy has everything but the identity", "ewstest.TestCopies", "UID"},
		{"phones mail their invitations themselves", "mailbox.TestInvitationMailedByThePhoneItself", "Phone"},
		{"rooms take away private, subject and body", "ewstest.TestRoomSwitches", "DeleteSubject"},

		// Who gets mail.
		{"an update mails each attendee once", "ewstest.TestUpdateSendsOncePerAttendee", "SendToAllAndSaveCopy"},
		{"SendToNone leaves unsent changes", "ewstest.TestUnsentChanges", "SendToNone"},
		{"the Changed modes reach nobody who was there before", "ewstest.TestProfileIsPlayed", "SendOnlyToChanged"},
		{"an attendee cannot update for all", "ewstest.TestAttendeeMayNotUpdateForAll", "ErrorCalendarIsNotOrganizer"},
		{"a conflict is decided anew, twice is enough", "mailbox.TestConflictTwiceWaitsForTheNextEvent", "ConflictTwice"},
		{"a block that was taken out stays out", "mailbox.TestBlockTakenOutIsNeverPutBack", "OptedOut"},
		{"a draft is written without mail", "mailbox.TestDraftIsWrittenSilentlyAndLate", "want(it, 1, 0, render.Whole)"},
		{"what may never be written", "mailbox.TestUntouchable", "CancelledMeeting"},

		// Properties.
		{"only what is asked for comes back", "ews.TestProperty", "Property"},
		{"our properties travel, or do not", "ewstest.TestExtendedPropertiesStayOrTravel", "Travel"},
		{"a GlobalObjectId has the date of the occurrence in it", "ews.TestGlobalObjectID", "07EA0B17"},
		{"a foreign UID in a GlobalObjectId", "ews.TestGlobalObjectIDOfAForeignUID", "exchangelib"},
		{"two items with one id", "exchange.TestTwoSeriesWithOneID", "one-uid"},

		// Signing in.
		{"NTLMv2 with MIC, by the vendor's own numbers", "ntlm.TestVector", "MIC"},
		{"a wrong channel binding is refused, a missing one is not", "ews.TestNTLMOtherCertificate", "binding"},
		{"the hash of the certificate follows its signature", "ntlm.TestBinding", "384"},
		{"no NTLMv1", "ntlm.TestVersion1", "24"},
		{"the account is never locked", "exchange.TestTheAccountIsNotLocked", "Refused("},
		{"Kerberos: the service's answer proves it", "activedirectory.TestMutualAuthentication", "AP-REP"},
		{"a token that has ended is replaced once", "ews.TestOAuthLostToken", "token-2"},
	}
}

// TestTraps fails where the test that holds a trap is gone, or does not speak
// of it any more.
func TestTraps(t *testing.T) {
	t.Parallel()
	folders := map[string]string{
		"ews": ".", "ewstest": "ewstest", "activedirectory": "activedirectory", "wire": "internal/wire", "ntlm": "internal/ntlm",
		"exchange": "../internal/exchange", "connector": "../internal/connector", "mailbox": "../internal/mailbox",
	}
	tests := map[string]string{}
	for name, dir := range folders {
		for fn, text := range testsIn(t, dir) {
			tests[name+"."+fn] = text
		}
	}
	seen := map[string]bool{}
	for _, tr := range traps() {
		text, found := tests[tr.holds]
		switch {
		case seen[tr.what]:
			t.Errorf("%q is there twice", tr.what)
		case !found:
			t.Errorf("%q: there is no %s", tr.what, tr.holds)
		case !strings.Contains(text, tr.says):
			t.Errorf("%q: %s says nothing of %q", tr.what, tr.holds, tr.says)
		}
		seen[tr.what] = true
	}
}

// testsIn returns the text of each test and fuzz target in a folder, with what
// is said above it.
func testsIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no tests in %s: %v", dir, err)
	}
	out := map[string]string{}
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(fmt.Errorf("read %s: %w", name, err))
		}
		for _, d := range file.Decls {
			f, is := d.(*ast.FuncDecl)
			if !is || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			from := f.Pos()
			if f.Doc != nil {
				from = f.Doc.Pos()
			}
			out[f.Name.Name] = string(source[set.Position(from).Offset:set.Position(f.End()).Offset])
		}
	}
	return out
}

// TestNothingSentThatIsNotNeeded: a SOAPAction, which the WSDL has wrong, and
// headers that make a server answer in another way than the rest of this
// package expects: times in a zone, names in a language.
func TestNothingSentThatIsNotNeeded(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) { soap(w, 200, envelope("<m:Nothing/>")) })
	for _, call := range everyRequest() {
		call(ctxOf(t), g.As("user@example.com"))
	}
	if len(g.requests()) < 20 {
		t.Fatalf("%d requests", len(g.requests()))
	}
	for _, r := range g.requests() {
		if _, sent := r.Header["Soapaction"]; sent {
			t.Errorf("%s has a SOAPAction", r.op)
		}
		for _, header := range []string{"TimeZoneContext", "MailboxCulture", "DateTimePrecision", "ManagementRole"} {
			if strings.Contains(r.payload, header) {
				t.Errorf("%s has the header %s", r.op, header)
			}
		}
	}
}

// TestHTTP1Only: NTLM and hanging connections belong to a connection, of which
// HTTP/2 makes many. A server that offers it gets HTTP/1.1.
func TestHTTP1Only(t *testing.T) {
	t.Parallel()
	protos := make(chan string, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protos <- r.Proto + " " + r.TLS.NegotiatedProtocol
		alive(w, record(r))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	c, err := New(Options{
		URL: server.URL + "/EWS/Exchange.asmx", Credentials: Credentials{Username: "u", Password: NewSecret("p")},
		RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := probe(t, c); err != nil {
		t.Fatal(err)
	}
	if got := <-protos; !strings.HasPrefix(got, "HTTP/1.1") {
		t.Errorf("spoken: %s", got)
	}
	if _, err := server.Client().Get(server.URL); err != nil { //nolint:bodyclose // shows that the server does speak it
		t.Fatal(err)
	}
	if got := <-protos; !strings.HasPrefix(got, "HTTP/2.0") {
		t.Errorf("the server does not offer HTTP/2: %s", got)
	}
}
