"""Makes an Active Directory domain in a folder, ready to be served, with
accounts, a lockout policy and the connection points by which Exchange is found.
usage: domain.py FOLDER ADDRESS PASSWORD AUTODISCOVER_URL"""
import logging
import os
import sys

import ldb
import samba.dckeytab  # noqa: F401, adds Net.export_keytab
from samba import param, samba3
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
from samba.net import Net
from samba.provision import provision
from samba.samdb import SamDB

folder, address, password, autodiscover = sys.argv[1:5]
realm, host = 'AD.EXAMPLE.COM', 'dc1'
etc = os.path.join(folder, 'etc')
os.makedirs(etc)
conf = os.path.join(etc, 'smb.conf')
with open(conf, 'w') as f:
    f.write(f"""[global]
    netbios name = DC1
    realm = {realm}
    workgroup = EXAMPLE
    server role = active directory domain controller
    server services = ldap, cldap, kdc
    interfaces = {address}/8
    bind interfaces only = yes
    disable netbios = yes
    binddns dir = {folder}/bind-dns
    cache directory = {folder}/cache
    lock directory = {folder}
    ncalrpc dir = {folder}/run/ncalrpc
    ntp signd socket directory = {folder}/run/ntp
    pid directory = {folder}/run
    private dir = {folder}/private
    state directory = {folder}/state
    winbindd socket directory = {folder}/run/winbindd
    log file = {folder}/log
    logging = file
    tls keyfile = {folder}/key.pem
    tls certfile = {folder}/cert.pem
    tls cafile = {folder}/ca.pem
    ldap server require strong auth = allow_sasl_over_tls
[sysvol]
    path = {folder}/state/sysvol
    read only = no
[netlogon]
    path = {folder}/state/sysvol/ad.example.com/scripts
    read only = no
""")
logger = logging.getLogger('provision')
logger.addHandler(logging.StreamHandler(sys.stderr))
provision(logger, system_session(), smbconf=conf, realm=realm, domain='EXAMPLE', hostname=host, hostip=address, adminpass=password,
          dns_backend='NONE', dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2, serverrole='active directory domain controller',
          skip_sysvolacl=True, useeadb=True, lp=None)  # file access lists need more than a container may do, and nobody reads files here

lp = param.LoadParm()
lp.load(conf)
creds = Credentials()
creds.guess(lp)
db = SamDB(session_info=system_session(), credentials=creds, lp=lp)
base = str(db.domain_dn())


def change(dn, **values):
    m = ldb.Message(ldb.Dn(db, dn))
    for k, v in values.items():
        m[k] = ldb.MessageElement(v, ldb.FLAG_MOD_REPLACE, k)
    db.modify(m)


# Five wrong passwords in half an hour lock an account for half an hour.
half_hour = str(-30 * 60 * 10**7)
change(base, lockoutThreshold='5', lockOutObservationWindow=half_hour, lockoutDuration=half_hour, minPwdAge='0')

for name in ['svc', 'standby', 'careful', 'clumsy', 'victim', 'web']:
    db.newuser(name, password)
    db.setexpiry(f'(sAMAccountName={name})', 0, no_expiry_req=True)
    dn = db.search(base, expression=f'(sAMAccountName={name})', attrs=[])[0].dn
    change(str(dn), **{'msDS-SupportedEncryptionTypes': '24', 'userPrincipalName': f'{name}@ad.example.com'})
    if name == 'web':
        change(str(dn), servicePrincipalName=['HTTP/mail.ad.example.com'])
    db.setpassword(f'(sAMAccountName={name})', password)
Net(creds, lp, server=None).export_keytab(keytab=os.path.join(folder, 'web.keytab'), principal='HTTP/mail.ad.example.com')
Net(creds, lp, server=None).export_keytab(keytab=os.path.join(folder, 'standby.keytab'), principal='standby')

# What a controller registers itself when it updates its names in the DNS.
dn = db.search(base, expression='(sAMAccountName=DC1$)', attrs=[])[0].dn
m = ldb.Message(dn)
m['spn'] = ldb.MessageElement([f'ldap/{host}.ad.example.com'], ldb.FLAG_MOD_ADD, 'servicePrincipalName')
db.modify(m)

# Where Exchange's servers put it, below a shorter path.
at = 'CN=Services,' + str(db.get_config_basedn())
for part in ['Microsoft Exchange', 'Protocols', 'Autodiscover']:
    at = f'CN={part},{at}'
    db.add({'dn': at, 'objectClass': 'container'})
for name, url, words in [
        ('FAR', 'https://far.ad.example.com/Autodiscover/Autodiscover.xml', ['Site=Elsewhere']),
        ('NEAR', autodiscover, ['Site=Default-First-Site-Name'])]:
    db.add({'dn': f'CN={name},{at}', 'objectClass': 'serviceConnectionPoint', 'serviceClassName': 'ms-Exchange-AutoDiscover-Service',
            'serviceDNSName': name, 'serviceBindingInformation': url, 'keywords': ['77378F46-2C66-4aa9-A6A6-3E7A48B19596'] + words})

# People with addresses, more than one page of them, in a group within a group.
db.transaction_start()
people = []
for i in range(1, 621):
    name = f'person{i:04}'
    people.append(f'CN={name},CN=Users,{base}')
    db.add({'dn': people[-1], 'objectClass': 'user', 'sAMAccountName': name, 'mail': f'{name}@example.com', 'displayName': f'Person {i:04} 田中',
            'proxyAddresses': [f'SMTP:{name}@example.com', f'smtp:p{i}@example.org']})
for name, members in [('Half', people[:310]), ('Others', people[310:615]), ('Everybody', [f'CN=Half,CN=Users,{base}', f'CN=Others,CN=Users,{base}', people[0]])]:
    db.add({'dn': f'CN={name},CN=Users,{base}', 'objectClass': 'group', 'sAMAccountName': name, 'member': members})
db.transaction_commit()
print('domain', base)
