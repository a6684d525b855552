package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gin-gonic/gin"
)

const testToken = "correct-horse-battery"

// service is the router with everything on, and the log that it wrote.
type service struct {
	router  *gin.Engine
	log     bytes.Buffer
	refused atomic.Int64
}

func newService(t *testing.T) *service {
	t.Helper()
	gin.SetMode(gin.TestMode)
	s := &service{}
	cfg := config{Greeting: "Ahoy", AuthToken: testToken, TrustedProxies: []string{"192.0.2.1"}}
	router, err := newRouter(cfg, newLogger(&s.log), &s.refused)
	if err != nil {
		t.Fatal(err)
	}
	s.router = router
	return s
}

func (s *service) do(method, path string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, body) // comes from 192.0.2.1
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	s.router.ServeHTTP(answer, request)
	return answer
}

func (s *service) logged(t *testing.T) []map[string]any {
	t.Helper()
	var records []map[string]any
	for line := range strings.Lines(s.log.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("not JSON: %s", line)
		}
		records = append(records, record)
	}
	return records
}

func TestRoutesAnswer(t *testing.T) {
	s := newService(t)
	for _, row := range []struct {
		method, path, body string
		status             int
		contentType, want  string
	}{
		{"GET", "/ping", "", 200, "application/json; charset=utf-8", `{"message":"pong"}`},
		{"GET", "/healthz", "", 200, "application/json; charset=utf-8", `{"status":"ok"}`},
		{"GET", "/version", "", 200, "application/json; charset=utf-8", `{"greeting":"Ahoy","version":"` + version + `"}`},
		{"POST", "/echo", "a\x00b", 200, "application/octet-stream", "a\x00b"},
		{"POST", "/echo", strings.Repeat("x", echoMax), 200, "application/octet-stream", "xxx"},
		{"POST", "/echo", strings.Repeat("x", echoMax+1), 413, "application/json; charset=utf-8", "more than 1 MiB"},
		{"GET", "/slow?ms=1", "", 200, "application/json; charset=utf-8", `"waited_ms":1`},
		{"GET", "/slow?ms=10001", "", 400, "application/json; charset=utf-8", "from 0 to 10000"},
		{"GET", "/slow?ms=-1", "", 400, "application/json; charset=utf-8", "from 0 to 10000"},
		{"GET", "/slow?ms=soon", "", 400, "application/json; charset=utf-8", "from 0 to 10000"},
		{"GET", "/", "", 200, "text/html; charset=utf-8", "Ahoy from gin-app " + version},
		{"GET", "/static/style.css", "", 200, "text/css; charset=utf-8", "body {"},
		{"GET", "/static/app.js", "", 200, "text/javascript; charset=utf-8", "fetch("},
		{"GET", "/static/boat.svg", "", 200, "image/svg+xml", "<svg"},
		{"GET", "/robots.txt", "", 200, "text/plain; charset=utf-8", "User-agent"},
		{"GET", "/static/", "", 404, "application/json; charset=utf-8", "no such file"},
		{"GET", "/static/none.css", "", 404, "application/json; charset=utf-8", "no such file"},
		{"GET", "/static/../index.html", "", 404, "application/json; charset=utf-8", "no such file"},
		{"GET", "/nowhere", "", 404, "application/json; charset=utf-8", "no such page"},
		{"DELETE", "/ping", "", 405, "application/json; charset=utf-8", "not this method"},
	} {
		answer := s.do(row.method, row.path, strings.NewReader(row.body))
		if answer.Code != row.status || answer.Header().Get("Content-Type") != row.contentType ||
			!strings.Contains(answer.Body.String(), row.want) {
			t.Errorf("%s %s: got %d %s %.80q, want %d %s %q", row.method, row.path, answer.Code,
				answer.Header().Get("Content-Type"), answer.Body, row.status, row.contentType, row.want)
		}
	}
}

