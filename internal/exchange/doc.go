// Package exchange is Exchange in Koyomi's words: it reads, follows and writes
// calendars by Exchange Web Services (package ews) and speaks package calendar
// to the rest.
//
//	x, err := exchange.New(exchange.Options{URL: …, Username: …, PasswordFile: …})
//	go x.Run(ctx)                       // looks at the password file
//	item, err := x.Get(ctx, mailbox, id)
//
// An [Exchange] is what package connector calls a Reader, a Watcher and a
// Writer. Everything that differs between servers ends here; every error is a
// *[calendar.Fault].
//
// # Differences between servers
//
// Nothing is configured and little is detected: most differences are met where
// they show.
//
//   - A server that answers a calendar view of fifty years does not expand
//     series (Exchange refuses more than two years): its masters are expanded
//     here, see expand.go.
//   - A property that the server leaves out is unknown, never false.
//   - A server that never says IsOrganizer ignores change keys too: writes are
//     guarded by reading again ([calendar.Binding]).
//   - A server that tells of changes by naming the folder only is asked for
//     what changed, and is watched as a whole from then on, where it names items.
//   - One stream carries the subscriptions of up to 200 mailboxes; a server
//     that refuses that gets one stream for each mailbox.
//   - Where no stream comes through, a proxy that hoards answers for one, the
//     changes are asked for twice a minute.
//
// # Good manners
//
// A mailbox whose server asks to be left alone is left alone for exactly that
// time: no request for it leaves this package, whoever asks. A server that
// cannot be reached is tried by one request at a time, at intervals up to 30
// seconds. What the account's password is worth is the business of package ews:
// after a refusal nothing is sent until the password file changes or the hold
// is over.
package exchange
