// Package ewstest is an Exchange server in memory, for tests of programs that
// speak Exchange Web Services.
//
// It plays mailboxes with calendars and mail: recurring series that
// CalendarView expands, exceptions, invitations that reach the attendees'
// calendars and Inboxes, answers that come back, rooms that accept by
// themselves, change keys, sync states, streaming notifications with
// heartbeats, impersonation, automatic replies and free/busy times. It is
// shaped by what clients notice: the order and namespace of elements, the
// status of faults, ids and keys in the layout of real ones, the unprefixed
// documents of a stream. Exchange 2013, 2016, 2019 and SE differ little;
// gromox differs much; see [Dialect].
//
// A test starts it in one line, on a port of its own:
//
//	s := ewstest.Start(ewstest.Options{Users: 2, EventsPerUser: 10})
//	defer s.Close()
//	// s.URL answers; log in as svc@example.com or user0001@example.com
//	// with "password".
//
// or without a port, on any [net.Listener] or by its handler, which lets a day
// of heartbeats pass in no time under testing/synctest:
//
//	s := ewstest.NewServer(ewstest.Options{Users: 2})
//	go s.Serve(listener)
//
// Then it acts as a person would, over EWS or directly ([Server.Add],
// [Server.Edit], [Server.Remove], [Server.SetOOF]), makes things go wrong
// ([Server.Fail], [Server.CutStreams], [Server.ForgetSyncStates],
// [Server.Deny]) and looks at what has become of it ([Server.Calendar],
// [Server.Inbox], [Server.Mails], [Server.Calls]).
//
// Clients that nobody here wrote work with it: exchangelib (in the tests),
// and, by hand, ews-javascript-api, DavMail with a CalDAV round trip, and
// evolution-ews.
//
// Every answer validates against the published schema, but for a few shapes
// that are outside of it because real servers' are: SOAP faults, Notification
// in a stream, what gromox says of bad subscription ids, Autodiscover, and what
// [Server.Fail] spoils. One table in the tests lists them with their reasons
// and fails where one is not met any more; the others are taken through every
// operation, dialect and outcome.
//
// Several mailbox servers can stand behind it (Options.BackEnds), each request
// is charged to a [Budget], and a [Profile] makes it play one server that
// somebody has measured.
//
// It is a test double, not a mail server: it keeps nothing on disk, it speaks
// no other protocol, and it trusts whoever may log in.
package ewstest
