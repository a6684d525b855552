package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	echoMax = 1 << 20 // bytes
	slowMax = 10000   // milliseconds
)

// newRouter builds the public service. refused counts requests without a valid token.
func newRouter(cfg config, log *slog.Logger, refused *atomic.Int64) (*gin.Engine, error) {
	router := gin.New()
	router.HandleMethodNotAllowed = true
	if err := router.SetTrustedProxies(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	logging := logRequests(log)
	router.Use(traceRequests, setHeaders, recoverPanics(log))

	if cfg.AuthToken != "" {
		admin := router.Group("/admin", authenticate(cfg.AuthToken, refused), logging)
		admin.GET("/config", showConfig(cfg))
	}

	public := router.Group("/", logging)
	public.GET("/ping", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"message": "pong"}) })
	public.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	public.GET("/version", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"version": version, "greeting": cfg.Greeting})
	})
	public.POST("/echo", echo)
	public.GET("/slow", slow)
	assets := newAssets(cfg)
	public.GET("/", assets.page)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		public.Handle(method, "/static/*path", assets.static)
		public.Handle(method, "/robots.txt", assets.robots)
	}

	router.NoRoute(logging, answerError(http.StatusNotFound, "no such page"))
	router.NoMethod(logging, answerError(http.StatusMethodNotAllowed, "not this method"))
	return router, nil
}

func answerError(status int, text string) gin.HandlerFunc {
	return func(c *gin.Context) { c.JSON(status, gin.H{"error": text}) }
}

// echo answers with the body of the request.
func echo(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, echoMax))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		c.JSON(http.StatusRequestEntityTooLarge, gin.H{"error": "more than 1 MiB"})
	case err != nil:
		_ = c.Error(err) // the caller went away in the middle: for the log
		c.JSON(http.StatusBadRequest, gin.H{"error": "the body ended early"})
	default:
		c.Data(http.StatusOK, "application/octet-stream", body)
	}
}

// slow answers after ?ms= milliseconds: what a long request does when the service is switched or
// stopped can be tried with it.
func slow(c *gin.Context) {
	ms, err := strconv.Atoi(c.DefaultQuery("ms", "1000"))
	if err != nil || ms < 0 || ms > slowMax {
		c.JSON(http.StatusBadRequest, gin.H{"error": "ms must be a number from 0 to 10000"})
		return
	}
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		c.JSON(http.StatusOK, gin.H{"waited_ms": ms, "version": version})
	case <-c.Request.Context().Done():
		_ = c.Error(c.Request.Context().Err())
		c.Status(499) // nobody is there to read an answer: for the log
	}
}

// showConfig tells an operator how this instance is configured; secrets only whether they are set.
func showConfig(cfg config) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{
			"version":          version,
			"mode":             cfg.Mode,
			"greeting":         cfg.Greeting,
			"port":             cfg.Port,
			"trusted_proxies":  cfg.TrustedProxies,
			"shutdown_timeout": cfg.ShutdownTimeout.String(),
			"auth_token":       "set",
		})
	}
}
