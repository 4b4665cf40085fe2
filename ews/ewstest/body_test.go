package ewstest

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func TestBodyForms(t *testing.T) {
	t.Parallel()
	for html, want := range map[string]string{
		"<html><head><title>x</title><style>p{}</style></head><body><p>One</p><p>Two &amp; <b>three</b></p></body></html>": "One\r\nTwo & three",
		`<a href="https://x.example/?a=1&amp;b=2">Join</a> <a href="https://y.example">https://y.example</a>`:              "Join<https://x.example/?a=1&b=2> https://y.example",
		"a<br>b<!-- gone --><script>alert(1)</script>c":                                                                    "a\r\nbc",
		"<table><tr><td>1</td><td> 2</td></tr></table>a < b":                                                               "1 2\r\na < b",
		"":               "",
		"<p>unfinished":  "unfinished",
		"x <y":           "x <y",
		"<a href=\"z\">": "",
	} {
		if got := htmlToText(html); got != want {
			t.Errorf("%s\n got %q\nwant %q", html, got, want)
		}
	}
	if got := textToHTML("a < b\r\nc"); !strings.Contains(got, `<div class="PlainText">a &lt; b<br>`+"\r\n"+`c</div>`) {
		t.Errorf("text as HTML: %s", got)
	}
}

func TestBodyTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	html := r.create(user1, "SendToNone", `<t:Body BodyType="HTML">&lt;p&gt;Long enough&lt;/p&gt;</t:Body>`+tomorrow).Attr("Id")
	text := r.create(user1, "SendToNone", `<t:Body BodyType="Text">plain</t:Body>`+tomorrow).Attr("Id")
	for _, tc := range []struct{ id, ask, kind, want string }{
		{html, "Best", "HTML", "<p>Long enough</p>"}, {html, "HTML", "HTML", "<p>Long enough</p>"}, {html, "Text", "Text", "Long enough"},
		{text, "Best", "Text", "plain"}, {text, "Text", "Text", "plain"},
	} {
		m := r.ok(user1, `<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:BodyType>`+tc.ask+`</t:BodyType><t:AdditionalProperties><t:FieldURI FieldURI="item:Body"/></t:AdditionalProperties></m:ItemShape><m:ItemIds><t:ItemId Id="`+tc.id+`"/></m:ItemIds></m:GetItem>`)
		it, _ := itemOf(m)
		if b := it.Child("Body"); b.Text != tc.want || b.Attr("BodyType") != tc.kind {
			t.Errorf("%s of %s: %s %q", tc.ask, tc.want, b.Attr("BodyType"), b.Text)
		}
	}
	m := r.ok(user1, `<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:BodyType>Text</t:BodyType><t:MaximumBodySize>4</t:MaximumBodySize><t:AdditionalProperties><t:FieldURI FieldURI="item:Body"/><t:FieldURI FieldURI="item:Preview"/></t:AdditionalProperties></m:ItemShape><m:ItemIds><t:ItemId Id="`+html+`"/></m:ItemIds></m:GetItem>`)
	it, _ := itemOf(m)
	if b := it.Child("Body"); b.Text != "Long" || b.Attr("IsTruncated") != "true" || it.Value("Preview") != "Long enough" {
		t.Errorf("cut: %q %s", b.Text, b.Attr("IsTruncated"))
	}
	if got := r.code(user1, `<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:BodyType>RTF</t:BodyType></m:ItemShape><m:ItemIds><t:ItemId Id="`+html+`"/></m:ItemIds></m:GetItem>`); got != "ErrorSchemaValidation" {
		t.Errorf("RTF: %s", got)
	}
}

