// Package ews is a client for Exchange Web Services, the SOAP interface of
// Exchange Server 2013 to Subscription Edition and of servers that speak its
// dialect, such as grommunio. It covers what a calendar service needs, in
// full: reading, searching, watching and changing calendars, free/busy and
// automatic replies.
//
// # How to call it
//
// A [Client] holds one endpoint and one account. [Client.As] returns a
// [Mailbox], on which every operation of the protocol is a method of the same
// name; the account impersonates the mailbox's user in each call. As("") is
// the account itself.
//
//	client, err := ews.New(ews.Options{
//		URL:         "https://mail.example.com/EWS/Exchange.asmx",
//		Credentials: ews.Credentials{Username: `EXAMPLE\svc`, Password: ews.NewSecret(password)},
//	})
//	...
//	defer client.Close()
//	user := client.As("user@example.com")
//	page, err := user.FindItem(ctx, ews.FindItemRequest{Start: from, End: to, Shape: ews.ViewShape()})
//
// To follow a calendar: [Mailbox.Subscribe], then [Mailbox.SyncFolderItems]
// until the page says that it is the last, then read the events of
// [Mailbox.GetStreamingEvents]. In this order nothing is missed. The changes
// name items; [Mailbox.GetItem] reads them. [Mailbox.View] and
// [Mailbox.GetItems] do as many calls as it takes.
//
// # Many mailboxes
//
// A [Group] follows up to 200 mailboxes over one connection and keeps them
// together on one back end. A [Scheduler] stands between all calls of a
// program and the servers: it finds out how many requests at once a back end
// takes, leaves a mailbox alone for as long as a server asks, and lets what is
// urgent ([WithPriority]) go first. A [Discoverer] finds the endpoint of each
// mailbox by Autodiscover, and sends credentials to no host that its [Trust]
// does not allow.
//
// An [Account] is one service account, with Basic, NTLM, Negotiate or OAuth.
// Clients and discoverers that share one share what is known of its password.
//
// # Series and time zones
//
// Exchange expands series in a calendar view; where a server does not,
// [Expand] does it here. Times are UTC. Which wall clock a meeting keeps is in
// its time zone: [LoadZone] knows Windows, IANA and the odd ids that items
// carry. [GlobalObjectID] turns the id that all copies of a meeting share into
// an iCalendar UID and back.
//
// # Errors
//
// Every failure is an [*Error]: an operation, a code for programs, a sentence
// for people that says what to do, and the cause. [Error.Class] sorts the
// codes by what helps against them. Where one request names several items, a
// failure of one of them is in that item's result and the others are whole.
// No error text holds a mail address, a subject or anything else that a
// person wrote: what the server said is in [Error.Detail] only.
//
// An account is kept from being locked. Once a server has refused the
// password, no request leaves under it any more until [Client.SetCredentials],
// [Client.TryNow] or the end of [Options.AuthHold].
//
// # What servers send
//
// The decoder matches local names and takes any prefix. It survives
// characters that XML forbids, faults with status 200 as well as 500, answers
// that end in the middle, and properties that are absent: where absent differs
// from false, the field is a pointer.
//
// Items are decoded from the bytes straight into [CalendarItem], without a
// tree of the document and without reflection. An item shares no memory with
// the answer that it came in, nor with its other items, so one of a hundred
// may be kept. What an answer may cost is bounded, in bytes
// ([Options.MaxResponse]), depth and number of elements.
//
// Not everything is asked for by default. A server returns only what the
// [Shape] of the request names; [CalendarShape] names all that a
// [CalendarItem] can hold.
package ews
