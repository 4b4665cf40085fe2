package detect

// This file is the registry of meeting services: which hosts, which path
// shapes lead into a meeting, and what else stands on the same hosts. A
// further service is a further row.
//
// hosts, separated by blanks:
//
//	zoom.us      that host
//	.zoom.us     that host and every host below it
//	*.webex.com  hosts below it only
//
// shape, compared segment by segment without regard to case:
//
//	{id}     digits, kept as meeting id ("-" and blanks between them allowed)
//	{room}   anything, kept as meeting id
//	{code}   letters and digits in groups joined by "-", kept as meeting id
//	{token}  letters, digits, "-" and "_", at least 6, not a word in a page's
//	         address such as "download"
//	{any}    anything that is not empty
//	...      any further segments, none as well (only at the end of a path)
//	?KEY     the query has KEY; ?KEY={id} keeps its value
//	#...     the fragment is not empty; #/x/... it begins with that path
//
// The shapes of not are tried before those of join and room. A link to a known
// host that fits none is refused too: precision first.
type provider struct {
	name  string
	hosts string
	join  []string // one meeting
	room  []string // a lasting room: ranks behind a meeting
	not   []refusal

	labels string // of a self-hosted service: the host has one of these, as "meet.example.com" has "meet"
	prefix string // of an organisation's own rule: how the path of a meeting begins
	rule   string // the organisation's rule that this row was made of, by its host
}

// refusal names what else stands on a service's hosts.
type refusal struct{ shape, why string }

const (
	whyDialin   = "a list of dial-in numbers, not a meeting"
	whyHelp     = "a help page, not a meeting"
	whyDownload = "a download page, not a meeting"
	whyRecord   = "a recording, not a meeting"
	whyRegister = "a registration page, not a meeting"
	whyOptions  = "meeting options for the organiser, not a meeting"
	whyChat     = "a chat or channel, not a meeting"
	whyNew      = "a page that starts a new meeting, not this one"
	whyAccount  = "an account page, not a meeting"
	whyBook     = "a page to book a meeting, not the meeting"
	whyCalendar = "a calendar file, not a meeting"
	whyEvent    = "a page about an event, not a meeting"
	whyVideo    = "instructions for video systems, not a meeting"
	whyTest     = "a test meeting"
)

