package detect

import (
	"fmt"
	"strings"
)

// htmlBody is an invented invitation as a mail program writes it.
type htmlBody struct {
	name, html, url string
}

// htmlBodies invents invitations of 5 to 200 KB: what people write, as the
// program that they write with marks it up, and the join block of a service at
// its end. Nothing in them is out of anybody's mail.
func htmlBodies() []htmlBody {
	teams := "https://teams.microsoft.com/l/meetup-join/19%3ameeting_TmV2ZXJVc2VkSW5BbnlNYWlsMDAwMDAwMDAwMDAw%40thread.v2/0?context=%7b%22Tid%22%3a%2200000000-0000-4000-8000-000000000001%22%2c%22Oid%22%3a%2200000000-0000-4000-8000-000000000002%22%7d"
	zoom := "https://example.zoom.us/j/81230000001?pwd=bm90QVJlYWxQYXNzd29yZA.1"
	meet := "https://meet.google.com/abc-mnop-xyz"
	var all []htmlBody
	for _, paragraphs := range []int{8, 60, 260} {
		kind := func(name string) string { return fmt.Sprintf("%s-%d", name, paragraphs) }
		all = append(all,
			htmlBody{kind("word"), wordBody(paragraphs, teamsBlock(teams)), teams},
			htmlBody{kind("thread"), threadBody(paragraphs, teamsBlock(teams)), teams},
			htmlBody{kind("gmail"), gmailBody(paragraphs, meet), meet},
			htmlBody{kind("zoom"), zoomBody(paragraphs, zoom), zoom})
	}
	return all
}

// sentence invents the n-th sentence of a mail.
func sentence(n int) string {
	who := [...]string{"Ann", "Bo", "Mr Ito", "Frau Weiß", "the board", "our colleagues in Łódź", "everybody who travels", "the editor"}
	what := [...]string{"brings the figures for the second quarter", "asks for the draft by Thursday at 10:30", "has moved the rehearsal to room 4", "would like to hear what the workshop came to", "sends the parts list (items 12 to 40)", "is away until the 14th, please write to ann@example.com", "wonders whether 3,500 copies are enough"}
	why := [...]string{"because the printers close early", "so that nobody has to wait", "as agreed last week", "which is fine with us", "and thanks all of you for the effort", "if that suits the others as well"}
	return fmt.Sprintf("%s %s, %s.", who[n%len(who)], what[n*5%len(what)], why[n*7%len(why)])
}

// wordHead is the style sheet that Word puts in front of every mail.
func wordHead() string {
	var s strings.Builder
	s.WriteString(`<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:w="urn:schemas-microsoft-com:office:word" xmlns:m="http://schemas.microsoft.com/office/2004/12/omml" xmlns="http://www.w3.org/TR/REC-html40">` + "\r\n<head>\r\n" +
		`<meta http-equiv="Content-Type" content="text/html; charset=utf-8">` + "\r\n" + `<meta name="Generator" content="Microsoft Word 15 (filtered medium)">` + "\r\n" +
		"<!--[if !mso]><style>v\\:* {behavior:url(#default#VML);}\r\no\\:* {behavior:url(#default#VML);}\r\nw\\:* {behavior:url(#default#VML);}\r\n</style><![endif]--><style><!--\r\n/* Font Definitions */\r\n")
	for _, font := range []string{"Cambria Math", "Calibri", "Segoe UI", "Yu Gothic"} {
		fmt.Fprintf(&s, "@font-face\r\n\t{font-family:%q;\r\n\tpanose-1:2 15 5 2 2 2 4 3 2 4;}\r\n", font)
	}
	s.WriteString("/* Style Definitions */\r\np.MsoNormal, li.MsoNormal, div.MsoNormal\r\n\t{margin:0cm;\r\n\tfont-size:11.0pt;\r\n\tfont-family:\"Calibri\",sans-serif;}\r\na:link, span.MsoHyperlink\r\n\t{mso-style-priority:99;\r\n\tcolor:blue;\r\n\ttext-decoration:underline;}\r\n")
	for i := range 9 {
		fmt.Fprintf(&s, "@list l0:level%d\r\n\t{mso-level-number-format:bullet;\r\n\tmso-level-text:o;\r\n\tmso-level-tab-stop:none;\r\n\tmso-level-number-position:left;\r\n\ttext-indent:-18.0pt;\r\n\tfont-family:\"Courier New\";}\r\n", i+1)
	}
	s.WriteString("--></style><!--[if gte mso 9]><xml>\r\n<o:shapedefaults v:ext=\"edit\" spidmax=\"1026\" />\r\n</xml><![endif]--></head>\r\n<body lang=\"EN-GB\" link=\"blue\" vlink=\"purple\" style=\"word-wrap:break-word\">\r\n<div class=\"WordSection1\">\r\n")
	return s.String()
}

