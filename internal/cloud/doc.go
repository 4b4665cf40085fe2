// Package cloud is the server between connectors and people's apps. It keeps
// sealed parts of meetings, hands them to the accounts on each resource's
// delivery list, and pushes what changed. It serves the people's app.
//
// It cannot read what it keeps: it imports no package that could open a part,
// and every field that it stores has a form in which nothing readable fits
// (api.ValidID, api.ValidSealed and the like). What it learns is who asks
// (opaque accounts), how much (padded sizes) and when.
//
// Package api has the wire form. Accounts and their credentials lie in
// store.Accounts, everything else in store.Objects, which connectors fill
// again when it is lost.
//
// # Who may do what
//
// An account comes into being by a one-time code ([Enrol]). A connector's
// account makes resources, sets their delivery lists and writes their items; a
// user's account reads what is delivered to it. Each request is checked against
// the delivery list in the same query that reads, and what is foreign is
// answered exactly like what does not exist. Streams get events by the list as
// it is at the moment of the change.
package cloud
