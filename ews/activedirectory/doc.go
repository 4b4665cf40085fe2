// Package activedirectory is what an Exchange client wants of Active Directory:
// the service connection points by which Autodiscover finds Exchange, the
// policy by which an account is locked, and Kerberos.
//
//	d, err := activedirectory.NewDirectory(activedirectory.DirectoryOptions{
//		Servers: []string{"dc1.corp.example.com"}, Account: account, CAFile: "corp-ca.pem",
//	})
//	finder, err := ews.NewDiscoverer(ews.DiscovererOptions{…, SCP: d.ServiceConnectionPoints})
//	policy, err := d.Lockout(ctx, `CORP\svc-koyomi`)
//
// The directory is read over LDAP with TLS only (port 636), and the server's
// certificate is always verified: what it publishes decides where passwords go.
// Name and password are used through [ews.Account], whose rules keep it from
// being locked by whatever uses it.
package activedirectory
