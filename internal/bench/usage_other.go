//go:build !unix

package bench

import "time"

// Without getrusage nothing is said of CPU and memory.
func cpuTime() time.Duration { return 0 }

func peakMemory() int64 { return 0 }

func cpuOf(int) time.Duration { return 0 }
