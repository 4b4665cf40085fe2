"""Keeps a calendar with exchangelib, as its user would: what the tests look at
is printed as one JSON object a line.

usage: calendar_keeper.py URL PASSWORD ORGANIZER ATTENDEE SECONDS

Commands come on standard input, one a line:

    schedule SUBJECT     a meeting with @meet, sent to the attendee
    series SUBJECT       the same every day, five times
    delete SUBJECT       cancel it, as a person does who deletes a meeting
"""

import datetime
import json
import sys
import time

import exchangelib
from exchangelib import BASIC, DELEGATE, Account, Attendee, CalendarItem, Configuration, Credentials, EWSDateTime, EWSTimeZone, HTMLBody, Mailbox
from exchangelib.items import SEND_TO_ALL_AND_SAVE_COPY, MeetingRequest
from exchangelib.recurrence import DailyPattern, Recurrence

url, password, organizer, attendee, patience = sys.argv[1:6]
UTC = EWSTimeZone("UTC")


def account(address):
    config = Configuration(service_endpoint=url, credentials=Credentials(address, password), auth_type=BASIC)
    return Account(address, config=config, autodiscover=False, access_type=DELEGATE, default_timezone=UTC)


def say(**what):
    print(json.dumps(what), flush=True)


def until(found):
    """Polls until found returns something."""
    deadline = time.monotonic() + float(patience)
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > deadline:
            sys.exit("nothing came")
        time.sleep(0.1)


me, other = account(organizer), account(attendee)


def named(calendar, subject):
    return [i for i in calendar.all().only("subject", "body") if i.subject == subject]


def joined(calendar, subject):
    """The only item of that subject, once its body has the link."""
    items = named(calendar, subject)
    if len(items) == 1 and "https://meet.example.net/" in str(items[0].body):
        return items[0]
    return None


def requests(subject):
    """The meeting requests in the attendee's Inbox, the oldest first."""
    mails = other.inbox.all().order_by("datetime_received")
    return [m for m in mails if isinstance(m, MeetingRequest) and m.subject == subject]


def schedule(subject, recurrence=None):
    start = EWSDateTime.now(UTC).replace(minute=0, second=0, microsecond=0) + datetime.timedelta(hours=26)
    item = CalendarItem(
        account=me, folder=me.calendar, subject=subject, location="Room 4, @meet",
        start=start, end=start + datetime.timedelta(minutes=45),
        body=HTMLBody("<html><body><p>Bring the numbers.</p></body></html>"),
        required_attendees=[Attendee(mailbox=Mailbox(email_address=attendee), response_type="Accept")],
        recurrence=Recurrence(pattern=DailyPattern(interval=1), start=start.date(), number=5) if recurrence else None,
    )
    item.save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
    mine = until(lambda: joined(me.calendar, subject))
    copy = until(lambda: joined(other.calendar, subject))
    until(lambda: len(requests(subject)) > 1)
    view = me.calendar.view(start=start - datetime.timedelta(hours=1), end=start + datetime.timedelta(days=10))
    say(
        body=str(mine.body), copy=str(copy.body), mails=[str(m.body) for m in requests(subject)],
        occurrences=len([i for i in view if i.subject == subject]), organizer=item.id == mine.id,
    )


def delete(subject):
    for item in named(me.calendar, subject):
        item.delete(send_meeting_cancellations=SEND_TO_ALL_AND_SAVE_COPY)
    say(left=len(named(me.calendar, subject)), mails=len(requests(subject)))


say(client="exchangelib " + exchangelib.__version__, server=str(me.version))
for line in sys.stdin:
    command, subject = line.rstrip("\n").split(" ", 1)
    if command == "schedule":
        schedule(subject)
    elif command == "series":
        schedule(subject, recurrence=True)
    elif command == "delete":
        delete(subject)
    else:
        sys.exit("no such command: " + command)
