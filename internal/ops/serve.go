package ops

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// How long a server waits for slow clients, and for running requests when it
// stops. There is no limit on the time of an answer: event streams have none.
const (
	headerTime = 10 * time.Second
	bodyTime   = 60 * time.Second
	idleTime   = 2 * time.Minute
	stopTime   = 5 * time.Second
)

// Serve answers requests on the listener until ctx ends. Then it stops in two
// steps: nothing new is taken and running requests may end, for up to five
// seconds; what runs after that is cut off. The handler's streams have to end by
// themselves when the role stops. Serve closes the listener and returns nil
// after an orderly stop.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, IdleTimeout: idleTime,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err := srv.Shutdown(limit)
		if errors.Is(err, context.DeadlineExceeded) {
			err = srv.Close()
		}
		stopped <- err
	})
	err := srv.Serve(l)
	if stop() { // ctx has not ended: the listener failed
		return errors.Join(err, srv.Close())
	}
	return <-stopped
}
