package ewstest

import (
	"strings"
	"testing"
	"time"
)

// attached is an appointment with a file and an image that its body shows.
func attached(body Body) Item {
	return Item{
		Subject: "with files", Start: noon.AddDate(0, 0, 1), End: noon.AddDate(0, 0, 1).Add(time.Hour), Body: body,
		Attachments: []Attachment{
			{Name: "agenda.pdf", ContentType: "application/pdf", Size: 5000},
			{Name: "image001.png", ContentType: "image/png", Size: 700, Inline: true, ContentID: "image001.png@01"},
		},
	}
}

const shownImage = `<html><body><p>Agenda <img src="cid:image001.png@01"></p></body></html>`

// shownAttachments reads what a client sees of them: each file by its name, an
// inline one in brackets, behind what HasAttachments says.
func (r *rig) shownAttachments(mailbox, id string) string {
	r.t.Helper()
	it := r.get(mailbox, id, "item:HasAttachments", "item:Attachments")
	out := []string{it.Value("HasAttachments")}
	for a := range it.Child("Attachments").All("FileAttachment") {
		name := a.Value("Name")
		if a.Value("IsInline") == "true" {
			name = "[" + name + "]"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// TestAttachmentsAndBodies: a file lives through every change of the body, by
// appending and by writing it anew; an inline image that the new body does not
// show is a file from then on where the server looks at bodies.
func TestAttachmentsAndBodies(t *testing.T) {
	t.Parallel()
	appendBody := `<t:AppendToItemField><t:FieldURI FieldURI="item:Body"/><t:CalendarItem><t:Body BodyType="HTML">&lt;p&gt;Join&lt;/p&gt;</t:Body></t:CalendarItem></t:AppendToItemField>`
	set := func(html string) string {
		return setField("item:Body", `<t:Body BodyType="HTML">`+strings.NewReplacer("<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(html)+`</t:Body>`)
	}
	const whole, loose = "true agenda.pdf [image001.png]", "true agenda.pdf image001.png"
	lossy := &Profile{AppendToRTF: &Append{Text: true, Links: true}}
	keeps := &Profile{AppendToRTF: &Append{Text: true, Links: true, Attachments: true}}
	for name, c := range map[string]struct {
		dialect Dialect
		profile *Profile
		rtf     bool
		change  string
		want    string
	}{
		"append":                   {Exchange2019, nil, false, appendBody, whole},
		"append to RTF":            {Exchange2016, nil, true, appendBody, whole},
		"append to RTF, lossy":     {Exchange2019, lossy, true, appendBody, "false"},
		"append to RTF, no images": {Exchange2019, keeps, true, appendBody, "true agenda.pdf"},
		"append to HTML, lossy":    {Exchange2019, lossy, false, appendBody, whole},
		"rewrite with the image":   {Exchange2013, nil, false, set(shownImage + "<p>Join</p>"), whole},
		"rewrite without":          {ExchangeSE, nil, false, set("<p>Join</p>"), loose},
		"rewrite of RTF":           {Exchange2019, nil, true, set("<p>Join</p>"), loose},
		"rewrite, gromox":          {Gromox, nil, false, set("<p>Join</p>"), whole},
		"another property":         {Exchange2019, lossy, true, setField("item:Subject", "<t:Subject>x</t:Subject>"), whole},
	} {
		r := newRig(t, Options{Dialect: c.dialect, Profile: c.profile})
		made, err := r.s.Add(user1, attached(Body{Type: "HTML", RTF: c.rtf, Content: shownImage}))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.shownAttachments(user1, made.ID); got != whole {
			t.Errorf("%s: before it shows %q", name, got)
		}
		r.ok(user1, updateOf(`<t:ItemId Id="`+made.ID+`"/>`, "AlwaysOverwrite", "SendToNone", c.change))
		if got := r.shownAttachments(user1, made.ID); got != c.want {
			t.Errorf("%s: it shows %q, want %q", name, got, c.want)
		}
	}
}

// TestInlineImagesAreNoAttachments: an item with a logo in its signature has no
// paper clip.
func TestInlineImagesAreNoAttachments(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	it := attached(Body{Type: "HTML", Content: shownImage})
	it.Attachments = it.Attachments[1:]
	made, err := r.s.Add(user1, it)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.shownAttachments(user1, made.ID); got != "false [image001.png]" {
		t.Errorf("it shows %q", got)
	}
}

// TestAttachmentsTravel: with the invitation, into the calendar of an attendee
// and not into that of a room, unless somebody has told the room to keep them.
func TestAttachmentsTravel(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	keeps := DefaultRoom()
	keeps.DeleteAttachments = false
	r.s.AddMailbox("open@example.com", "Open", AsRoom(keeps))
	made, err := r.s.Add(user1, attached(Body{Type: "HTML", Content: shownImage}))
	if err != nil {
		t.Fatal(err)
	}
	r.ok(user1, updateOf(`<t:ItemId Id="`+made.ID+`"/>`, "AlwaysOverwrite", "SendToAllAndSaveCopy",
		setField("calendar:RequiredAttendees", attendees("RequiredAttendees", user2)), setField("calendar:Resources", attendees("Resources", room, "open@example.com"))))
	for box, want := range map[string]string{user2: "true agenda.pdf [image001.png]", room: "false", "open@example.com": "true agenda.pdf [image001.png]"} {
		items := r.s.Calendar(box)
		if len(items) != 1 {
			t.Fatalf("%s has %d items", box, len(items))
		}
		if got := r.shownAttachments(box, items[0].ID); got != want {
			t.Errorf("%s sees %q, want %q", box, got, want)
		}
	}
	in := r.s.Inbox(user2)
	if len(in) != 1 {
		t.Fatalf("%d invitations", len(in))
	}
	if got := r.shownAttachments(user2, in[0].ID); got != "true agenda.pdf [image001.png]" {
		t.Errorf("the invitation shows %q", got)
	}
}