// providers returns the registry, the more particular hosts first.
func providers() []provider {
	return []provider{
		{name: "zoom", hosts: "support.zoom.us support.zoom.com help.zoom.us blog.zoom.us explore.zoom.us docs.zoom.us developers.zoom.us marketplace.zoom.us learn-zoom.us status.zoom.us trust.zoom.us", not: []refusal{{"...", whyHelp}}},
		{name: "zoom", hosts: "scheduler.zoom.us", not: []refusal{{"...", whyBook}}},
		{name: "zoom", hosts: ".zoom.us .zoom.com .zoomgov.com .zoom-x.de .zoom.com.cn",
			join: []string{"/j/{id}", "/j/{any}", "/s/{id}", "/w/{id}", "/wc/join/{id}", "/wc/{id}/join", "/wc/{id}/start", "/wc/{id}", "/w_p/{id}/...", "/ejl/{any}", "/join?confno={id}", "/launch/...", "/skype/{id}"},
			room: []string{"/my/{room}", "/p/{any}"},
			not: []refusal{{"/u/...", whyDialin}, {"/webinar/register/...", whyRegister}, {"/meeting/register/...", whyRegister}, {"/meeting/{any}/ics", whyCalendar}, {"/meeting/attendee/{any}/ics", whyCalendar}, {"/webinar/attendee/{any}/ics", whyCalendar},
				{"/signin", whyAccount}, {"/signup/...", whyAccount}, {"/profile/...", whyAccount}, {"/account/...", whyAccount}, {"/meeting/...", whyAccount}, {"/pricing/...", whyHelp}, {"/clips/...", whyRecord}, {"/ev/...", whyEvent}, {"/zoomconference", whyDialin}, {"/download/...", whyDownload}, {"/client/...", whyDownload}, {"/rec/...", whyRecord}, {"/recording/...", whyRecord},
				{"/test/...", whyTest}, {"/hc/...", whyHelp}, {"/j", "a page that asks for a meeting id"}}},
		{name: "teams", hosts: "teams.microsoft.com teams.cloud.microsoft teams.live.com .teams.microsoft.us teams.microsoftonline.cn",
			join: []string{"/l/meetup-join/...", "/meet/{id}", "/meet/{token}", "/v2?meetingjoin", "/v2#/l/meetup-join/...", "/v2#/meet/...", "/_#/l/meetup-join/...", "/_#/meet/...",
				"/dl/launcher/launcher.html?url", "/light-meetings/launch", "/l/meeting/join/...", "/convene/townhalls?eventid", "/_#/pre-join-calling/...", "/_#/modern-calling/..."},
			not: []refusal{{"/meetingoptions/...", whyOptions}, {"/l/channel/...", whyChat}, {"/l/chat/...", whyChat}, {"/l/message/...", whyChat}, {"/l/team/...", whyChat}, {"/l/invite/...", whyChat}, {"/l/call/...", "a call to people, not a meeting"}, {"/l/meeting/new", whyNew}, {"/registration/...", whyRegister},
				{"/downloads/...", whyDownload}, {"/usp/...", whyDialin}, {"/l/meeting/details", "a calendar entry, not a meeting"}, {"/l/meetingrecap", whyRecord}}},
		{name: "teams", hosts: "dialin.teams.microsoft.com dialin.teams.microsoft.us dialin.teams.cloud.microsoft dialin.cloud.microsoft", not: []refusal{{"/usp/...", "the page that resets a dial-in PIN"}, {"...", whyDialin}}},
		{name: "teams", hosts: "events.teams.microsoft.com", room: []string{"/event/{any}"}},
		{name: "teams", hosts: "msteams.link", join: []string{"/{any}"}},
		{name: "teams", hosts: "aka.ms", not: []refusal{{"/jointeamsmeeting/...", whyHelp}}},
		{name: "webex", hosts: "help.webex.com support.webex.com www.webex.com webex.com blog.webex.com developer.webex.com signin.webex.com status.webex.com idbroker.webex.com",
			not: []refusal{{"/msteams/...", whyVideo}, {"...", whyHelp}}},
		{name: "webex", hosts: "*.webex.com *.webex.com.cn",
			join: []string{"/{any}/j.php?MTID", "/{any}/e.php?MTID", "/{any}/k2/j.php?MTID", "/j.php?MTID", "/wbxmjs/joinservice/...", "/{any}/meetingcenter/meeting/joinintermediate.do/...",
				"/webappng/sites/{any}/meeting/download/...", "/webappng/sites/{any}/webinar/...", "/m/{token}", "/{any}/m/{token}", "/{any}/onstage/g.php?MTID", "/{any}/g.php?MTID", "/wbxmjs/joinservice?MTID"},
			room: []string{"/meet/{room}", "/join/{room}", "/{any}/meet/{room}", "/wbxmjs/joinservice/sites/{any}/meetingroom/...", "/webappng/sites/{any}/meetingroom/..."},
			not: []refusal{{"/{any}/globalcallin.php", whyDialin}, {"/globalcallin.php", whyDialin}, {"/cmp3300/...", whyDialin}, {"/recordingservice/...", whyRecord}, {"/{any}/ldr.php", whyRecord}, {"/{any}/lsr.php", whyRecord},
				{"/webappng/sites/{any}/dashboard/...", whyAccount}, {"/webappng/sites/{any}/meeting/info/...", "a page about a meeting for its organiser"}, {"/webappng/sites/{any}/recording/...", whyRecord}, {"/webappng/sites/{any}/webinar/webinarseries/register/...", whyRegister}, {"/webappng/sites/{any}/meeting/register/...", whyRegister}, {"/webappng/sites/{any}/meeting/home", whyAccount},
				{"/msteams/...", whyVideo}, {"/weblink/register/...", whyRegister}}},
		{name: "webex", hosts: "web.ciscospark.com teams.webex.com", join: []string{"/meet/{any}", "/meeting/{any}", "/meetings/{any}"}, not: []refusal{{"/spaces/...", whyChat}}},
		{name: "webex", hosts: "eurl.io", not: []refusal{{"...", whyChat}}},
		{name: "meet", hosts: "meet.google.com",
			join: []string{"/{code}", "/lookup/{any}", "/_meet/{code}", "/linkredirect?dest"},
			not:  []refusal{{"/new", whyNew}, {"/landing", whyNew}, {"/getalink", whyNew}, {"/about", whyHelp}, {"/tel/...", whyDialin}}},
		{name: "meet", hosts: "tel.meet", not: []refusal{{"...", whyDialin}}},
		{name: "meet", hosts: "stream.meet.google.com", join: []string{"/stream/{any}"}},
		{name: "meet", hosts: "g.co", join: []string{"/meet/{any}"}},
		{name: "meet", hosts: "hangouts.google.com plus.google.com", join: []string{"/hangouts/_/{any}", "/hangouts/_/{any}/...", "/call/{token}"}},
		{name: "gotomeeting", hosts: "global.gotomeeting.com www.gotomeeting.com app.gotomeeting.com www1.gotomeeting.com www2.gotomeeting.com www3.gotomeeting.com www4.gotomeeting.com gotomeeting.com",
			join: []string{"/join/{id}", "/{id}", "/index.html?meetingid={id}"}, room: []string{"/meet/{any}", "/join/{token}"}, not: []refusal{{"/install/...", whyDownload}, {"/features/...", whyHelp}}},
		{name: "gotomeeting", hosts: "transcripts.gotomeeting.com", not: []refusal{{"...", whyRecord}}},
		{name: "gotomeeting", hosts: "support.goto.com support.gotomeeting.com", not: []refusal{{"...", whyHelp}}},
		{name: "gotomeeting", hosts: "meet.goto.com app.goto.com", join: []string{"/{id}", "/meeting/{id}", "/meet/{id}"}, room: []string{"/{any}", "/{any}/{any}"},
			not: []refusal{{"/install/...", whyDownload}, {"/login", whyAccount}, {"/meeting", whyAccount}}},
		{name: "gotomeeting", hosts: ".gotomeet.me .gotomeet.at", join: []string{"/{id}"}, room: []string{"/{any}", "/{any}/{any}"}},
		{name: "gotomeeting", hosts: ".gotowebinar.com attendee.gotowebinar.com", join: []string{"/join/{any}", "/join/{any}/{any}"}, not: []refusal{{"/register/...", whyRegister}, {"/recording/...", whyRecord}}},
		{name: "ringcentral", hosts: "v.ringcentral.com video.ringcentral.com v.ringcentral.eu .rcv.com meetings.btcloudphone.bt.com v.officeathand.att.com",
			join: []string{"/join/{id}", "/join/{any}", "/conf/on/{any}"}, not: []refusal{{"/teleconference", whyDialin}}},
		{name: "ringcentral", hosts: "meetings.ringcentral.com .meetings.ringcentral.com webinar.ringcentral.com .meetzoom.us meetings-officeathand.att.com", join: []string{"/j/{id}", "/s/{id}", "/w/{id}"}, room: []string{"/my/{any}"},
			not: []refusal{{"/teleconference", whyDialin}, {"/u/...", whyDialin}}},
		{name: "jitsi", hosts: "meet.jit.si beta.meet.jit.si framatalk.org meet.ffmuc.net meet.systemli.org calls.disroot.org fairmeeting.net meet.golem.de vc.autistici.org meet.guifi.net kmeet.infomaniak.com meet.element.io rendez-vous.renater.fr webconf.numerique.gouv.fr meet.opensuse.org meet.mayfirst.org meet.evolix.org meet.cyon.tools meet.nerd.re meet.in-berlin.de meet.greenhost.net meet.waag.org", join: []string{"/{room}", "/{any}/{room}"},
			not: []refusal{{"/static/...", whyDialin}, {"/config.js", whyHelp}, {"/libs/...", whyHelp}, {"/home", whyHelp}, {"/{any}.html", whyHelp}}},
		{name: "8x8", hosts: ".8x8.vc 8x8.vc", join: []string{"/{any}/{room}", "/{room}"}, not: []refusal{{"/static/...", whyDialin}}},
		{name: "bigbluebutton", hosts: "demo.bigbluebutton.org .bbbserver.de .bbb.is", join: []string{"/gl/{any}", "/b/{any}", "/rooms/{any}/join", "/rooms/{any}", "/join/{any}", "/{any}/join/{any}"}},
		{name: "bigbluebutton", hosts: "*.senfcall.de *.collocall.de", join: []string{"/{any}", "/b/{any}"}},
		{name: "element", hosts: "call.element.io call.element.dev", join: []string{"/room#/...", "/room/#/...", "/room?roomid", "/{any}"}},
		{name: "livekit", hosts: "meet.livekit.io", join: []string{"/rooms/{any}", "/custom?token"}},
		{name: "lasuite", hosts: "visio.numerique.gouv.fr visio.lasuite.coop meet.lasuite.numerique.gouv.fr", join: []string{"/{code}", "/{token}"}},
		{name: "skype4b", hosts: "meet.lync.com .online.lync.com", join: []string{"/{any}/{any}/{any}", "/{any}/{any}/{any}/{lync}", "/meet/{any}/{any}"}, not: []refusal{{"/dialin/...", whyDialin}}},
		{name: "skype", hosts: "join.skype.com", join: []string{"/{token}", "/invite/{any}"}, not: []refusal{{"/bot/...", whyChat}}},
		{name: "bluejeans", hosts: ".bluejeans.com .bluejeans.us", join: []string{"/{id}", "/{id}/...", "/join/{id}", "/event/{any}", "/a2m/live-event/{any}"}, not: []refusal{{"/numbers", whyDialin}, {"/premium-numbers", whyDialin}, {"/downloads", whyDownload}, {"/111/...", "a test call"}}},
		{name: "bluejeans", hosts: "primetime.bluejeans.com", join: []string{"/a2m/live-event/{any}"}, not: []refusal{{"/a2m/register/...", whyRegister}}},
		{name: "pexip", hosts: ".conf.dfn.de", join: []string{"/webapp#/?conference={id}", "/webapp?conference={id}", "/webapp/conference/{id}", "/webapp/m/{id}", "/webapp3/m/{id}", "/webapp/home?conference={id}"}, not: []refusal{{"/dfnconf/...", whyHelp}}},
		{name: "pexip", hosts: "pexip.me .pexip.me", join: []string{"/meet/{any}"}, not: []refusal{{"/teams/...", whyVideo}}},
		{name: "chime", hosts: "chime.aws .chime.aws", join: []string{"/{id}", "/meetings/{id}"}, room: []string{"/{any}", "/meetings/{any}"}, not: []refusal{{"/dialinnumbers/...", whyDialin}, {"/download", whyDownload}, {"/check/...", whyTest}, {"/home", whyAccount}, {"/conversations/...", whyChat}}},
		{name: "chime", hosts: "aws.amazon.com", not: []refusal{{"/chime/download/...", whyDownload}, {"/chime/dial-in-numbers/...", whyDialin}}},
		{name: "starleaf", hosts: "meet.starleaf.com .meet.starleaf.com", join: []string{"/{id}/...", "/{id}"}},
		{name: "lifesize", hosts: "call.lifesizecloud.com .lifesizecloud.com call.lifesize.com", join: []string{"/{id}", "/call/{id}", "/otherways/{id}"}, not: []refusal{{"/numbers", whyDialin}}},
		{name: "whereby", hosts: ".whereby.com .appear.in", join: []string{"/{room}", "/join/{room}"},
			not: []refusal{{"/information/...", whyHelp}, {"/user/...", whyAccount}, {"/org/...", whyAccount}, {"/blog/...", whyHelp}, {"/pricing", whyHelp}, {"/login", whyAccount}, {"/signup", whyAccount}, {"/download", whyDownload}, {"/sitemap", whyHelp}, {"/", whyHelp}}},
		{name: "tencent", hosts: "meeting.tencent.com .meeting.tencent.com meeting.qq.com", join: []string{"/s/{any}", "/dm/{any}", "/dw/{any}", "/p/{any}", "/l/{any}", "/r/{id}"},
			not: []refusal{{"/download/...", whyDownload}, {"/cw/...", whyRecord}, {"/crm/...", whyRecord}, {"/v2/cloud-record/...", whyRecord}, {"/user-center/...", whyAccount}}},
		{name: "voov", hosts: ".voovmeeting.com", join: []string{"/s/{any}", "/dm/{any}", "/dw/{any}", "/p/{any}", "/l/{any}", "/r/{id}"},
			not: []refusal{{"/download/...", whyDownload}, {"/cw/...", whyRecord}, {"/crm/...", whyRecord}, {"/user-center/...", whyAccount}}},
		{name: "lark", hosts: "*.larksuite.com *.feishu.cn *.larkoffice.com", join: []string{"/j/{id}", "/j/{any}", "/meeting/{any}", "/client/videochat/open?id={id}", "/client/videochat/open?no={id}"},
			not: []refusal{{"/minutes/...", whyRecord}, {"/docx/...", "a document, not a meeting"}, {"/docs/...", "a document, not a meeting"}, {"/wiki/...", "a document, not a meeting"}, {"/invite/...", whyChat}}},
		{name: "lark", hosts: "meetings.feishu.cn meetings.larksuite.com", join: []string{"/s/{any}"}},
		{name: "dingtalk", hosts: "meeting.dingtalk.com vc.dingtalk.com", join: []string{"/j/{any}", "/s/{any}", "/{any}/..."}},
		{name: "dingtalk", hosts: "applink.dingtalk.com", join: []string{"/page/videoconffromcalendar?confid", "/videoconf/join?code"}},
		{name: "zhumu", hosts: ".zhumu.com .zhumu.me", join: []string{"/j/{id}", "/s/{id}"}, not: []refusal{{"/download/...", whyDownload}}},
		{name: "dialpad", hosts: "meetings.dialpad.com dialpad.com", join: []string{"/room/{any}", "/room/{any}/{any}", "/{token}"}, room: []string{"/meetings/{any}"}, not: []refusal{{"/signup/...", whyAccount}, {"/login/...", whyAccount}, {"/features/...", whyHelp}, {"/meetings", whyHelp}}},
		{name: "dialpad", hosts: "meetings.dialpad.com", room: []string{"/{any}"}},
		{name: "dialpad", hosts: "uberconference.com www.uberconference.com", room: []string{"/{any}", "/room/{any}"}, not: []refusal{{"/signup", whyAccount}, {"/pricing", whyHelp}, {"/login", whyAccount}}},
		{name: "freeconferencecall", hosts: "join.freeconferencecall.com hello.freeconference.com www.freeconferencecall.com", join: []string{"/wall/{any}", "/wall/{any}/..."}, room: []string{"/{any}", "/conf/call/{id}"}},
		{name: "vonage", hosts: "meetings.vonage.com", join: []string{"/{id}", "/?room_token", "/{token}"}},
		{name: "vonage", hosts: "freeconferencing.vonage.com", room: []string{"/{any}"}},
		{name: "facetime", hosts: "facetime.apple.com", join: []string{"/join#..."}},
		{name: "slack", hosts: "app.slack.com", join: []string{"/huddle/{any}/{any}"}},
		{name: "discord", hosts: ".discord.com .discordapp.com", join: []string{"/invite/{any}", "/channels/{any}/{any}", "/events/{any}/..."}},
		{name: "discord", hosts: "discord.gg", join: []string{"/{any}", "/invite/{any}"}},
		{name: "gather", hosts: ".gather.town", join: []string{"/app/{any}/{any}", "/app/{any}/{any}/...", "/app/{token}", "/invite?token"}, not: []refusal{{"/blog/...", whyHelp}, {"/pricing", whyHelp}}},
		{name: "around", hosts: ".around.co", join: []string{"/r/{any}"}},
		{name: "tuple", hosts: "tuple.app", join: []string{"/c/{any}"}},
		{name: "pop", hosts: "pop.com", join: []string{"/j/{code}", "/j/{any}"}},
		{name: "livestorm", hosts: "app.livestorm.com app.livestorm.co", join: []string{"/p/{any}/live", "/p/{any}", "/{any}/{any}/live"}},
		{name: "streamyard", hosts: ".streamyard.com", join: []string{"/guest/{any}", "/{token}"}},
		{name: "vimeo", hosts: "venues.vimeo.com", join: []string{"/{id}/{any}", "/{any}"}},
		{name: "vimeo", hosts: "vimeo.com", join: []string{"/showcase/{id}", "/event/{id}", "/event/{id}/..."}},
		{name: "demodesk", hosts: ".demodesk.com", join: []string{"/{token}", "/meet/{any}"}, not: []refusal{{"/product/...", whyHelp}, {"/pricing", whyHelp}}},
		{name: "doxyme", hosts: ".doxy.me", room: []string{"/{any}"}, not: []refusal{{"/en/...", whyHelp}, {"/sign-in", whyAccount}}},
		{name: "zoho", hosts: "cliq.zoho.com cliq.zoho.eu cliq.zoho.in cliq.zoho.com.au cliq.zoho.jp cliq.zoho.sa cliq.zohocloud.ca", join: []string{"/meetings/{any}"}},
		{name: "zoho", hosts: "meeting.zoho.com meeting.zoho.eu meeting.zoho.in meeting.zoho.com.au meeting.zoho.jp meeting.zoho.sa meeting.zohocloud.ca meet.zoho.com meet.zoho.eu meet.zoho.in meet.zoho.com.au meet.zoho.jp meet.zoho.sa meet.zohocloud.ca", join: []string{"/join?key={id}", "/join?key", "/meeting/{any}", "/{code}", "/{token}"}, not: []refusal{{"/register", whyRegister}}},
		{name: "teamviewer", hosts: "go.teamviewer.com", join: []string{"/v15/m{id}", "/v15/{any}", "/m/{any}", "/{any}/m{id}", "/meet/{any}"}},
		{name: "protonmeet", hosts: "meet.proton.me", join: []string{"/join/{any}", "/u/{any}/join/{any}"}},
		{name: "telemost", hosts: "telemost.yandex.ru telemost.yandex.com telemost.360.yandex.ru", join: []string{"/j/{id}"}},
		{name: "meetecho", hosts: ".meetecho.com", join: []string{"/{any}?session", "/{any}?group", "/{any}"}},
		{name: "calcom", hosts: "app.cal.com cal.com", join: []string{"/video/{any}"}},
		{name: "workplace", hosts: ".workplace.com", join: []string{"/groupcall/LINK:{any}", "/groupcall/{any}"}},
		{name: "calcom", hosts: "calendly.com", not: []refusal{{"...", whyBook}}},
		{name: "whatsapp", hosts: "call.whatsapp.com", join: []string{"/voice/{any}", "/video/{any}"}},
		{name: "whatsapp", hosts: "chat.whatsapp.com wa.me", not: []refusal{{"...", whyChat}}},
		{name: "vsee", hosts: ".vsee.com", room: []string{"/c/{any}", "/u/{any}"}},
		{name: "duo", hosts: "duo.app.goo.gl", join: []string{"/{any}"}},
		{name: "duo", hosts: "duo.google.com", join: []string{"/call/{any}", "/invite/{any}", "/{any}"}},
		{name: "ovice", hosts: "*.ovice.in *.ovice.com", room: []string{"/", "/lobby/enter", "/@{any}", "/@{any}/...", "/ws/{any}", "/ws/{any}/...", "/{any}"}, not: []refusal{{"/login", whyAccount}}},
		{name: "reclaim", hosts: "reclaim.ai app.reclaim.ai", join: []string{"/z/{any}/{any}", "/z/{any}"}},
		{name: "gong", hosts: ".join.gong.io", join: []string{"/{any}/{any}", "/{any}/{any}/{any}"}},
		{name: "chorus", hosts: "go.chorus.ai", join: []string{"/{any}"}},
		{name: "blackboard", hosts: ".bbcollab.com", join: []string{"/guest/{any}", "/invite/{any}", "/collab/ui/session/...", "/launch/{any}"}, not: []refusal{{"/recording/...", whyRecord}, {"/collab/ui/session/playback/...", whyRecord}}},
		{name: "userzoom", hosts: "go.userzoom.com", join: []string{"/participate/{any}"}},
		{name: "coscreen", hosts: "join.coscreen.co", join: []string{"/{any}/{any}", "/{any}"}},
		{name: "preply", hosts: "preply.com", join: []string{"/{any}/chat/t-room/{id}", "/{any}/student/{any}/room/{any}"}},
		{name: "venue", hosts: "app.venue.live", join: []string{"/app/{any}"}},
		{name: "teemyco", hosts: "app.teemyco.com", join: []string{"/room/{any}/{any}", "/room/{any}"}},
		{name: "pumble", hosts: "meet.pumble.com", join: []string{"/{code}", "/{any}"}},
		{name: "suitconference", hosts: "*.conference.istesuit.com", join: []string{"/{any}"}},
		{name: "zmpage", hosts: "*.zm.page", room: []string{"/", "/{any}"}},
		{name: "livemeeting", hosts: ".livemeeting.com", join: []string{"/cc/{any}/join?id={room}", "/cc/{any}/meet?id={room}"}},
		// Services without a name of their own in answers.
		{name: "other", hosts: "join.me www.join.me secure.join.me", join: []string{"/{id}"}, room: []string{"/{any}"}, not: []refusal{{"/download", whyDownload}, {"/pricing", whyHelp}, {"/login", whyAccount}, {"/signup", whyAccount}}},
		{name: "other", hosts: "go.blizz.com", join: []string{"/join/{any}"}},
		{name: "other", hosts: "event.demio.com my.demio.com", join: []string{"/ref/{any}"}},
		{name: "other", hosts: "lu.ma luma.com", join: []string{"/join/{any}"}, not: []refusal{{"/{any}", whyEvent}, {"/event/...", whyEvent}}},
		{name: "other", hosts: "jam.systems", room: []string{"/{any}"}},
		{name: "other", hosts: "app.vowel.com", join: []string{"/#/g/{any}", "/g/{any}"}},
		{name: "other", hosts: "www.daily.co docs.daily.co help.daily.co dashboard.daily.co", not: []refusal{{"...", whyHelp}}},
		{name: "other", hosts: "*.daily.co", room: []string{"/{room}"}},
		{name: "other", hosts: "*.adobeconnect.com", room: []string{"/{room}"}, not: []refusal{{"/system/...", whyAccount}, {"/common/...", whyHelp}}},
		{name: "other", hosts: "*.clickmeeting.com", room: []string{"/{room}", "/{room}/{any}"}, not: []refusal{{"/{any}/register", whyRegister}}},
		{name: "other", hosts: "app.alfaview.com", join: []string{"#/join/..."}},
		{name: "other", hosts: "jazz.sber.ru salutejazz.ru", join: []string{"/{any}?psw"}},
		{name: "other", hosts: "*.ktalk.ru", room: []string{"/{token}"}},
		{name: "other", hosts: "vk.com", join: []string{"/call/join/{any}"}},
		{name: "other", hosts: "my.mts-link.ru", join: []string{"/j/{any}/{any}", "/j/{any}/{any}/..."}},
		{name: "other", hosts: "signal.link", join: []string{"/call/#..."}},
		{name: "other", hosts: "riverside.fm", room: []string{"/studio/{any}"}},
		{name: "other", hosts: "jiomeetpro.jio.com jiomeet.jio.com", join: []string{"/shortener?meetingid"}},
		{name: "other", hosts: ".yourcircuit.com", join: []string{"/guest?token", "/guests/{any}"}},
	}
}

