"""Uses a server as exchangelib does, and says for each step whether it went
well. usage: with_exchangelib.py URL USER PASSWORD ORGANIZER ATTENDEE ROOM"""
import datetime
import sys
import threading
import traceback

from exchangelib import (BASIC, DELEGATE, IMPERSONATION, Account, CalendarItem, Configuration, Credentials, EWSDate, EWSDateTime, EWSTimeZone,
                         ExtendedProperty, HTMLBody, Message, OofSettings)
from exchangelib.items import SEND_TO_ALL_AND_SAVE_COPY, SEND_TO_NONE, MeetingRequest, MeetingResponse
from exchangelib.recurrence import Recurrence, WeeklyPattern

url, user, password, organizer, attendee, room = sys.argv[1:7]


class Join(ExtendedProperty):
    distinguished_property_set_id = 'PublicStrings'
    property_name = 'KoyomiJoin'
    property_type = 'String'


class Goid(ExtendedProperty):
    distinguished_property_set_id = 'Meeting'
    property_id = 35
    property_type = 'Binary'


CalendarItem.register('join', Join)
CalendarItem.register('goid', Goid)
berlin = EWSTimeZone('Europe/Berlin')


def account(mailbox, login=user, access=IMPERSONATION):
    config = Configuration(service_endpoint=url, credentials=Credentials(login, password), auth_type=BASIC)
    return Account(mailbox, config=config, autodiscover=False, access_type=access, default_timezone=berlin)


a, b, c = account(organizer), account(attendee), account(room)
steps = []


def step(f):
    steps.append(f)
    return f


def at(day, hour):
    return EWSDateTime(2026, 12, day, hour, 0, tzinfo=berlin)


def same(got, want):
    if got != want:
        raise AssertionError(f'got {got!r}, want {want!r}')


def meeting():
    return a.calendar.get(subject='Planning')


@step
def version():
    same(str(a.version).startswith('Build='), True)


@step
def settings():
    same(a.oof_settings.state, 'Disabled')
    a.oof_settings = OofSettings(state=OofSettings.SCHEDULED, external_audience='All', start=at(1, 0), end=at(3, 0), internal_reply='away', external_reply='gone')
    same((a.oof_settings.state, a.oof_settings.internal_reply), ('Scheduled', 'away'))


@step
def create():
    CalendarItem(account=a, folder=a.calendar, subject='Planning', location='@meet', body=HTMLBody('<p>Agenda</p>'), start=at(1, 10), end=at(1, 11),
                 required_attendees=[attendee], resources=[room]).save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
    i, j, k = meeting(), b.calendar.get(subject='Planning'), c.calendar.all()[0]
    same((i.meeting_request_was_sent, i.my_response_type, i.resources[0].response_type), (True, 'Organizer', 'Accept'))
    same((j.uid, j.goid, j.my_response_type, j.organizer.email_address, j.body), (i.uid, i.goid, 'NoResponseReceived', organizer, '<p>Agenda</p>'))
    same((k.subject, k.body), (i.organizer.name, None))
    same([type(m) for m in b.inbox.all()], [MeetingRequest])
    same([type(m) for m in a.inbox.all()], [MeetingResponse])


