//go:build ignore

// Command report reads the output of `go test -json` and says what a person
// wants to know: the packages, what failed with its output, what was skipped
// and why, and a closing line. It fails if a test failed or if one was skipped
// for any other reason than a folder of reference material that is not here.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	ImportPath                    string
	Elapsed                       float64
}

func main() {
	short := flag.Bool("short", false, "print the closing line only")
	flag.Parse()

	output := map[string]*strings.Builder{}
	var failed []string
	var passed, failures, skips, refused int
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			if !*short {
				fmt.Println(in.Text())
			}
			continue
		}
		if e.Package == "" {
			e.Package = e.ImportPath
		}
		name := e.Package + " " + e.Test
		if output[name] == nil {
			output[name] = &strings.Builder{}
		}
		switch e.Action {
		case "output", "build-output":
			output[name].WriteString(e.Output)
		case "pass":
			if e.Test != "" {
				passed++
			} else if !*short {
				fmt.Printf("ok    %6.1f s  %s\n", e.Elapsed, e.Package)
			}
		case "fail", "build-fail":
			failed = append(failed, name)
			if e.Test != "" || e.Action == "build-fail" {
				failures++
			} else if !*short {
				fmt.Printf("FAIL  %6.1f s  %s\n", e.Elapsed, e.Package)
			}
		case "skip":
			if e.Test == "" {
				continue // a package without tests
			}
			skips++
			fine := strings.Contains(output[name].String(), "skipped: not here") &&
				(os.Getenv("KOYOMI_CORPUS") == "" || os.Getenv("KOYOMI_SCHEMA") == "")
			if !fine {
				refused++
			}
			if !*short {
				fmt.Printf("skip            %s\n%s", name, output[name])
			}
		}
		if e.Test != "" && e.Action == "pass" {
			delete(output, name)
		}
	}
	if !*short {
		for _, name := range failed {
			fmt.Printf("\n--- %s\n%s", name, ends(output[name].String(), 80, 120))
		}
		if refused > 0 {
			fmt.Printf("\n%d tests were skipped for another reason than \"skipped: not here\"\n", refused)
		}
		fmt.Println()
	}
	if failures == 0 && len(failed) > 0 {
		failures = len(failed)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failures, skips)
	if failures > 0 || refused > 0 || passed == 0 {
		os.Exit(1)
	}
}

// ends leaves out the middle of a long text.
func ends(s string, head, tail int) string {
	all := strings.SplitAfter(s, "\n")
	if len(all) <= head+tail {
		return s
	}
	return strings.Join(all[:head], "") + fmt.Sprintf("... %d lines left out\n", len(all)-head-tail) + strings.Join(all[len(all)-tail:], "")
}
