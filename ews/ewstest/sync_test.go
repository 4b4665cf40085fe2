package ewstest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func syncBody(folder, state string, most int) string {
	if state != "" {
		state = "<m:SyncState>" + state + "</m:SyncState>"
	}
	return fmt.Sprintf(`<m:SyncFolderItems><m:ItemShape>%s</m:ItemShape><m:SyncFolderId><t:DistinguishedFolderId Id="%s"/></m:SyncFolderId>%s<m:MaxChangesReturned>%d</m:MaxChangesReturned></m:SyncFolderItems>`,
		shapeOf("IdOnly"), folder, state, most)
}

// synced is what a page said: "Create 1, Delete 2" with the ids' numbers.
func (r *rig) synced(mailbox, folder, state string, most int) (changes, next string, last bool) {
	r.t.Helper()
	m := r.ok(mailbox, syncBody(folder, state, most))
	var out []string
	for _, c := range m.Child("Changes").Children {
		id := c.Child("ItemId")
		if id == nil {
			id = c.Children[0].Child("ItemId")
		}
		ref, ok := decodeID(id.Attr("Id"))
		if !ok {
			r.t.Fatalf("bad id in %s", c.Name)
		}
		out = append(out, fmt.Sprintf("%s %d", c.Name, ref.item))
	}
	return strings.Join(out, ", "), m.Value("SyncState"), m.Value("IncludesLastItemInRange") == "true"
}

func TestSyncTellsEachChangeOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	for range 5 {
		r.create(user1, "SendToNone", planning+tomorrow)
	}
	changes, state, last := r.synced(user1, "calendar", "", 2)
	if changes != "Create 5, Create 4" || last {
		t.Errorf("first page: %s, last %v", changes, last)
	}
	changes, state, _ = r.synced(user1, "calendar", state, 2)
	if changes != "Create 3, Create 2" {
		t.Errorf("second page: %s", changes)
	}
	changes, state, last = r.synced(user1, "calendar", state, 2)
	if changes != "Create 1" || !last {
		t.Errorf("third page: %s, last %v", changes, last)
	}
	items := r.s.Calendar(user1)
	if err := r.s.Edit(user1, items[1].ID, func(it *Item) { it.Subject = "x" }); err != nil {
		t.Fatal(err)
	}
	if err := r.s.Remove(user1, items[2].ID); err != nil {
		t.Fatal(err)
	}
	changes, state, _ = r.synced(user1, "calendar", state, 512)
	if changes != "Update 2, Delete 3" {
		t.Errorf("then: %s", changes)
	}
	if changes, _, _ = r.synced(user1, "calendar", state, 512); changes != "" {
		t.Errorf("and nothing again: %s", changes)
	}
}

