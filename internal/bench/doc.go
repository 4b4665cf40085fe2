// Package bench loads whole parts of the system as a large organisation would
// and measures what that costs, so that an administrator can size a node and a
// programmer sees what a change has cost.
//
// The measured role always runs in a process of its own, beside the processes
// that it talks to, on one machine: its CPU time, its peak of resident memory
// and its time by the clock are then its own. Package cli starts the
// processes; a result is one struct with JSON tags, printed as it is.
//
// [EWS] measures the Exchange client: it starts the simulator, starts a
// process that reads every calendar item of every mailbox ([Load]) and, where
// asked, has exchangelib, a Python client, read the same properties of the
// same items in the same run.
package bench
