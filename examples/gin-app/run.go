package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// For how long every answer says that its connection ends, before connections are closed: whoever
// keeps one alive may be sending the next request on it at that very moment.
const leaveTaking = time.Second

// run serves until ctx is done, then takes leave of whoever keeps connections alive, stops
// accepting, lets requests that began finish, all within cfg.ShutdownTimeout, and returns nil when
// all of them did.
func run(ctx context.Context, cfg config, log *slog.Logger) error {
	gin.SetMode(cfg.Mode)
	gin.DebugPrintFunc = func(format string, values ...any) {
		log.Debug(strings.TrimSpace(fmt.Sprintf(format, values...)))
	}
	var refused atomic.Int64
	router, err := newRouter(cfg, log, &refused)
	if err != nil {
		return err
	}
	// Both ports are taken before anything is served: a start that cannot be whole is none.
	public, err := listen("PORT", cfg.Host, cfg.Port)
	if err != nil {
		return err
	}
	defer public.Close()
	private, err := listen("PPROF_PORT", "127.0.0.1", cfg.PprofPort)
	if err != nil {
		return err
	}
	// A profile may take a minute: the private server has no time limits and nobody waits for it.
	privateServer := &http.Server{Handler: privateHandler(&refused), ReadHeaderTimeout: 5 * time.Second}
	defer privateServer.Close()
	var leaving atomic.Bool
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if leaving.Load() {
				w.Header().Set("Connection", "close")
			}
			router.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}

	failed := make(chan error, 2)
	go func() { failed <- server.Serve(public) }()
	go func() { failed <- privateServer.Serve(private) }()
	log.Info("listening", slog.String("version", version), slog.String("mode", cfg.Mode),
		slog.String("address", public.Addr().String()), slog.String("pprof", private.Addr().String()),
		slog.Int("pid", os.Getpid()))
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	log.Info("stopping", slog.String("timeout", cfg.ShutdownTimeout.String()))
	bounded, cancel := context.WithTimeout(context.Background(), cfg.ShutdownTimeout)
	defer cancel()
	leaving.Store(true)
	time.Sleep(min(leaveTaking, cfg.ShutdownTimeout/2))
	if err := server.Shutdown(bounded); err != nil {
		_ = server.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("requests were still running after %v and were cut off", cfg.ShutdownTimeout)
		}
		return err
	}
	log.Info("stopped")
	return nil
}

func listen(name, host string, port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("%s=%d: %w", name, port, err)
	}
	return listener, nil
}

// privateHandler is for the people who run the service: profiles and counters.
func privateHandler(refused *atomic.Int64) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"version":%q,"goroutines":%d,"refused":%d}`+"\n",
			version, runtime.NumGoroutine(), refused.Load())
	})
	return mux
}
