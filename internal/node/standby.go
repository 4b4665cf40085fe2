package node

import (
	"context"
	"time"
)

// watchStandby has an alarm stand while the second service account is in use,
// until ctx ends.
func (n *Node) watchStandby(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for was := false; ; {
		if is := n.exchange.OnStandby(); is != was {
			n.connector.SetStandby(is)
			was = is
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}