func TestEveryAnswerCarriesTheHeaders(t *testing.T) {
	s := newService(t)
	for _, path := range []string{"/ping", "/", "/nowhere", "/admin/config"} {
		header := s.do("GET", path, nil).Header()
		for name, want := range map[string]string{
			"X-App-Version":           version,
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         "no-referrer",
			"Content-Security-Policy": contentSecurityPolicy,
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestAFileThatABrowserHasIsNotSentAgain(t *testing.T) {
	s := newService(t)
	tag := s.do("GET", "/static/style.css", nil).Header().Get("ETag")
	again := s.do("GET", "/static/style.css", nil, "If-None-Match", tag)
	if tag == "" || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("tag %q: got %d with %d bytes, want 304 with none", tag, again.Code, again.Body.Len())
	}
}

func TestTheProtectedGroupWantsTheToken(t *testing.T) {
	s := newService(t)
	for _, row := range []struct {
		header string
		status int
	}{
		{"", 401},
		{"Bearer", 401},
		{"Bearer wrong-horse-battery!", 401},
		{"Basic " + testToken, 401},
		{"Bearer " + testToken, 200},
	} {
		answer := s.do("GET", "/admin/config", nil, "Authorization", row.header)
		if answer.Code != row.status {
			t.Errorf("%q: got %d, want %d", row.header, answer.Code, row.status)
		}
		if strings.Contains(answer.Body.String(), testToken) {
			t.Errorf("%q: the token is in the answer", row.header)
		}
	}
	if s.refused.Load() != 4 {
		t.Errorf("%d refusals were counted, want 4", s.refused.Load())
	}
	// Authentication stands before logging: only the request that passed has a line.
	records := s.logged(t)
	if len(records) != 1 || records[0]["user"] != "admin" || records[0]["status"] != 200.0 {
		t.Errorf("got the log %v, want one line of user admin with status 200", records)
	}
}

func TestWithoutATokenThereIsNoProtectedGroup(t *testing.T) {
	gin.SetMode(gin.TestMode)
	router, err := newRouter(config{}, newLogger(io.Discard), new(atomic.Int64))
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, httptest.NewRequest("GET", "/admin/config", nil))
	if answer.Code != http.StatusNotFound {
		t.Errorf("got %d, want 404", answer.Code)
	}
}

func TestARequestIsLoggedInItsTrace(t *testing.T) {
	s := newService(t)
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	answer := s.do("GET", "/ping?secret=1", nil, "traceparent", "00-"+id+"-00f067aa0ba902b7-01",
		"X-Forwarded-For", "198.51.100.7")
	if answer.Header().Get("X-Trace-Id") != id {
		t.Errorf("X-Trace-Id is %q, want %q", answer.Header().Get("X-Trace-Id"), id)
	}
	records := s.logged(t)
	if len(records) != 1 {
		t.Fatalf("%d lines, want 1", len(records))
	}
	for key, want := range map[string]any{
		"level": "INFO", "msg": "request", "trace_id": id, "method": "GET", "path": "/ping",
		"status": 200.0, "client": "198.51.100.7", "version": version,
	} {
		if records[0][key] != want {
			t.Errorf("%s is %v, want %v", key, records[0][key], want)
		}
	}
}

func TestAForwardedAddressIsBelievedOnlyFromATrustedProxy(t *testing.T) {
	s := newService(t)
	request := httptest.NewRequest("GET", "/ping", nil)
	request.RemoteAddr = "203.0.113.9:4711"
	request.Header.Set("X-Forwarded-For", "198.51.100.7")
	s.router.ServeHTTP(httptest.NewRecorder(), request)
	if client := s.logged(t)[0]["client"]; client != "203.0.113.9" {
		t.Errorf("client is %v, want the address of the connection", client)
	}
}

func TestTraceparentIsReadAsTheStandardSays(t *testing.T) {
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, row := range []struct {
		header string
		ok     bool
	}{
		{"00-" + id + "-" + span + "-01", true},
		{"00-" + id + "-" + span + "-00", true},
		{"cc-" + id + "-" + span + "-01-later", true},
		{"00-" + id + "-" + span + "-01-later", false},
		{"ff-" + id + "-" + span + "-01", false},
		{"00-" + strings.ToUpper(id) + "-" + span + "-01", false},
		{"00-" + strings.Repeat("0", 32) + "-" + span + "-01", false},
		{"00-" + id + "-" + strings.Repeat("0", 16) + "-01", false},
		{"00-" + id[1:] + "-" + span + "-01", false},
		{"00-" + id + "-" + span, false},
		{"", false},
	} {
		got, ok := parseTraceparent(row.header)
		if ok != row.ok || (ok && got != id) {
			t.Errorf("%q: got %q, %v", row.header, got, ok)
		}
	}
}

func TestAPanicIsAnsweredAndLoggedAndTheServiceGoesOn(t *testing.T) {
	s := newService(t)
	s.router.GET("/panic", func(*gin.Context) { panic("the boat is on fire") })
	if answer := s.do("GET", "/panic", nil); answer.Code != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", answer.Code)
	}
	records := s.logged(t)
	if len(records) != 1 || records[0]["msg"] != "panic" || records[0]["reason"] != "the boat is on fire" {
		t.Errorf("got the log %v", records)
	}
	if answer := s.do("GET", "/ping", nil); answer.Code != http.StatusOK {
		t.Errorf("afterwards: got %d, want 200", answer.Code)
	}
}

func TestADirectoryCanStandInForTheEmbeddedFiles(t *testing.T) {
	gin.SetMode(gin.TestMode)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/index.html", []byte("draft of {{.Version}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	router, err := newRouter(config{AssetsDir: dir}, newLogger(io.Discard), new(atomic.Int64))
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	if answer.Body.String() != "draft of "+version {
		t.Errorf("got %q", answer.Body)
	}
}
