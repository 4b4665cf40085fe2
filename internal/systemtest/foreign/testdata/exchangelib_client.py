"""Keeps a calendar with exchangelib and prints for each operation "ok NAME" or
"FAILED NAME WHY". usage: exchangelib_client.py URL basic|ntlm USER PASSWORD ORGANIZER ATTENDEE"""
import datetime
import sys
import threading
import time
import traceback

from exchangelib import (BASIC, DELEGATE, IMPERSONATION, NTLM, Account, CalendarItem, Configuration, Credentials, EWSDate, EWSDateTime,
                         EWSTimeZone, HTMLBody, OofSettings)
from exchangelib.items import SEND_TO_ALL_AND_SAVE_COPY, MeetingRequest
from exchangelib.recurrence import Recurrence, WeeklyPattern

url, auth, user, password, organizer, attendee = sys.argv[1:7]
zone = EWSTimeZone('Europe/Vienna')
year = datetime.date.today().year + 1


def account(address, login=user, access=IMPERSONATION):
    config = Configuration(service_endpoint=url, credentials=Credentials(login, password), auth_type={'basic': BASIC, 'ntlm': NTLM}[auth])
    return Account(address, config=config, autodiscover=False, access_type=access, default_timezone=zone)


def at(day, hour, minute=0):
    return EWSDateTime(year, 3, day, hour, minute, tzinfo=zone)


def same(got, want):
    if got != want:
        raise AssertionError(f'{got!r} is not {want!r}')


class Operations:
    def sign_in(self):
        self.a, self.b = account(organizer), account(attendee)
        same(self.a.version.build.major_version, 15)
        same(self.a.calendar.total_count, 0)

    def create(self):
        CalendarItem(account=self.a, folder=self.a.calendar, subject='Budget', location='Room 7', body=HTMLBody('<p>Figures</p>'), start=at(2, 9), end=at(2, 10),
                     required_attendees=[attendee]).save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        mine, theirs = self.a.calendar.get(subject='Budget'), self.b.calendar.get(subject='Budget')
        same((theirs.uid, theirs.start, theirs.location), (mine.uid, at(2, 9), 'Room 7'))
        same([type(m) for m in self.b.inbox.all()], [MeetingRequest])

    def update(self):
        item = self.a.calendar.get(subject='Budget')
        item.body, item.start, item.end = HTMLBody('<p>Figures</p><p>https://join.example/1</p>'), at(2, 10), at(2, 11)
        item.save(update_fields=['body', 'start', 'end'], send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        theirs = self.b.calendar.get(subject='Budget')
        same(('https://join.example/1' in theirs.body, theirs.start), (True, at(2, 10)))
        same(self.b.inbox.all().count(), 2)

    def series(self):
        CalendarItem(account=self.a, folder=self.a.calendar, subject='Weekly', start=at(4, 9), end=at(4, 10), required_attendees=[attendee],
                     recurrence=Recurrence(pattern=WeeklyPattern(interval=1, weekdays=[at(4, 9).strftime('%A')]), start=EWSDate(year, 3, 4), number=4),
                     ).save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        # The clock changes within it, and nine o'clock stays nine o'clock.
        same([i.start for i in self.a.calendar.view(start=at(3, 0), end=at(31, 0)) if i.subject == 'Weekly'], [at(4 + 7 * n, 9) for n in range(4)])

    def exceptions(self):
        second = self.a.calendar.get(subject='Weekly').occurrence(index=2)
        second.refresh()
        second.start, second.end = at(11, 14), at(11, 15)
        second.save(update_fields=['start', 'end'], send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        third = self.a.calendar.get(subject='Weekly').occurrence(index=3)
        third.refresh()
        third.delete(send_meeting_cancellations=SEND_TO_ALL_AND_SAVE_COPY)
        master = self.a.calendar.get(subject='Weekly')
        same((len(master.modified_occurrences), len(master.deleted_occurrences)), (1, 1))
        for box in (self.a, self.b):
            starts = sorted(i.start for i in box.calendar.view(start=at(3, 0), end=at(31, 0)) if i.subject == 'Weekly')
            same(starts, [at(4, 9), at(11, 14), at(25, 9)])

    def sync(self):
        same(sorted(kind for kind, _ in self.a.calendar.sync_items()), ['create', 'create'])
        item = self.a.calendar.get(subject='Budget')
        item.location = 'Room 8'
        item.save(update_fields=['location'], send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
        same([(kind, i.subject) for kind, i in self.a.calendar.sync_items()], [('update', 'Budget')])
        same(list(self.a.calendar.sync_items()), [])

    def free_busy(self):
        info = list(self.a.protocol.get_free_busy_info(accounts=[(self.b, 'Required', False)], start=at(2, 0), end=at(3, 0),
                                                       merged_free_busy_interval=60, requested_view='DetailedMerged'))
        same([v.merged for v in info], ['0' * 10 + '1' + '0' * 13])
        same([e.busy_type for e in info[0].calendar_events], ['Tentative'])

    def out_of_office(self):
        self.a.oof_settings = OofSettings(state=OofSettings.ENABLED, external_audience='None', internal_reply='back on Monday', external_reply='away')
        same((self.a.oof_settings.state, self.a.oof_settings.internal_reply), ('Enabled', 'back on Monday'))

    def stream(self):
        subscription = self.a.calendar.subscribe_to_streaming()
        other = account(organizer, organizer, DELEGATE)  # the stream takes the first login's only connection

        def change():
            time.sleep(0.3)
            CalendarItem(account=other, folder=other.calendar, subject='From elsewhere', start=at(3, 9), end=at(3, 10)).save()
        writer = threading.Thread(target=change)
        writer.start()
        kinds = [type(e).__name__ for n in self.a.calendar.get_streaming_events(subscription, connection_timeout=1, max_notifications_returned=1) for e in n.events]
        writer.join()
        same('CreatedEvent' in kinds, True)
        self.a.calendar.unsubscribe(subscription)

    def delete(self):
        self.a.calendar.get(subject='Budget').delete(send_meeting_cancellations=SEND_TO_ALL_AND_SAVE_COPY)
        same(self.a.calendar.filter(subject='Budget').count(), 0)
        same(self.b.calendar.get(subject='Canceled: Budget').is_cancelled, True)


o, failed = Operations(), False
for name in [n for n in vars(Operations) if not n.startswith('_')]:
    try:
        getattr(o, name)()
        print('ok', name, flush=True)
    except Exception as e:
        failed = True
        print('FAILED', name, type(e).__name__, str(e).replace('\n', ' ')[:400], flush=True)
        traceback.print_exc()
sys.exit(1 if failed else 0)