func TestSyncOfAFlagAndASeries(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendOnlyToAll", `<t:Subject>S</t:Subject>`+tomorrow+attendees("RequiredAttendees", user2)+weekly).Attr("Id")
	_, state, _ := r.synced(user2, "inbox", "", 512)
	letter := r.s.Inbox(user2)[0]
	r.ok(user2, `<m:UpdateItem ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly"><m:ItemChanges><t:ItemChange><t:ItemId Id="`+letter.ID+
		`"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="message:IsRead"/><t:Message><t:IsRead>true</t:IsRead></t:Message></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>`)
	if changes, _, _ := r.synced(user2, "inbox", state, 512); !strings.HasPrefix(changes, "ReadFlagChange") {
		t.Errorf("after reading: %s", changes)
	}
	_, state, _ = r.synced(user1, "calendar", "", 512)
	r.ok(user1, updateOf(occurrenceID(id, 2), "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>x</t:Subject>`)))
	if changes, _, _ := r.synced(user1, "calendar", state, 512); changes != "Update 1" {
		t.Errorf("a changed occurrence: %s", changes)
	}
}

func TestSyncStatesThatAreNotGood(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	_, state, _ := r.synced(user1, "calendar", "", 512)
	_, foreign, _ := r.synced(user2, "calendar", "", 512)
	_, inbox, _ := r.synced(user1, "inbox", "", 512)
	_, hierarchy := "", r.ok(user1, `<m:SyncFolderHierarchy><m:FolderShape>`+shapeOf("IdOnly")+`</m:FolderShape></m:SyncFolderHierarchy>`).Value("SyncState")
	for name, bad := range map[string]string{"rubbish": "AAAA", "no base64": "!", "foreign": foreign, "another folder's": inbox, "hierarchy": hierarchy, "cut": state[:len(state)-4]} {
		m := r.one(user1, syncBody("calendar", bad, 512))
		if got := m.Value("ResponseCode"); got != "ErrorInvalidSyncStateData" {
			t.Errorf("%s: %s", name, got)
		}
		if m.Child("SyncState") == nil || m.Value("SyncState") != "" || m.Value("IncludesLastItemInRange") != "true" {
			t.Errorf("%s: the failure does not claim to be the last page with an empty state", name)
		}
	}
	if got := r.code(user1, syncBody("calendar", state, 512)); got != "NoError" {
		t.Errorf("the good one: %s", got)
	}
	r.s.ForgetSyncStates(user1)
	if got := r.code(user1, syncBody("calendar", state, 512)); got != "ErrorInvalidSyncStateData" {
		t.Errorf("a forgotten one: %s", got)
	}
	for most, want := range map[int]string{0: "ErrorSchemaValidation", 513: "ErrorSchemaValidation"} {
		if got := r.code(user1, syncBody("calendar", "", most)); got != want {
			t.Errorf("%d changes: %s", most, got)
		}
	}
	if got := r.code(user1, syncBody("favorites", "", 5)); got != "ErrorSyncFolderNotFound" {
		t.Errorf("no folder: %s", got)
	}
}

// TestSyncLeadsToTheFolder plays a client that keeps a copy by pages of any
// size while the folder changes, and compares the two in the end.
func TestSyncLeadsToTheFolder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newMailbox(user1, "User")
		have := map[uint64]uint64{} // item -> change number
		state := syncState{box: b.guid, folder: calendarFolder}
		page := func(most int) (last bool) {
			var changes []syncChange
			changes, state, last = b.changes(b.folder(calendarFolder), state, most)
			if s, ok := decodeState(state.encode()); !ok || s != state {
				t.Fatalf("state %+v reads back as %+v", state, s)
			}
			if len(changes) > most {
				t.Fatalf("%d changes, %d at most", len(changes), most)
			}
			for _, c := range changes {
				switch _, known := have[c.gone]; c.element {
				case "Create":
					if _, known := have[c.it.num]; known {
						t.Fatalf("created %d twice", c.it.num)
					}
					have[c.it.num] = c.it.cn
				case "Update":
					if _, known := have[c.it.num]; !known {
						t.Fatalf("updated %d before it was created", c.it.num)
					}
					have[c.it.num] = c.it.cn
				case "Delete":
					_ = known // one that was never seen may be told as deleted
					delete(have, c.gone)
				}
			}
			return last
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			items := b.folder(calendarFolder).items
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				b.add(noon, calendarFolder, &Item{Class: ClassAppointment})
			case 2:
				if len(items) > 0 {
					b.replace(noon, items[rapid.IntRange(0, len(items)-1).Draw(t, "edit")].shallow())
				}
			case 3:
				if len(items) > 0 {
					b.remove(noon, items[rapid.IntRange(0, len(items)-1).Draw(t, "remove")])
				}
			case 4:
				if len(items) > 0 {
					b.move(noon, items[rapid.IntRange(0, len(items)-1).Draw(t, "move")], deletedFolder)
				}
			case 5:
				page(rapid.IntRange(1, 4).Draw(t, "page"))
			}
		}
		for range 3 { // the second run tells what changed during the first
			for !page(rapid.IntRange(1, 7).Draw(t, "last pages")) {
			}
		}
		want := b.folder(calendarFolder).items
		if len(have) != len(want) {
			t.Fatalf("the client has %d items, the folder %d", len(have), len(want))
		}
		for _, it := range want {
			if have[it.num] != it.cn {
				t.Fatalf("item %d: the client has version %d of %d", it.num, have[it.num], it.cn)
			}
		}
	})
}

func TestConcurrentSyncCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	req := &request{s: r.s, as: r.s.names[user1]}
	var leave []func()
	for range 5 {
		l, err := req.enterSync()
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	m := r.one(user1, syncBody("calendar", "", 5))
	if m.Value("ResponseCode") != "ErrorServerBusy" || m.Child("MessageXml") == nil || m.Value("SyncState") != "" {
		t.Errorf("the sixth call at once: %s", m.Value("ResponseCode"))
	}
	if n := r.s.Refusals(user1).SyncCalls; n != 1 {
		t.Errorf("%d calls counted as refused", n)
	}
	for _, l := range leave {
		l()
	}
	if got := r.code(user1, syncBody("calendar", "", 5)); got != "NoError" {
		t.Errorf("later: %s", got)
	}
}

func TestHierarchy(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	body := func(state string) string {
		if state != "" {
			state = "<m:SyncState>" + state + "</m:SyncState>"
		}
		return `<m:SyncFolderHierarchy><m:FolderShape>` + shapeOf("Default") + `</m:FolderShape><m:SyncFolderId><t:DistinguishedFolderId Id="msgfolderroot"/></m:SyncFolderId>` + state + `</m:SyncFolderHierarchy>`
	}
	m := r.ok(user1, body(""))
	if n := len(m.Child("Changes").Children); n != 11 {
		t.Errorf("%d folders at first", n)
	}
	state := m.Value("SyncState")
	m = r.ok(user1, body(state))
	if n := len(m.Child("Changes").Children); n != 0 {
		t.Errorf("%d folders the second time", n)
	}
	id, err := r.s.AddFolder(user1, "Holidays", "IPF.Appointment")
	if err != nil {
		t.Fatal(err)
	}
	m = r.ok(user1, body(m.Value("SyncState")))
	if got := m.Find("Changes", "Create", "CalendarFolder"); got.Value("DisplayName") != "Holidays" || got.Child("FolderId").Attr("Id") != id {
		t.Errorf("the new folder: %v", got)
	}
	if got := r.code(user1, body("AAAA")); got != "ErrorInvalidSyncStateData" {
		t.Errorf("a bad state: %s", got)
	}
	if _, err := r.s.AddFolder("nobody@example.com", "x", ""); err == nil {
		t.Error("a folder for nobody")
	}
	start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	moved, err := r.s.Add(user1, Item{Subject: "Day off", Start: start, End: start})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.s.Move(user1, moved.ID, "Holidays"); err != nil {
		t.Fatal(err)
	}
	if items := r.s.Items(user1, "Holidays"); len(items) != 1 || items[0].Folder != "Holidays" {
		t.Errorf("in it: %+v", items)
	}
}
