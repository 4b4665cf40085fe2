"""Reads every calendar item of many mailboxes with exchangelib, as `koyomi
bench ews --vs exchangelib` has Koyomi's own client do, and prints the cost as
one JSON object. Arguments: URL, number of mailboxes, account, password."""
import json
import resource
import sys
import time

import exchangelib
from exchangelib import (BASIC, IMPERSONATION, Account, Build, Configuration, Credentials, EWSTimeZone, Version)
from exchangelib.items import CalendarItem
from exchangelib.protocol import BaseProtocol

# The properties that load.go asks for.
FIELDS = """item_class subject sensitivity body categories importance has_attachments culture datetime_created
 last_modified_time reminder_is_set reminder_minutes_before_start uid start end is_all_day legacy_free_busy_status location
 is_meeting is_cancelled is_recurring meeting_request_was_sent is_response_requested type my_response_type organizer
 required_attendees optional_attendees resources appointment_sequence_number appointment_state recurrence
 is_online_meeting""".split()


def cpu():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def peak():
    try:
        with open("/proc/self/status") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Counter:
    """Counts requests and bytes at the session, below exchangelib."""
    requests = received = 0


def count(response, *args, **kwargs):
    Counter.requests += 1
    Counter.received += int(response.headers.get("Content-Length", 0)) or len(response.content)


def main():
    url, mailboxes, user, password = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    fields = [f for f in FIELDS if f in {x.name for x in CalendarItem.FIELDS}]
    raw_session = BaseProtocol.raw_session

    def counting(cls, *args, **kwargs):
        session = raw_session.__func__(cls, *args, **kwargs)
        session.hooks["response"].append(count)
        return session

    BaseProtocol.raw_session = classmethod(counting)
    config = Configuration(service_endpoint=url, credentials=Credentials(user, password), auth_type=BASIC,
                           version=Version(build=Build(15, 1, 2507, 39)))
    began, used = time.monotonic(), cpu()
    items = body = attendees = 0
    told = began
    for n in range(1, mailboxes + 1):
        account = Account("user%04d@example.com" % n, config=config, autodiscover=False, access_type=IMPERSONATION,
                          default_timezone=EWSTimeZone("UTC"))
        for item in account.calendar.all().only(*fields):
            if not item.body or not item.subject or not item.start or not item.end:
                raise SystemExit("an item came without body, subject or time")
            items += 1
            body += len(item.body.encode())
            attendees += len(item.required_attendees or ()) + len(item.optional_attendees or ()) + len(item.resources or ())
        if time.monotonic() - told > 1:
            told = time.monotonic()
            print("exchangelib: %d mailboxes, %d items" % (n, items), file=sys.stderr, flush=True)
    print(json.dumps({
        "client": "exchangelib " + exchangelib.__version__, "mailboxes": mailboxes, "items": items,
        "seconds": time.monotonic() - began, "client_cpu_seconds": cpu() - used, "rss_bytes": peak(),
        "requests": Counter.requests, "bytes_received": Counter.received, "body_bytes": body, "attendees": attendees,
        "compressed": True,
    }))


main()
