package ewstest

import (
	"slices"
	"strconv"
	"strings"
)

// Attachment is a file that hangs on an item ([MS-OXWSCORE] 2.2.4.22,
// FileAttachmentType). What is in it is not played.
type Attachment struct {
	Name        string
	ContentType string // "application/octet-stream" where empty
	Size        int    // bytes
	// Inline is an image that the body shows by "cid:" and ContentID. It does
	// not count for HasAttachments.
	Inline    bool
	ContentID string
}

// hasAttachments is what clients show a paper clip for.
func (it *Item) hasAttachments() bool {
	return slices.ContainsFunc(it.Attachments, func(a Attachment) bool { return !a.Inline })
}

// attachments writes the list of them, without what is in them.
func (v *view) attachments() {
	if len(v.it.Attachments) == 0 {
		return
	}
	id := v.box.itemRef(v.it).encode()
	v.w.Start("t:Attachments")
	for i, a := range v.it.Attachments {
		v.w.Start("t:FileAttachment")
		v.w.Leaf("t:AttachmentId", "", "Id", id+attachmentMark+strconv.Itoa(i))
		v.w.Leaf("t:Name", a.Name)
		v.w.Leaf("t:ContentType", orElse(a.ContentType, "application/octet-stream"))
		if a.ContentID != "" {
			v.w.Leaf("t:ContentId", a.ContentID)
		}
		v.w.Leaf("t:Size", strconv.Itoa(a.Size))
		v.w.Leaf("t:LastModifiedTime", v.r.stamp(v.it.Created))
		v.w.Leaf("t:IsInline", strconv.FormatBool(a.Inline))
		v.w.End()
	}
	v.w.End()
}

// attachmentMark stands between the id of an item and the number of one of its
// attachments: a letter that base64 does not have.
const attachmentMark = "-"

// shown settles what becomes of the attachments of an item when its body has
// been written anew. Files stay. An image that the new body does not show any
// more is a file like others from then on where the server looks at the body,
// as Exchange does; gromox leaves the flag as it was set.
func (c *change) shown() {
	if c.r.s.traits.poorBodies || !slices.ContainsFunc(c.it.Attachments, func(a Attachment) bool { return a.Inline }) {
		return
	}
	body := c.it.body().Content
	c.it.Attachments = slices.Clone(c.it.Attachments)
	for i := range c.it.Attachments {
		if a := &c.it.Attachments[i]; a.Inline && !strings.Contains(body, "cid:"+a.ContentID) {
			a.Inline = false
		}
	}
}

// left drops what an append to a body in RTF does not leave of the attachments.
func (c *change) left(kept Append) {
	c.it.Attachments = slices.DeleteFunc(slices.Clone(c.it.Attachments), func(a Attachment) bool {
		return a.Inline && !kept.Images || !a.Inline && !kept.Attachments
	})
}
