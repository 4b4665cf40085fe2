// Package systemtest holds tests only: stories of the whole system, from a
// person who saves a meeting in Exchange to that person's device, which opens
// what the cloud holds with a key of its own.
//
// There are two kinds. In the one the simulator, the key server, the cloud and
// one or two connectors run in this process, over listeners in memory and under
// testing/synctest: a day passes in seconds of real time, and an oracle holds
// every opened list against what the calendars say (memory_test.go, day_test.go).
// In the other the program runs as people run it, in processes of its own on
// loopback, with clients that nobody here wrote.
package systemtest
