package foreign

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// TestDavMail goes round by CalDAV: curl puts a meeting into DavMail, which puts
// it into the simulator's calendar, and gets it back the same way.
func TestDavMail(t *testing.T) {
	t.Parallel()
	need(t, "davmail", "/usr/bin/davmail")
	need(t, "default-jre-headless", "/usr/bin/java")
	need(t, "curl", curl)
	s := startSimulator(t)
	dir, host := t.TempDir(), newHost(t)
	properties := write(t, dir, "davmail.properties", fmt.Sprintf(davmailProperties, s.url, host, dir))
	c := exec.Command("/usr/bin/davmail", "-server", properties)
	c.Dir, c.Env = dir, environment("HOME="+dir, "JAVA_TOOL_OPTIONS=-Djava.awt.headless=true -XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
	p := start(t, "davmail", c)
	dav := net.JoinHostPort(host, "1080")
	if err := p.listens(dav); err != nil {
		t.Fatal(err)
	}

	calendar := "http://" + dav + "/users/" + user(1) + "/calendar/"
	ask := func(method, url string, more ...string) (status, answer string) {
		t.Helper()
		out := filepath.Join(dir, "answer")
		args := append([]string{"-q", "--silent", "--show-error", "--noproxy", "*", "--user", user(1) + ":" + password, "--request", method,
			"--output", out, "--write-out", "%{http_code}"}, more...)
		c := exec.Command(curl, append(args, url)...)
		c.Env = environment("HOME=" + dir)
		write(t, dir, "answer", "")
		return run(t, c), read(t, out)
	}
	begin := time.Now().UTC().Truncate(time.Hour).Add(48 * time.Hour)
	event := write(t, dir, "event.ics", strings.ReplaceAll(fmt.Sprintf(icalendar, begin.Format("20060102T150405Z"), begin.Add(time.Hour).Format("20060102T150405Z"), user(1), user(2)), "\n", "\r\n"))
	query := write(t, dir, "query.xml", `<?xml version="1.0" encoding="utf-8"?><C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter></C:calendar-query>`)
	xml := []string{"--header", "Content-Type: text/xml; charset=utf-8", "--header", "Depth: 1"}

	check := func(operation, wantStatus, wantText, status, answer string) {
		t.Helper()
		if !strings.Contains(wantStatus, status) || !strings.Contains(answer, wantText) {
			t.Errorf("operation %s: status %s, want %s and %q in:\n%s", operation, status, wantStatus, wantText, answer)
		}
	}
	status, answer := ask("PUT", calendar+"story-1.ics", "--header", "Content-Type: text/calendar; charset=utf-8", "--header", "If-None-Match: *", "--data-binary", "@"+event)
	check("PUT", "201", "", status, answer)

	me := s.as(t, user(1))
	page, err := me.FindItem(limited(t), ews.FindItemRequest{Shape: ews.ViewShape(), Start: begin.Add(-time.Hour), End: begin.Add(2 * time.Hour)})
	if err != nil || len(page.Items) != 1 || page.Items[0].Subject != "From CalDAV" || !page.Items[0].Start.Equal(begin) {
		t.Errorf("operation PUT: the calendar holds %+v, %v", page.Items, err)
	}

	status, answer = ask("PROPFIND", calendar, append(xml, "--data", `<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:getetag/><D:getcontenttype/></D:prop></D:propfind>`)...)
	check("PROPFIND", "207", ".EML", status, strings.ReplaceAll(answer, ".ics", ".EML"))
	status, answer = ask("REPORT", calendar, append(xml, "--data-binary", "@"+query)...)
	check("REPORT", "207", "From CalDAV", status, answer)
	href := between(answer, "<D:href>", "</D:href>")
	if href == "" {
		t.Fatalf("operation REPORT: no address in\n%s", answer)
	}
	item := "http://" + dav + href
	status, answer = ask("GET", item)
	check("GET", "200", "From CalDAV", status, answer)
	check("GET", "200", "Room 7", status, answer)
	status, answer = ask("DELETE", item)
	check("DELETE", "200 204", "", status, answer)
	status, answer = ask("GET", item)
	check("GET after DELETE", "404", "", status, answer)
	if page, err := me.FindItem(limited(t), ews.FindItemRequest{Shape: ews.ViewShape(), Start: begin.Add(-time.Hour), End: begin.Add(2 * time.Hour)}); err != nil || len(page.Items) != 0 {
		t.Errorf("operation DELETE: the calendar still holds %+v, %v", page.Items, err)
	}
}

// between returns what lies between the first pair of two texts.
func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, found := strings.Cut(s, after)
	if !found {
		return ""
	}
	return s
}

const davmailProperties = `davmail.server=true
davmail.mode=EWS
davmail.url=%s
davmail.bindAddress=%s
davmail.caldavPort=1080
davmail.imapPort=
davmail.smtpPort=
davmail.popPort=
davmail.ldapPort=
davmail.allowRemote=false
davmail.disableUpdateCheck=true
davmail.enableKeepAlive=false
davmail.logFilePath=%s/davmail.log
davmail.ssl.nosecurecaldav=false
log4j.logger.davmail=INFO
log4j.rootLogger=WARN
`

const icalendar = `BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Koyomi//Test//EN
BEGIN:VEVENT
UID:koyomi-story-1
DTSTAMP:20261101T120000Z
DTSTART:%s
DTEND:%s
SUMMARY:From CalDAV
LOCATION:Room 7
DESCRIPTION:Figures\nand words
ORGANIZER:MAILTO:%s
ATTENDEE;PARTSTAT=NEEDS-ACTION:MAILTO:%s
END:VEVENT
END:VCALENDAR
`
