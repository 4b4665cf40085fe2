package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// note is the file by which an administrator acknowledges the breaker's alarm:
// whoever may write into the data folder may have the writes go on.
const note = "acknowledge"

// lookEvery is how often a running node looks for the note.
const lookEvery = 5 * time.Second

// Acknowledge tells the node on a data folder, which may be running, that
// somebody has looked at the breaker's alarm: within five seconds, or at its
// next start, writes to calendars go on.
func Acknowledge(data string) error {
	if err := os.WriteFile(filepath.Join(data, note), nil, 0o600); err != nil {
		return fmt.Errorf("leave word for the connector in its data folder, as root or as its own user: %w", err)
	}
	return nil
}

// acknowledged looks for the note until ctx ends.
func (n *Node) acknowledged(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		if err := n.takeNote(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("the breaker could not be acknowledged", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

func (n *Node) takeNote(ctx context.Context) error {
	path := filepath.Join(n.data, note)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := n.connector.Acknowledge(ctx); err != nil {
		return err
	}
	n.log.Info("breaker acknowledged")
	return os.Remove(path)
}