// wordParagraphs are what somebody typed into Outlook.
func wordParagraphs(s *strings.Builder, n int) {
	for i := range n {
		switch i % 7 {
		case 3:
			fmt.Fprintf(s, "<p class=\"MsoListParagraph\" style=\"margin-left:36.0pt;text-indent:-18.0pt;mso-list:l0 level1 lfo1\"><![if !supportLists]><span style=\"font-family:Symbol;mso-fareast-font-family:Symbol\"><span style=\"mso-list:Ignore\">·<span style=\"font:7.0pt &quot;Times New Roman&quot;\">&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;&nbsp; </span></span></span><![endif]><span lang=\"EN-GB\">%s<o:p></o:p></span></p>\r\n", sentence(i))
		case 5:
			fmt.Fprintf(s, "<p class=\"MsoNormal\"><span lang=\"EN-GB\" style=\"font-size:11.0pt;font-family:&quot;Calibri&quot;,sans-serif;color:#1F497D\">%s See <a href=\"https://files.example.com/sites/plans/Shared%%20Documents/%d/draft.docx?web=1\"><span lang=\"EN-GB\" style=\"color:#0563C1\">the draft</span></a> &amp; the notes.<o:p></o:p></span></p>\r\n", sentence(i), i)
		case 6:
			s.WriteString("<p class=\"MsoNormal\"><span lang=\"EN-GB\" style=\"mso-fareast-language:EN-US\"><o:p>&nbsp;</o:p></span></p>\r\n")
		default:
			fmt.Fprintf(s, "<p class=\"MsoNormal\" style=\"margin-bottom:12.0pt\"><span lang=\"EN-GB\" style=\"font-size:11.0pt;font-family:&quot;Calibri&quot;,sans-serif;color:#1F497D;mso-fareast-language:EN-US\">%s %s<o:p></o:p></span></p>\r\n", sentence(i), sentence(i+1))
		}
	}
}

func wordBody(paragraphs int, block string) string {
	var s strings.Builder
	s.WriteString(wordHead())
	wordParagraphs(&s, paragraphs)
	s.WriteString(block)
	s.WriteString("</div>\r\n</body>\r\n</html>\r\n")
	return s.String()
}

// threadBody is a meeting made out of a mail: answers upon answers below it.
func threadBody(paragraphs int, block string) string {
	var s strings.Builder
	s.WriteString(wordHead())
	s.WriteString(block)
	for level := range 4 {
		fmt.Fprintf(&s, "<div style=\"border:none;border-left:solid blue 1.5pt;padding:0cm 0cm 0cm 4.0pt\"><div><div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm\"><p class=\"MsoNormal\"><b><span lang=\"EN-US\" style=\"mso-fareast-language:DE\">From:</span></b><span lang=\"EN-US\" style=\"mso-fareast-language:DE\"> Ann Example &lt;ann@example.com&gt; <br><b>Sent:</b> Monday, 2 March 2026 0%d:15<br><b>To:</b> Bo Example &lt;bo@example.org&gt;; Ito &lt;ito@example.net&gt;<br><b>Subject:</b> RE: Figures<o:p></o:p></span></p></div></div>", level+1)
		wordParagraphs(&s, paragraphs/4)
	}
	s.WriteString(strings.Repeat("</div>", 4) + "</div>\r\n</body>\r\n</html>\r\n")
	return s.String()
}

// teamsBlock is a join block in the manner of Teams.
func teamsBlock(url string) string {
	href := strings.ReplaceAll(url, "&", "&amp;")
	return `<div style="max-width:520px; color:#242424; font-family:'Segoe UI','Helvetica Neue',Helvetica,Arial,sans-serif" class="me-email-text"><div style="margin-bottom:24px; overflow:hidden; white-space:nowrap">________________________________________________________________________________</div><div style="margin-bottom:12px"><span class="me-email-text" style="font-size:24px; font-weight:700; margin-right:12px">Microsoft Teams</span> <a id="meet_invite_block.action.help" class="me-email-link" style="font-size:14px; text-decoration:underline; color:#5B5FC7" href="https://aka.ms/JoinTeamsMeeting?omkt=en-US">Need help?</a></div><div style="margin-bottom:6px"><a id="meet_invite_block.action.join_link" title="Meeting join link" class="me-email-headline" style="font-size:20px; font-weight:600; text-decoration:underline; color:#5B5FC7" href="` + href +
		`" target="_blank" rel="noreferrer noopener">Join the meeting now</a></div><div style="margin-bottom:6px"><span class="me-email-text-secondary" style="font-size:14px; color:#616161">Meeting ID: </span><span class="me-email-text" style="font-size:14px; color:#242424">210 000 000 001</span></div><div style="margin-bottom:32px"><span class="me-email-text-secondary" style="font-size:14px; color:#616161">Passcode: </span><span class="me-email-text" style="font-size:14px; color:#242424">aB1cD2</span></div><div style="margin-bottom:12px"><span class="me-email-text" style="font-size:14px; font-weight:700">Dial in by phone</span></div><div style="margin-bottom:6px"><a class="me-email-link" style="font-size:14px" href="tel:+4930000000000,,123456789#">+49 30 000000000,,123456789#</a> <span>Germany, Berlin</span></div><div style="margin-bottom:6px"><span>Phone conference ID: </span><span>123 456 789#</span></div><div>For organizers: <a href="https://teams.microsoft.com/meetingOptions/?organizerId=0&amp;tenantId=0">Meeting options</a> | <a href="https://dialin.teams.microsoft.com/usp/pstnconferencing">Reset dial-in PIN</a></div></div>` + "\r\n"
}