// selfHosted are services that stand on any organisation's host: their shapes
// are particular enough to be known by the path alone.
func selfHosted() []provider {
	return []provider{
		{name: "bigbluebutton", join: []string{"/b/{bbb}", "/rooms/{bbb}/join", "/rooms/{bbb}", "/bigbluebutton/api/join?checksum", "/{any}/rooms/{bbb}/join", "/gl/{bbb}", "/meeting/signin/{any}/creator/{any}/hash/{any}", "/meeting/signin/invite/{any}/creator/{any}/hash/{any}"}, not: []refusal{{"/playback/...", whyRecord}}},
		{name: "pexip", join: []string{"/webapp/conference/{room}", "/webapp/m/{room}/...", "/webapp3/m/{room}/...", "/webapp#/?conference={room}", "/webapp?conference={room}", "/webapp/home?conference={room}", "/webapp2/conference/{room}", "/webapp3/conference/{room}"}, not: []refusal{{"/teams?conf", whyVideo}}},
		{name: "cms", join: []string{"/invited.sf?id={id}", "/invited.sf?id", "/meeting/{id}?secret", "/join/{id}?secret"}},
		{name: "cms", labels: "cms meet join video vc webbridge conf", join: []string{"/meeting/{id}"}},
		{name: "nextcloudtalk", join: []string{"/index.php/call/{room}"}},
		{name: "nextcloudtalk", labels: "cloud nextcloud nc talk", join: []string{"/call/{talk}"}},
		{name: "skype4b", labels: "meet lync skype join", join: []string{"/{any}/{lync}", "/meet/{any}/{lync}", "/{any}/meet/{lync}"}},
		{name: "lasuite", labels: "visio", join: []string{"/{code}"}},
		{name: "jitsi", labels: "jitsi", join: []string{"/{room}"}},
		{name: "element", labels: "call", join: []string{"/room#/...", "/room/#/..."}},
	}
}