@step
def update():
    i = meeting()
    i.body, i.join = HTMLBody('<p>Agenda</p><p>Join</p>'), 'https://join.example/1'
    i.save(update_fields=['body', 'join'], send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
    same(meeting().join, 'https://join.example/1')
    j = b.calendar.get(subject='Planning')
    same((j.body, j.join), ('<p>Agenda</p><p>Join</p>', None))
    same(b.inbox.all().count(), 2)


@step
def conflict():
    stale = meeting()
    fresh = meeting()
    fresh.location = 'Room 2'
    fresh.save(update_fields=['location'], send_meeting_invitations=SEND_TO_NONE)
    from exchangelib.items import NEVER_OVERWRITE
    try:
        stale.save(update_fields=['location'], conflict_resolution=NEVER_OVERWRITE, send_meeting_invitations=SEND_TO_NONE)
    except Exception as e:
        same(type(e).__name__, 'ErrorIrresolvableConflict')
    else:
        raise AssertionError('a stale change key was taken')


@step
def accept():
    [m for m in b.inbox.all() if isinstance(m, MeetingRequest)][0].accept(body='fine')
    same(meeting().required_attendees[0].response_type, 'Accept')
    same(b.calendar.get(subject='Planning').my_response_type, 'Accept')


@step
def search():
    same([i.subject for i in b.calendar.filter(goid=meeting().goid)], ['Planning'])
    same([i.subject for i in b.calendar.filter(subject__contains='lann')], ['Planning'])


@step
def series():
    CalendarItem(account=a, folder=a.calendar, subject='Series', start=at(7, 9), end=at(7, 10), required_attendees=[attendee],
                 recurrence=Recurrence(pattern=WeeklyPattern(interval=1, weekdays=['Monday', 'Wednesday']), start=EWSDate(2026, 12, 7), number=4),
                 ).save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
    o = a.calendar.get(subject='Series').occurrence(index=2)
    o.refresh()
    o.start, o.end, o.subject = o.start + datetime.timedelta(hours=1), o.end + datetime.timedelta(hours=1), 'Moved'
    o.save(update_fields=['start', 'end', 'subject'], send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
    o = a.calendar.get(subject='Series').occurrence(index=3)
    o.refresh()
    o.delete(send_meeting_cancellations=SEND_TO_ALL_AND_SAVE_COPY)
    m = a.calendar.get(subject='Series')
    same((len(m.modified_occurrences), len(m.deleted_occurrences)), (1, 1))
    seen = [(i.subject, i.start) for i in a.calendar.view(start=at(6, 0), end=at(20, 0))]
    same(seen, [('Series', at(7, 9)), ('Moved', at(9, 10)), ('Series', at(16, 9))])
    same([i.type for i in b.calendar.view(start=at(6, 0), end=at(20, 0))], ['Occurrence', 'Exception', 'Exception', 'Occurrence'])


@step
def free_busy():
    info = list(a.protocol.get_free_busy_info(accounts=[(a, 'Organizer', False), (b, 'Required', False)], start=at(1, 0), end=at(2, 0),
                                              merged_free_busy_interval=60, requested_view='DetailedMerged'))
    same([v.merged for v in info], ['0' * 10 + '2' + '0' * 13] * 2)


@step
def time_zones():
    same(len(list(a.protocol.get_timezones(return_full_timezone_data=True))) > 100, True)


@step
def folders():
    same(a.calendar.parent.name, 'Top of Information Store')
    same(len(list(a.root.sync_hierarchy())) > 5, True)


@step
def sync():
    before = len(list(a.calendar.sync_items()))
    CalendarItem(account=a, folder=a.calendar, subject='One more', start=at(2, 10), end=at(2, 11)).save()
    same(([kind for kind, _ in a.calendar.sync_items()], before > 0), (['create'], True))


@step
def all_day():
    CalendarItem(account=a, folder=a.calendar, subject='Day off', is_all_day=True, start=EWSDate(2026, 12, 24), end=EWSDate(2026, 12, 24)).save()
    i = a.calendar.get(subject='Day off')
    same((i.start, i.end), (EWSDate(2026, 12, 24), EWSDate(2026, 12, 24)))


@step
def mail():
    Message(account=a, folder=a.sent, subject='Hello', body='text', to_recipients=[attendee]).send_and_save()
    same([m.body for m in b.inbox.filter(subject='Hello')], ['text'])


@step
def bulk():
    made = a.bulk_create(folder=a.calendar, items=[CalendarItem(folder=a.calendar, subject=f'bulk {i}', start=at(3, 10), end=at(3, 11)) for i in range(30)])
    same(len(made), 30)
    a.calendar.get(subject='bulk 1').move(a.trash)
    same([i.subject for i in a.trash.all()], ['bulk 1'])
    a.bulk_delete(a.calendar.filter(subject__startswith='bulk').values_list('id', 'changekey'), send_meeting_cancellations=SEND_TO_NONE)
    same(a.calendar.filter(subject__startswith='bulk').count(), 0)


@step
def cancel():
    meeting().cancel(new_body='sorry')
    j = b.calendar.get(subject='Canceled: Planning')
    same(j.is_cancelled, True)


@step
def decline():
    b.calendar.get(subject='Series').decline()
    same(a.calendar.get(subject='Series').required_attendees[0].response_type, 'Decline')


@step
def stream():
    own = account(organizer, login=organizer, access=DELEGATE)
    sid = a.calendar.subscribe_to_streaming()
    later = threading.Timer(0.5, lambda: CalendarItem(account=own, folder=own.calendar, subject='New', start=at(4, 10), end=at(4, 11)).save())
    later.start()
    kinds = [type(e).__name__ for n in a.calendar.get_streaming_events(sid, connection_timeout=1, max_notifications_returned=1) for e in n.events]
    later.join()
    same(kinds[0], 'CreatedEvent')
    a.calendar.unsubscribe(sid)


failed = 0
for f in steps:
    try:
        f()
        print('ok', f.__name__)
    except Exception as e:
        failed += 1
        print('FAILED', f.__name__, type(e).__name__, str(e)[:500])
        traceback.print_exc()
sys.exit(1 if failed else 0)