// gmailBody is what Gmail and Google Calendar write.
func gmailBody(paragraphs int, url string) string {
	var s strings.Builder
	s.WriteString(`<div dir="ltr"><div class="gmail_default" style="font-family:arial,helvetica,sans-serif">`)
	for i := range paragraphs {
		if i%6 == 5 {
			fmt.Fprintf(&s, `<div><ul><li style="margin-left:15px"><a href="https://www.google.com/url?q=https://docs.example.com/document/d/%d/edit&amp;source=calendar&amp;sa=D&amp;ust=1770000000000&amp;usg=AOvVaw0" target="_blank" data-saferedirecturl="https://www.google.com/url?q=https://docs.example.com/document/d/%d/edit">Notes</a></li><li>%s</li></ul></div>`, i, i, sentence(i))
			continue
		}
		fmt.Fprintf(&s, `<div style="color:rgb(34,34,34);font-size:small"><span class="gmail_default" style="font-family:arial,helvetica,sans-serif"></span>%s&nbsp;%s<br></div><div><br></div>`, sentence(i), sentence(i+2))
	}
	fmt.Fprintf(&s, `<table border="0" cellpadding="0" cellspacing="0" role="presentation" style="width:100%%"><tr><td style="font-family:Roboto,sans-serif;font-size:14px;padding:8px 0"><h2 class="primary-text" style="font-size:14px;color:#3c4043;font-weight:700;margin:0">Join with Google Meet</h2></td></tr><tr><td><a href="%[1]s" class="primary-button-text" style="color:#1a73e8;text-decoration:none" target="_blank">Join</a></td></tr><tr><td><h2 class="secondary-text">Meeting link</h2><div><a class="accent-text" href="%[1]s" target="_blank">meet.google.com/abc-mnop-xyz</a></div></td></tr><tr><td><h2 class="secondary-text">Join by phone</h2><div><span>(US)</span> <a href="tel:+1-305-555-0100">+1 305-555-0100</a><br>PIN: 123456789#</div><div><a href="https://tel.meet/abc-mnop-xyz?pin=1230000000000">More phone numbers</a></div></td></tr></table></div></div>`, url)
	return s.String()
}

// zoomBody is an invitation as a room system's or Zoom's own mail has it:
// tables in tables, and the list of numbers.
func zoomBody(paragraphs int, url string) string {
	var s strings.Builder
	s.WriteString("<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>Invitation</title><style type=\"text/css\">\n")
	for i := range 30 {
		fmt.Fprintf(&s, ".c%d td, .c%d p { margin:0; padding:%dpx 0; line-height:1.5; color:#232333; }\n@media only screen and (max-width:%dpx) { .c%d { width:100%% !important; } }\n", i, i, i, 480+i, i)
	}
	s.WriteString("</style></head><body><table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tbody>\n")
	for i := range paragraphs {
		fmt.Fprintf(&s, "<tr><td align=\"left\" valign=\"top\" style=\"padding: 0px 32px 16px 32px; font-family: Lato, Helvetica, Arial, sans-serif; font-size: 16px; line-height: 24px; color: #232333;\" class=\"c%d\">\n  <p style=\"margin: 0px;\">%s</p>\n</td></tr>\n", i%30, sentence(i))
	}
	fmt.Fprintf(&s, "<tr><td>Ann Example is inviting you to a scheduled Zoom meeting.<br><br>Join Zoom Meeting<br><a href=\"%[1]s\">%[1]s</a><br><br>Meeting ID: 812 3000 0001<br>Passcode: 123456<br><br>---<br><br>One tap mobile<br>+13055550100,,81230000001#,,,,*123456# US<br><br>---<br><br>Dial by your location<br>\n", url)
	for i := range 20 {
		fmt.Fprintf(&s, "&bull; +1 305 555 01%02d US<br>\n", i)
	}
	s.WriteString("<br>Find your local number: <a href=\"https://example.zoom.us/u/kabc\">https://example.zoom.us/u/kabc</a><br><br>Join by SIP<br>81230000001@zoomcrc.com</td></tr></tbody></table></body></html>")
	return s.String()
}