func TestRewriteAsOutlook(t *testing.T) {
	t.Parallel()
	in := `<html><head><style>.j{color:red}</style></head><body class="x"><!-- begin --><div id="k" data-k="1" style="display:none">Join the meeting</div>` +
		`<p class="j">Über&nbsp;uns &lt;b&gt; <strong>now</strong>   and <a class="l" href="https://join.example/?a=1&amp;b=2" target="_blank">https://join.example/?a=1&amp;b=2</a></p>` +
		`<ul><li>one<li>two</ul><img src="cid:logo" width="3" alt="Logo">` + strings.Repeat("word ", 40) + `<script>x()</script></body></html>`
	out := RewriteAsOutlook(in)
	for _, gone := range []string{"<!-- begin", `id="k"`, "data-k", "display:none", `class="j"`, `class="l"`, "target=", "x()", "<strong", "width=", "ü", "Ü"} {
		if strings.Contains(out, gone) {
			t.Errorf("%q is still there", gone)
		}
	}
	for _, kept := range []string{
		`<p class="MsoNormal">Join the meeting<o:p></o:p></p>`, `&#220;ber&nbsp;uns &lt;b&gt; <b>now</b> and <a href="https://join.example/?a=1&amp;b=2">https://join.example/?a=1&amp;b=2</a>`,
		`<p class="MsoNormal">one<o:p></o:p></p>`, `<img src="cid:logo" alt="Logo">`, "Microsoft Word 15",
	} {
		if !strings.Contains(out, kept) {
			t.Errorf("%q is lost in\n%s", kept, out)
		}
	}
	if a, b := htmlToText(in), htmlToText(out); strings.Join(strings.Fields(a), " ") != strings.Join(strings.Fields(b), " ") {
		t.Errorf("the visible text changed:\n%q\n%q", a, b)
	}
	for line := range strings.Lines(out) {
		if len(line) > 500 {
			t.Errorf("a line of %d bytes was not broken", len(line))
		}
	}
	if again := RewriteAsOutlook(out); again != out {
		t.Errorf("a second time it changes:\n%s\n%s", out, again)
	}
}

func TestFillIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	a, b := newRig(t, Options{Users: 5, EventsPerUser: 50}), newRig(t, Options{Users: 5, EventsPerUser: 50})
	kinds := map[string]int{}
	for _, box := range a.s.Mailboxes() {
		x, y := a.s.Calendar(box), b.s.Calendar(box)
		if box != room && len(x) != 50 {
			t.Errorf("%s has %d events", box, len(x))
		}
		for i := range x {
			if x[i].Body.Content == "" || x[i].Body != y[i].Body || x[i].Subject != y[i].Subject || !x[i].Start.Equal(y[i].Start) || x[i].ID != y[i].ID || x[i].UID != y[i].UID {
				t.Errorf("event %d of %s differs", i, box)
			}
			switch {
			case x[i].Recurrence != nil:
				kinds["series"]++
			case x[i].AllDay:
				kinds["all day"]++
			case x[i].IsMeeting() && x[i].IsOrganizer():
				kinds["called"]++
			case x[i].IsMeeting():
				kinds["attended"]++
			}
		}
	}
	if kinds["series"] != 25 || kinds["all day"] != 5 || kinds["called"] != kinds["attended"] || kinds["called"] < 15 {
		t.Errorf("there are %v", kinds)
	}
	if len(a.s.Mails()) != 0 {
		t.Error("filling sent mail")
	}
}

