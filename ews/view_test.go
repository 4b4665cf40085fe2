package ews

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var viewTimes = regexp.MustCompile(`MaxEntriesReturned="(\d+)" StartDate="([^"]+)" EndDate="([^"]+)"`)

// busyCalendar answers calendar views of an hourly calendar: item n lies from
// hour n to hour n+2, so that each reaches over the next one's start. More
// than three items are too many for one answer: cut, or refused.
func busyCalendar(refuse bool) func(http.ResponseWriter, recorded) {
	origin := utc("2026-11-23T00:00:00Z")
	return func(w http.ResponseWriter, r recorded) {
		m := viewTimes.FindStringSubmatch(r.payload)
		start, end := utc(m[2]), utc(m[3])
		if end.Sub(start) > 731*24*time.Hour {
			soap(w, 200, envelope(failure("FindItem", "ErrorCalendarViewRangeTooBig")))
			return
		}
		var items []string
		for n := range 24 {
			from := origin.Add(time.Duration(n) * time.Hour)
			if from.Before(end) && from.Add(2*time.Hour).After(start) {
				items = append(items, fmt.Sprintf(`<t:CalendarItem><t:ItemId Id="I%02d"/></t:CalendarItem>`, n))
			}
		}
		last := len(items) <= 3
		if !last && refuse {
			soap(w, 200, envelope(failure("FindItem", "ErrorExceededFindCountLimit")))
			return
		}
		soap(w, 200, response("FindItem", fmt.Sprintf(`<m:FindItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:RootFolder TotalItemsInView="%d" IncludesLastItemInRange="%v"><t:Items>%s</t:Items></m:RootFolder></m:FindItemResponseMessage>`,
			len(items), last, strings.Join(items[:min(3, len(items))], ""))))
	}
}

func failure(op, code string) string {
	return fmt.Sprintf(`<m:%[1]sResponse><m:ResponseMessages><m:%[1]sResponseMessage ResponseClass="Error"><m:MessageText>x</m:MessageText><m:ResponseCode>%s</m:ResponseCode></m:%[1]sResponseMessage></m:ResponseMessages></m:%[1]sResponse>`, op, code)
}

// TestViewHalves is about ErrorExceededFindCountLimit and
// IncludesLastItemInRange="false": the time is halved, and what reaches over
// the middle is there once. Over two years, it asks in parts.
func TestViewHalves(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{false, true} {
		g := newRig(t, nil, busyCalendar(refuse))
		from := utc("2026-11-23T00:00:00Z")
		items, err := g.As("user@example.com").View(ctxOf(t), FindItemRequest{Start: from, End: from.AddDate(5, 0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, it := range items {
			ids = append(ids, it.ItemID.ID)
		}
		if len(ids) != 24 || !slices.IsSorted(ids) || ids[0] != "I00" || ids[23] != "I23" {
			t.Errorf("refuse %v: %v", refuse, ids)
		}
		if n := len(g.requests()); n > 120 {
			t.Errorf("%d requests", n)
		}
	}
	g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) {
		soap(w, 200, envelope(failure("FindItem", "ErrorAccessDenied")))
	})
	day := utc("2026-11-23T00:00:00Z")
	_, err := g.As("user@example.com").View(ctxOf(t), FindItemRequest{Start: day, End: day.AddDate(0, 0, 1)})
	wantError(t, err, "ErrorAccessDenied")
	_, err = g.As("user@example.com").View(ctxOf(t), FindItemRequest{Start: day, End: day})
	wantError(t, err, CodeInvalid)
}

var itemIDs = regexp.MustCompile(`<t:ItemId Id="(\w+)"`)

// TestGetItemsStopped is about ErrorBatchProcessingStopped: those items were
// not read, and only they are asked for again. Other failures stay with their
// items.
func TestGetItemsStopped(t *testing.T) {
	t.Parallel()
	asked := map[string]int{}
	g := newRig(t, nil, func(w http.ResponseWriter, r recorded) {
		var b strings.Builder
		for i, m := range itemIDs.FindAllStringSubmatch(r.payload, -1) {
			switch {
			case i >= 4:
				b.WriteString(`<m:GetItemResponseMessage ResponseClass="Warning"><m:MessageText>x</m:MessageText><m:ResponseCode>ErrorBatchProcessingStopped</m:ResponseCode><m:Items/></m:GetItemResponseMessage>`)
				continue
			case m[1] == "gone":
				b.WriteString(`<m:GetItemResponseMessage ResponseClass="Error"><m:ResponseCode>ErrorItemNotFound</m:ResponseCode><m:Items/></m:GetItemResponseMessage>`)
			default:
				fmt.Fprintf(&b, `<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:CalendarItem><t:ItemId Id="%s"/></t:CalendarItem></m:Items></m:GetItemResponseMessage>`, m[1])
			}
			asked[m[1]]++
		}
		soap(w, 200, response("GetItem", b.String()))
	})
	var refs []ItemRef
	for i := range 14 {
		refs = append(refs, ItemID{ID: fmt.Sprintf("i%d", i)}.Ref())
	}
	refs[2].ID = "gone"
	results, err := g.As("user@example.com").GetItems(ctxOf(t), Shape{}, refs...)
	if err != nil || len(results) != len(refs) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		if refs[i].ID == "gone" {
			wantError(t, r.Err, "ErrorItemNotFound")
		} else if r.Err != nil || r.Item.ItemID.ID != refs[i].ID {
			t.Errorf("result %d: %v %v", i, r.Item.ItemID.ID, r.Err)
		}
		if asked[refs[i].ID] != 1 {
			t.Errorf("%s was read %d times", refs[i].ID, asked[refs[i].ID])
		}
	}
}

// TestGetItemsStuck: a server that stops before the first item is not asked
// for ever.
func TestGetItemsStuck(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) {
		soap(w, 200, envelope(failure("GetItem", "ErrorBatchProcessingStopped")))
	})
	results, err := g.As("user@example.com").GetItems(ctxOf(t), Shape{}, ItemID{ID: "a"}.Ref())
	if err != nil || len(results) != 1 || len(g.requests()) != 1 {
		t.Fatalf("%d results, %v, %d requests", len(results), err, len(g.requests()))
	}
	wantError(t, results[0].Err, "ErrorBatchProcessingStopped")
}
