"""Has exchangelib find mailboxes by Autodiscover, its own way, and prints what
it found. Names of hosts lead to the ports given; nothing else of it is changed.
usage: autodiscover_exchangelib.py CA_FILE USER PASSWORD HOST:PORT=LOCAL_PORT... -- ADDRESS..."""
import os
import socket
import sys

ca, user, password = sys.argv[1:4]
cut = sys.argv.index('--')
ports = dict(a.split('=') for a in sys.argv[4:cut])
addresses = sys.argv[cut + 1:]
os.environ['REQUESTS_CA_BUNDLE'] = ca

import dns.resolver  # noqa: E402
import exchangelib.autodiscover.discovery.base as base  # noqa: E402
import urllib3.util.connection as connection  # noqa: E402
from exchangelib import Credentials  # noqa: E402
from exchangelib.autodiscover import cache  # noqa: E402
from exchangelib.autodiscover.discovery.pox import PoxAutodiscovery  # noqa: E402
from exchangelib.autodiscover.discovery.soap import SoapAutodiscovery  # noqa: E402

real = connection.create_connection


def create_connection(address, *args, **kwargs):
    port = ports.get('%s:%d' % address)
    if port is None:
        raise socket.gaierror('no such host')
    return real(('127.0.0.1', int(port)), *args, **kwargs)


connection.create_connection = create_connection


class Resolver:
    def resolve(self, name, kind, **_):
        if kind == 'A' and any(h.split(':')[0] == name.rstrip('.') for h in ports):
            return []
        raise dns.resolver.NXDOMAIN()


base.BaseAutodiscovery.resolver = property(lambda self: Resolver())


def found(kind, address):
    cache.autodiscover_cache.clear()
    try:
        answer, protocol = kind(email=address, credentials=Credentials(user, password)).discover()
        print('ok', kind.__name__, address, protocol.service_endpoint, getattr(answer, 'autodiscover_smtp_address', ''))
    except Exception as e:
        print('failed', kind.__name__, address, type(e).__name__, e)


for address in addresses:
    for kind in (SoapAutodiscovery, PoxAutodiscovery):
        found(kind, address)
