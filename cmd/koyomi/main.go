// Command koyomi is the open hybrid calendar: the connector beside Exchange,
// the cloud that carries sealed meetings, the key server, and a demo of it all.
// Everything is in package cli; this only ends the process.
//
// Start with "koyomi demo" or "koyomi --help".
package main

import (
	"os"

	"github.com/koyomi-cal/koyomi/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