func TestMime(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", `<t:Subject>A, b; c</t:Subject><t:Body BodyType="HTML">&lt;p&gt;x&lt;/p&gt;&lt;p&gt;`+strings.Repeat("y", 100)+`&lt;/p&gt;</t:Body>`+tomorrow+
		attendees("RequiredAttendees", user2)+attendees("Resources", room)+weekly).Attr("Id")
	m := r.ok(user1, `<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent></m:ItemShape><m:ItemIds><t:ItemId Id="`+id+`"/></m:ItemIds></m:GetItem>`)
	it, _ := itemOf(m)
	raw, err := base64.StdEncoding.DecodeString(it.Value("MimeContent"))
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.ReplaceAll(string(raw), "\r\n ", "")
	for _, want := range []string{"BEGIN:VEVENT", `SUMMARY;LANGUAGE=en-US:A\, b\; c`, "RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=TU;WKST=SU;COUNT=5", "DTSTART;TZID=UTC:20261124T100000", "ROLE=NON-PARTICIPANT", `DESCRIPTION;LANGUAGE=en-US:x\nyyy`, "ORGANIZER;CN="} {
		if !strings.Contains(plain, want) {
			t.Errorf("no %q in\n%s", want, plain)
		}
	}
	for line := range strings.Lines(string(raw)) {
		if len(line) > 77 && !strings.HasPrefix(line, "Content") {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	for rule, rec := range map[string]Recurrence{
		"FREQ=DAILY;INTERVAL=2;UNTIL=20261201T235959Z": {Pattern: Daily, Interval: 2, End: day(2026, 12, 1)},
		"FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=3":         {Pattern: AbsoluteMonthly, DayOfMonth: 3},
		"FREQ=MONTHLY;INTERVAL=1;BYDAY=FR;BYSETPOS=-1": {Pattern: RelativeMonthly, Days: On(time.Friday), Index: 5},
		"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29":          {Pattern: AbsoluteYearly, Month: 2, DayOfMonth: 29},
		"FREQ=YEARLY;BYMONTH=11;BYDAY=TH;BYSETPOS=4":   {Pattern: RelativeYearly, Month: 11, Days: On(time.Thursday), Index: 4},
	} {
		if got := icalRule(&rec); got != rule {
			t.Errorf("%s, want %s", got, rule)
		}
	}
}

func TestDirectEdits(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	it, err := r.s.Add(user1, Item{Subject: "S", Start: noon, End: noon.Add(time.Hour), Recurrence: &Recurrence{Pattern: Daily, Start: DateOf(noon), Count: 3}})
	if err != nil {
		t.Fatal(err)
	}
	seen := r.s.View(user1, noon, noon.AddDate(0, 0, 5))
	if len(seen) != 3 {
		t.Fatalf("%d occurrences", len(seen))
	}
	if err := r.s.Edit(user1, seen[1].ID, func(i *Item) { i.Subject, i.Start, i.End = "X", i.Start.Add(time.Hour), i.End.Add(time.Hour) }); err != nil {
		t.Fatal(err)
	}
	if err := r.s.Remove(user1, seen[2].ID); err != nil {
		t.Fatal(err)
	}
	seen = r.s.View(user1, noon, noon.AddDate(0, 0, 5))
	if len(seen) != 2 || seen[1].Subject != "X" || seen[1].Occurrence != "Exception" || !seen[1].Start.Equal(noon.AddDate(0, 0, 1).Add(time.Hour)) {
		t.Errorf("then %+v", seen)
	}
	if one, ok := r.s.Item(seen[1].ID); !ok || one.Subject != "X" {
		t.Errorf("by its id: %+v", one)
	}
	for what, err := range map[string]error{
		"edit another's": r.s.Edit(user2, it.ID, func(*Item) {}), "remove another's": r.s.Remove(user2, it.ID), "edit nothing": r.s.Edit(user1, "x", func(*Item) {}),
		"move an occurrence": second(r.s.Move(user1, seen[0].ID, "inbox")), "move to nowhere": second(r.s.Move(user1, it.ID, "nowhere")),
		"add to nobody": second(r.s.Add("nobody@example.com", Item{})), "add nonsense": second(r.s.Add(user1, Item{Recurrence: &Recurrence{}})),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	mine := r.s.Calendar(user1)
	mine[0].Recurrence.Count = 99
	mine[0].Exceptions[0].Item.Subject = "Y"
	if again := r.s.Calendar(user1)[0]; again.Recurrence.Count == 99 || again.Exceptions[0].Item.Subject == "Y" {
		t.Error("what a test does to its copy changes the store")
	}
	if _, ok := r.s.Item("x"); ok || r.s.Calendar("nobody@example.com") != nil || r.s.View("nobody@example.com", noon, noon) != nil || r.s.Items(user1, "nowhere") != nil {
		t.Error("something exists that should not")
	}
}

func second[T any](_ T, err error) error { return err }
