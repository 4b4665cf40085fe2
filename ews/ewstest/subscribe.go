package ewstest

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// mostSubscriptions is EwsMaxSubscriptions on premises.
const mostSubscriptions = 5000

// subscribe answers Subscribe for streaming subscriptions ([MS-OXWSNTIF]
// 3.1.4.3). Pull and push are not played.
func (r *request) subscribe() error {
	req := r.body.Child("StreamingSubscriptionRequest")
	if req == nil {
		return schemaViolation("only StreamingSubscriptionRequest is supported")
	}
	sub, err := r.newSubscription(req)
	if err == nil {
		err = r.blocked()
	}
	if err == nil {
		err = r.addSubscription(sub)
	}
	r.begin()
	r.message(err, "", func() { r.w.Leaf("m:SubscriptionId", sub.id) })
	return nil
}

// newSubscription reads what is subscribed to.
func (r *request) newSubscription(req *wire.Element) (*subscription, error) {
	sub := &subscription{account: r.login, as: r.as, used: r.s.now(), coarse: r.s.traits.folderEvents}
	for e := range req.Child("EventTypes").All("EventType") {
		k, ok := parseEvent(e.Text)
		if !ok {
			return nil, schemaViolation("%q is not an EventType", e.Text)
		}
		sub.kinds |= k
	}
	if sub.kinds == 0 {
		return nil, schemaViolation("EventTypes is empty")
	}
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	if all, _ := parseBool(req.Attr("SubscribeToAllFolders")); all {
		if req.Child("FolderIds") != nil && !r.s.traits.folderEvents {
			return nil, fail("ErrorInvalidSubscriptionRequest")
		}
		if r.as == nil {
			return nil, fail("ErrorMissingEmailAddress")
		}
		sub.all, sub.box = true, r.as
		return sub, nil
	}
	folders := req.Child("FolderIds")
	if folders == nil || len(folders.Children) == 0 {
		return nil, schemaViolation("FolderIds is empty")
	}
	for _, e := range folders.Children {
		if err := r.watch(sub, e); err != nil {
			return nil, err
		}
	}
	return sub, nil
}

// watch adds a folder to a subscription; all must be in one mailbox.
func (r *request) watch(sub *subscription, e *wire.Element) error {
	b, f, err := r.folder(e)
	if f == nil && err != nil {
		if b == nil || !r.s.traits.folderEvents {
			return err
		}
		sub.box, sub.silent = b, true // gromox lets it pass and says nothing
		return nil
	}
	if err != nil {
		return err
	}
	if sub.box != nil && sub.box != b {
		return fail("ErrorInvalidSubscriptionRequest")
	}
	sub.box = b
	sub.folders = append(sub.folders, f.num)
	return nil
}

// addSubscription gives the subscription its id and lets events reach it.
func (r *request) addSubscription(sub *subscription) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.expire(sub.box)
	if err := r.crowded(sub.box); err != nil {
		return err
	}
	sub.back = r.s.home(sub.box)
	if strings.EqualFold(r.http.Header.Get("X-PreferServerAffinity"), "true") {
		sub.back = r.back
	}
	r.s.lastSub++
	sub.id = r.s.subscriptionID(sub)
	r.s.subs[sub.id] = sub
	sub.box.subs = append(sub.box.subs, sub)
	return nil
}

// subscriptionID makes an id in the layout of real ones: the name of the
// server, a GUID, and the time in .NET ticks. gromox counts.
func (s *Server) subscriptionID(sub *subscription) string {
	var id []byte
	b := sub.box
	if s.traits.folderEvents {
		id = binary.LittleEndian.AppendUint32(id, uint32(s.lastSub))
		return base64.StdEncoding.EncodeToString(id)
	}
	host := sub.back.host
	id = binary.LittleEndian.AppendUint16(id, uint16(len(host)))
	id = append(id, host...)
	id = append(id, 16, 0, 0, 0)
	id = append(id, b.guid[:8]...)
	id = binary.LittleEndian.AppendUint64(id, s.lastSub)
	id = binary.LittleEndian.AppendUint64(id, uint64(s.now().Unix()+62135596800)*10_000_000)
	id = append(id, 16, 0, 0, 0)
	id = append(id, b.guid[:]...)
	return base64.StdEncoding.EncodeToString(id)
}

// expire drops the subscriptions of a mailbox that nobody has listened to for
// too long. The caller holds mu.
func (s *Server) expire(b *mailbox) {
	now := s.now()
	b.subs = slices.DeleteFunc(b.subs, func(sub *subscription) bool {
		old := sub.expired(now, s.traits.subscriptionLife)
		if old {
			delete(s.subs, sub.id)
		}
		return old
	})
}

// Subscriptions returns how many live subscriptions there are on a mailbox, or
// in all for "".
func (s *Server) Subscriptions(address string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, b := range s.boxes {
		if len(b.subs) > 0 && (address == "" || b == s.names[address]) {
			s.expire(b)
			n += len(b.subs)
		}
	}
	return n
}

// DropSubscriptions forgets all subscriptions and cuts all streams off in the
// middle, as a back end does that is restarted.
func (s *Server) DropSubscriptions() {
	s.mu.Lock()
	subs := slices.Collect(maps.Values(s.subs))
	clear(s.subs)
	for _, sub := range subs {
		sub.box.subs = nil
	}
	s.mu.Unlock()
	s.cut(subs)
}

// CutStreams closes the connections of all open streams without their last
// document. The subscriptions live on.
func (s *Server) CutStreams() {
	s.mu.RLock()
	subs := slices.Collect(maps.Values(s.subs))
	s.mu.RUnlock()
	s.cut(subs)
}

func (s *Server) cut(subs []*subscription) {
	for _, sub := range subs {
		sub.mu.Lock()
		st := sub.stream
		sub.mu.Unlock()
		if st != nil {
			st.sever()
		}
	}
}

// decodeSubscription reads the name of the server in an id. ok is false for
// what never was an id.
func decodeSubscription(id string) (host string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(id)
	if err != nil || len(b) < 2 {
		return "", false
	}
	n := int(binary.LittleEndian.Uint16(b))
	if len(b) < 2+n {
		return "", false
	}
	return string(b[2 : 2+n]), n > 0
}
