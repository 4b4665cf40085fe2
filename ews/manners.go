package ews

import (
	"sync"
	"time"
)

// manners are what was learned of how a server tells of changes. All groups of
// a client share them.
type manners struct {
	mu         sync.Mutex
	itemNews   bool      // changes are told by item, in a subscription to the calendar alone
	folderNews int       // times that a change was told by folder only
	unmixed    int       // streams in a row that carried the anchor's mailbox and no other
	alone      bool      // one stream cannot carry the subscriptions of two mailboxes
	silent     int       // streams in a row that never began
	pollUntil  time.Time // no stream is tried before
}

const (
	silentStarts = 3                // until streams count as not coming through
	retryStream  = 15 * time.Minute // when a stream is tried again then
	unmixedTries = 2                // until every mailbox gets a stream of its own
)

// streamsAlone reports whether every mailbox needs a stream of its own.
func (k *manners) streamsAlone() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.alone
}

// polls returns until when changes are asked for because no stream comes
// through; the zero time says that streams do.
func (k *manners) polls(now time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pollUntil.After(now) {
		return k.pollUntil
	}
	return time.Time{}
}

// began takes in that a stream of so many mailboxes has begun.
func (k *manners) began(mailboxes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.silent = 0
	if mailboxes > 1 {
		k.unmixed = 0
	}
}

// silence takes in that a stream did not begin in time; it reports whether
// streams are given up for now.
func (k *manners) silence(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.silent++; k.silent < silentStarts {
		return false
	}
	k.silent, k.pollUntil = 0, now.Add(retryStream)
	return true
}

// refusedMix takes in that a stream failed for every mailbox but the one it was
// opened for; it reports whether that settles it.
func (k *manners) refusedMix() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.alone {
		return false
	}
	k.unmixed++
	k.alone = k.unmixed >= unmixedTries
	return k.alone
}

// byItem takes in an event about an item in a subscription to the calendar alone.
func (k *manners) byItem() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.itemNews = true
}

// byFolder takes in an event that names the calendar and no item. Exchange
// sends one beside each event about an item, where it means nothing; it reports
// whether this one does.
func (k *manners) byFolder() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.itemNews {
		return false
	}
	k.folderNews++
	return true
}

// whole reports whether mailboxes have to be watched as a whole, because the
// server does not name items otherwise.
func (k *manners) whole() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.folderNews > 1 && !k.itemNews
}
