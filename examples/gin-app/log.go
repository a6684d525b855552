package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"
)

// newLogger writes one JSON object a line: what log collectors read without being told.
func newLogger(out io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			if len(groups) == 0 && attr.Key == slog.TimeKey {
				attr.Key = "ts"
			}
			return attr
		},
	}))
}

// logRequests writes a line when a request has been answered.
func logRequests(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		began := time.Now()
		c.Next()
		status := c.Writer.Status()
		level := slog.LevelInfo
		if status >= 500 {
			level = slog.LevelError
		}
		trace := traceOf(c)
		attrs := []slog.Attr{
			slog.String("trace_id", trace.ID),
			slog.String("span_id", trace.Span),
			slog.String("version", version),
			slog.String("method", c.Request.Method),
			slog.String("path", c.Request.URL.Path),
			slog.Int("status", status),
			slog.Int("bytes", max(c.Writer.Size(), 0)),
			slog.Float64("ms", float64(time.Since(began).Microseconds())/1000),
			slog.String("client", c.ClientIP()),
		}
		if user := c.GetString(userKey); user != "" {
			attrs = append(attrs, slog.String("user", user))
		}
		if len(c.Errors) > 0 {
			attrs = append(attrs, slog.String("error", c.Errors.Last().Error()))
		}
		log.LogAttrs(c.Request.Context(), level, "request", attrs...)
	}
}
