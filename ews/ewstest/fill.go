package ewstest

import (
	"fmt"
	"strings"
	"time"
)

// fill makes the users and their events. They depend on the clock's day only,
// so every run that starts on a day has the same. Neither events nor bodies are
// in memory: they are made from numbers when somebody reads them.
func (s *Server) fill(users, events int) {
	all := &sowing{s: s, now: s.now(), events: max(events, 0), boxes: make([]*mailbox, 0, max(users, 0)), recent: map[*mailbox]*folder{}}
	for n := 1; n <= users; n++ {
		address := fmt.Sprintf("user%04d@%s", n, s.opt.Domain)
		s.AddMailbox(address, fmt.Sprintf("%s %s", firstNames[(n*7)%len(firstNames)], lastNames[(n*11)%len(lastNames)]))
		all.boxes = append(all.boxes, s.names[address])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, b := range all.boxes {
		all.sow(b, n)
	}
}

// guests are the people whom a user invites: some of the neighbours, as they
// stand in an address book elsewhere. All of the user's events share the list.
func (s *Server) guests(now time.Time, n int) []Attendee {
	out := make([]Attendee, 0, s.opt.Attendees)
	for i := range s.opt.Attendees {
		first, last := firstNames[(n+3*i)%len(firstNames)], lastNames[(n*3+7*i)%len(lastNames)]
		a := Attendee{Person: Person{Name: last + ", " + first, Address: strings.ToLower(first+"."+last) + "@partner.example"}, Kind: Required}
		switch i % 4 {
		case 1, 2:
			a.Response, a.Responded = ResponseAccept, now.Add(-29*24*time.Hour)
		case 3:
			a.Kind, a.Response, a.Responded = Optional, ResponseTentative, now.Add(-29*24*time.Hour)
		}
		out = append(out, a)
	}
	return out
}

// sample makes the k-th event of the n-th user: most on a working day within
// four weeks, one of ten a weekly series, one of fifty on a whole day.
func (s *Server) sample(now time.Time, b *mailbox, n, k int) *Item {
	loc := s.zones.location(b.zone)
	day := dayOf(now.In(loc)) + dayNumber((n*13+k*5)%35-7)
	for day.weekday() == time.Sunday || day.weekday() == time.Saturday {
		day++
	}
	clock := time.Duration(8*60+30*((n+3*k)%18)) * time.Minute
	start := at(day, clock, loc)
	it := &Item{
		Class: ClassAppointment, Subject: topics[(n+k*3)%len(topics)], Location: places[(n*3+k)%len(places)],
		Body: Body{Type: "HTML"}, Busy: "Busy", Zone: b.zone, Culture: b.culture, Organizer: b.person(), Reminder: 15,
		Start: start.UTC(), End: start.Add(time.Duration(30+30*(k%2)) * time.Minute).UTC(),
		Created: now.Add(-30 * 24 * time.Hour), seed: uint64(n)<<20 | uint64(k) | 1<<62,
	}
	it.UID = newUID(it.Created, b.guid, uint64(k)+1<<32)
	switch {
	case k%50 == 47:
		it.AllDay, it.Busy = true, "Free"
		it.Start, it.End = at(day, 0, loc).UTC(), at(day+1, 0, loc).UTC()
	case k%10 == 9:
		it.Recurrence = &Recurrence{Pattern: Weekly, Interval: 1, Days: On(day.weekday()), FirstDayOfWeek: time.Monday, Start: day.date()}
	}
	return it
}

var (
	firstNames = []string{"Aiko", "Ben", "Chiyo", "David", "Emi", "Frank", "Grace", "Haruto", "Ines", "Jun", "Kenji", "Lena", "Mei", "Noah", "Olga", "Paul", "Rin", "Sara", "Taro", "Yuki"}
	lastNames  = []string{"Abe", "Berger", "Costa", "Dubois", "Endo", "Fischer", "Garcia", "Hayashi", "Ito", "Jansen", "Kato", "Lopez", "Mori", "Novak", "Okada", "Rossi", "Sato", "Tanaka", "Weber", "Yamada"}
	topics     = []string{"Weekly sync", "Budget review", "Interview", "Design discussion", "1:1", "Sprint planning", "Customer call", "Lunch", "Roadmap", "Retrospective", "定例会議", "All hands"}
	places     = []string{"", "Room 301", "Room 302 (large)", "Phone", "会議室A", "Cafeteria"}
)

// seededBody makes the body that belongs to a number: one or two kilobytes of
// HTML such as people write.
func seededBody(seed uint64) Body {
	var b strings.Builder
	b.WriteString("<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n<body>\r\n")
	x := seed*0x9e3779b97f4a7c15 + 1
	next := func(n int) int {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		return int(x>>1) % n
	}
	for range 4 + next(5) {
		b.WriteString("<p>")
		for i := range 20 + next(20) {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(words[next(len(words))])
		}
		b.WriteString(".</p>\r\n")
	}
	b.WriteString("</body>\r\n</html>\r\n")
	return Body{Type: "HTML", Content: b.String()}
}

var words = strings.Fields(`the a we please agenda notes figures last next week quarter team customer plan review slides draft decision open
	question item list owner date before after send read prepare discuss agree budget release test report risk change small large first second
	short long morning afternoon office remote thanks regards 会議 資料 確認 予定 共有`)
