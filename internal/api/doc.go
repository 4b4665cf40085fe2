// Package api is the wire contract of Koyomi's cloud: the JSON types, the error
// codes and the client.
//
// The cloud keeps sealed parts of meetings that it cannot read and hands them
// to the accounts on a resource's delivery list. All it is ever told is in the
// types of this package: opaque ids, revisions and JWE strings. Keys and who
// owns what are the key server's business (package kms), which this package
// does not know.
//
// # Wire form
//
// Everything is JSON over HTTP. A request other than redeem, healthz and the
// app's own files carries
//
//	Authorization: Bearer CREDENTIAL
//
// CREDENTIAL is 256 random bits in base64url (43 characters), given once by
// redeem. An error is {"error":{"code","message"}}; a resource that does not
// exist and one that is not delivered to the caller give the same 404, byte
// for byte.
//
//	POST   /v1/redeem {code}                          -> {credential, account, role}
//	GET    /v1/me                                     -> {account, role, resources:[id]}
//	PUT    /v1/resources/{r} {accounts:[id]}          -> {}          connector only
//	GET    /v1/resources/{r}/items?after=CURSOR       -> {items:[{item, part, rev, jwe | deleted}], cursor, more}
//	PUT    /v1/resources/{r}/items/{i}/{part} {rev, jwe} -> {cursor}    connector only
//	DELETE /v1/resources/{r}/items/{i}?rev=N          -> {cursor}    connector only
//	GET    /v1/events                                 -> text/event-stream
//	GET    /config.json                               -> {kms, authority, org}
//	GET    /healthz                                   -> {ok:true}
//
// Ids of accounts, resources and items are 16 bytes in base64url (22
// characters). A part is one letter: h (head), b (body). A revision is a
// positive integer that the connector raises with every change of an item and
// never reuses: a revision older than the stored one, or not newer than the
// item's tombstone, is refused with 409 "stale" and the stored revision in
// "rev"; the same revision again is accepted.
//
// # Reading along
//
// A reader starts with after=0 and asks again with the cursor of the last
// answer while more is true. Entries come in the order of their last change.
// An entry with deleted=true has an empty part and takes away every part of
// the item with the same or an older revision. A cursor that is too old (its
// tombstones are gone, or the cloud's store was rebuilt) is answered with 410
// "reset": forget the resource's items and begin again with after=0. Cursors
// are below 2^53.
//
// # Events
//
// The stream tells what changed, never how:
//
//	event: change
//	data: {"resource":"…","cursor":123}
//	id: 77
//
//	event: delivery
//	data: {"resource":"…"}
//	id: 78
//
// A change says that a resource has entries up to this cursor. A delivery
// says that the caller's list of resources changed: ask /v1/me again. A comment
// line comes every 20 seconds. After a break, Last-Event-ID brings what was
// missed, one event per resource; without it each resource of the caller is
// named once at the start, so that nothing can fall between the first reading
// and the stream. Changes to one resource that the reader has not yet taken
// collapse into one. What was taken off a reader's list while it was away is in
// no event: it asks /v1/me after each opening. A reader that does not take its events for 10 seconds is
// dropped and comes back by itself.
package api
