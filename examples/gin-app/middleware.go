package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

const userKey = "user"

// authenticate lets a request pass that carries the token. Gin calls middleware in the order of
// registration and what aborts ends the chain: registered before logRequests, a refused request
// costs no line in the log (nobody fills the disk by guessing) and a line always says who asked.
// Refusals are counted instead; the private port shows the count.
func authenticate(token string, refused *atomic.Int64) gin.HandlerFunc {
	want := sha256.Sum256([]byte(token))
	return func(c *gin.Context) {
		given, found := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
		// Digests are of one length, so the comparison takes the same time whatever was sent.
		got := sha256.Sum256([]byte(given))
		if !found || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			refused.Add(1)
			c.Header("WWW-Authenticate", `Bearer realm="gin-app"`)
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "a valid token is needed"})
			return
		}
		c.Set(userKey, "admin")
		c.Next()
	}
}

// The page loads its own script, style and pictures, and nothing else.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func setHeaders(c *gin.Context) {
	c.Header("X-App-Version", version)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("X-Frame-Options", "DENY")
	c.Header("Referrer-Policy", "no-referrer")
	c.Header("Cross-Origin-Opener-Policy", "same-origin")
	c.Header("Content-Security-Policy", contentSecurityPolicy)
	c.Next()
}

// recoverPanics answers 500 and keeps the service alive.
func recoverPanics(log *slog.Logger) gin.HandlerFunc {
	return gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, reason any) {
		log.Error("panic",
			slog.String("trace_id", traceOf(c).ID),
			slog.String("method", c.Request.Method),
			slog.String("path", c.Request.URL.Path),
			slog.Any("reason", reason),
			slog.String("stack", string(debug.Stack())))
		c.AbortWithStatusJSON(http.StatusInternalServerError, gin.H{"error": "internal error"})
	})
}
