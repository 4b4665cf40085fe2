package ews

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEnvelopesSchema makes the calls whose options TestVariantsSchema leaves
// out, as the account itself and for mailboxes with odd addresses, by both
// versions of the schema that the client speaks, and validates the whole of
// each envelope, headers included.
func TestEnvelopesSchema(t *testing.T) {
	t.Parallel()
	docs := map[string]string{}
	for _, version := range []string{version2013SP1, version2013} {
		g := newRig(t, nil, func(w http.ResponseWriter, r recorded) {
			if strings.Contains(r.payload, version2013SP1) && version == version2013 {
				soap(w, http.StatusInternalServerError, transcript(t, "fault_version"))
				return
			}
			soap(w, http.StatusOK, envelope("<m:Nothing/>"))
		})
		for who, address := range map[string]string{"account": "", "user": "user@example.com", "odd": `o'brien&"co"<x>@example.com`} {
			for _, call := range everyRequest() {
				call(ctxOf(t), g.As(address))
			}
			for _, call := range otherVariants() {
				call(ctxOf(t), g.As(address))
			}
			for i, r := range g.requests() {
				docs[fmt.Sprintf("%s-%s-%03d-%s", version, who, i, r.op)] = r.payload
			}
		}
	}
	spoken, ops := map[string]int{}, map[string]bool{}
	for name, doc := range docs {
		for _, v := range []string{version2013SP1, version2013} {
			if strings.Contains(doc, `Version="`+v+`"`) {
				spoken[v]++
			}
		}
		ops[name[strings.LastIndexByte(name, '-')+1:]] = true
	}
	if len(docs) < 300 || len(spoken) != 2 || len(ops) != 12 {
		t.Errorf("%d documents of %d operations: %v", len(docs), len(ops), spoken)
	}
	validateEnvelopes(t, docs)
}

// otherVariants are calls with each value of each option that is not one of
// an item.
func otherVariants() []func(context.Context, *Mailbox) {
	day := utc("2026-11-23T00:00:00Z")
	folders := []FolderRef{
		{}, {Owner: "o@example.com"}, {Distinguished: "inbox"}, {Distinguished: "deleteditems", Owner: "o@example.com"},
		{Distinguished: "root"}, {Distinguished: "msgfolderroot"}, {ID: FolderID{ID: "F"}}, {ID: FolderID{ID: "F", ChangeKey: "K"}},
	}
	var list []func(context.Context, *Mailbox)
	add := func(call func(ctx context.Context, m *Mailbox)) { list = append(list, call) }
	formats := []IDFormat{EwsLegacyID, EwsID, EntryID, HexEntryID, StoreID, OwaID}
	for _, to := range formats {
		add(func(ctx context.Context, m *Mailbox) {
			var ids []AlternateID
			for _, from := range formats {
				ids = append(ids, AlternateID{from, "AAMk=", "user@example.com"})
			}
			m.ConvertId(ctx, to, ids...)
		})
	}
	for _, f := range folders {
		add(func(ctx context.Context, m *Mailbox) { m.GetFolder(ctx, FolderFields(), f, f) })
		add(func(ctx context.Context, m *Mailbox) {
			m.FindItem(ctx, FindItemRequest{Folder: f, Shape: ViewShape(), Start: day, End: day.Add(1500 * time.Millisecond), Max: 1})
		})
		add(func(ctx context.Context, m *Mailbox) {
			m.SyncFolderItems(ctx, SyncFolderItemsRequest{Folder: f, State: "H4sI+/==", Max: 1, Ignore: []ItemID{{ID: "A"}}})
		})
		add(func(ctx context.Context, m *Mailbox) {
			m.Subscribe(ctx, SubscribeRequest{Folders: []FolderRef{f, f}, Events: []EventType{Created, Modified, Deleted, Moved, Copied, NewMail, FreeBusyChanged}})
		})
		add(func(ctx context.Context, m *Mailbox) {
			m.CreateItem(ctx, CreateItemRequest{Folder: f, Send: SendOnlyToAll, Items: []CalendarItem{{Start: day, End: day.Add(time.Hour)}}})
		})
	}
	for _, timeout := range []time.Duration{0, time.Second, time.Minute, 29*time.Minute + time.Second, 30 * time.Minute, 24 * time.Hour} {
		add(func(ctx context.Context, m *Mailbox) {
			for range m.GetStreamingEvents(ctx, []string{"A+/=", "B<&>"}, timeout) {
				return
			}
		})
	}
	for _, conflict := range []ConflictResolution{"", NeverOverwrite, AutoResolve, AlwaysOverwrite} {
		add(func(ctx context.Context, m *Mailbox) {
			m.UpdateItem(ctx, UpdateItemRequest{Conflict: conflict, Changes: []ItemChange{{Item: ItemID{ID: "A"}.Ref(), Updates: []FieldUpdate{Delete(Field("item:Categories"))}}}})
		})
	}
	for _, interval := range []time.Duration{0, time.Minute, 5 * time.Minute, 24 * time.Hour, 48 * time.Hour} {
		add(func(ctx context.Context, m *Mailbox) {
			m.GetUserAvailability(ctx, AvailabilityRequest{Mailboxes: []string{`o'brien&"co"<x>@example.com`, "b@example.com"}, From: day, To: day.AddDate(0, 0, 1), Interval: interval})
		})
	}
	add(func(ctx context.Context, m *Mailbox) { m.GetUserOofSettings(ctx, `o'brien&"co"<x>@example.com`) })
	add(func(ctx context.Context, m *Mailbox) { m.Unsubscribe(ctx, `a<&">`) })
	return list
}

// validateEnvelopes holds whole envelopes against the published schema and the
// part of it that the simulator's tests add for what is around it.
func validateEnvelopes(t *testing.T, docs map[string]string) {
	t.Helper()
	from := os.Getenv("KOYOMI_SCHEMA")
	if from == "" {
		t.Skip("skipped: not here: KOYOMI_SCHEMA does not name the folder of the schema")
	}
	dir := t.TempDir()
	linkSchema(t, from, dir)
	own, err := filepath.Glob(filepath.Join("ewstest", "testdata", "*.xsd"))
	if err != nil || len(own) == 0 {
		t.Fatalf("no schema in ewstest/testdata: %v", err)
	}
	for _, name := range own {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--noout", "--nonet", "--schema", filepath.Join(dir, "envelope.xsd")}
	for name, doc := range docs {
		path := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command("xmllint", args...).CombinedOutput()
	good := strings.Count(string(out), " validates\n")
	if err == nil && good == len(docs) {
		t.Logf("%d envelopes validate", good)
		return
	}
	shown := 0
	for line := range strings.Lines(string(out)) {
		if !strings.HasSuffix(line, " validates\n") && shown < 20 {
			shown++
			t.Errorf("%.500s", strings.TrimPrefix(line, dir+"/"))
		}
	}
	t.Fatalf("%d of %d envelopes validate: %v", good, len(docs), err)
}
