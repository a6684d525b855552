package main

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/gin-gonic/gin"
)

// trace says which chain of calls a request belongs to (W3C Trace Context).
type trace struct {
	ID   string // 32 lowercase hex digits, the same in every service of the chain
	Span string // 16, of this request alone
}

const traceKey = "trace"

// traceRequests continues the caller's trace, or begins one, and tells the caller which it was.
func traceRequests(c *gin.Context) {
	id, ok := parseTraceparent(c.GetHeader("traceparent"))
	if !ok {
		id = randomHex(16)
	}
	c.Set(traceKey, trace{ID: id, Span: randomHex(8)})
	c.Header("X-Trace-Id", id)
	c.Next()
}

func traceOf(c *gin.Context) trace {
	value, _ := c.Get(traceKey)
	t, _ := value.(trace)
	return t
}

// parseTraceparent returns the trace id of "VERSION-TRACE-PARENT-FLAGS". A later version may add
// fields at the end; version ff, zero ids and uppercase digits are not valid.
func parseTraceparent(header string) (string, bool) {
	fields := strings.Split(header, "-")
	if len(fields) < 4 || (fields[0] == "00" && len(fields) != 4) || fields[0] == "ff" {
		return "", false
	}
	for i, length := range []int{2, 32, 16, 2} {
		if len(fields[i]) != length || strings.Trim(fields[i], "0123456789abcdef") != "" {
			return "", false
		}
	}
	if strings.Trim(fields[1], "0") == "" || strings.Trim(fields[2], "0") == "" {
		return "", false
	}
	return fields[1], true
}

func randomHex(size int) string {
	bytes := make([]byte, size)
	rand.Read(bytes) // never fails (crypto/rand)
	return hex.EncodeToString(bytes)
}
