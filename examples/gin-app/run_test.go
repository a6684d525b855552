package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With GIN_APP_MAIN set the test program is the service itself: so a test can send it real signals.
func TestMain(m *testing.M) {
	if os.Getenv("GIN_APP_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

type process struct {
	command *exec.Cmd
	lines   *bufio.Scanner
	address string
	pprof   string
}

// start runs the service as a process and waits until it says that it listens.
func start(t *testing.T, environment ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(os.Args[0])}
	p.command.Dir = t.TempDir()
	// Nothing of the environment that the tests run in.
	p.command.Env = append(environment, "GIN_APP_MAIN=1", "HOST=127.0.0.1", "PORT=0", "PPROF_PORT=0",
		"GIN_MODE=release")
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.command.Process.Kill() })
	p.lines = bufio.NewScanner(out)
	record := p.await(t, "listening")
	p.address, p.pprof = record["address"].(string), record["pprof"].(string)
	return p
}

// await reads the log up to the record with this message.
func (p *process) await(t *testing.T, message string) map[string]any {
	t.Helper()
	for p.lines.Scan() {
		var record map[string]any
		if err := json.Unmarshal(p.lines.Bytes(), &record); err != nil {
			t.Fatalf("not JSON: %s", p.lines.Text())
		}
		if record["msg"] == message {
			return record
		}
	}
	t.Fatalf("the log ended without %q", message)
	return nil
}

// begin sends the head of a POST: its request has begun when the service says "100 Continue".
func begin(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	fmt.Fprintf(connection, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	reader := bufio.NewReader(connection)
	line, err := reader.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v", line, err)
	}
	if _, err := reader.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return connection, reader
}

func TestARequestThatBeganIsFinishedAfterSIGTERMAndNewOnesAreRefused(t *testing.T) {
	p := start(t)
	connection, reader := begin(t, p.address)
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.await(t, "stopping")
	// Then it closes its listener: from some attempt on, nobody gets in.
	deadline := time.Now().Add(5 * time.Second)
	for {
		late, err := net.Dial("tcp", p.address)
		if err != nil {
			break
		}
		late.Close()
		if time.Now().After(deadline) {
			t.Fatal("it still accepts connections")
		}
	}
	fmt.Fprint(connection, "alive")
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if answer.StatusCode != 200 || string(body) != "alive" || err != nil {
		t.Errorf("got %d %q, %v", answer.StatusCode, body, err)
	}
	p.await(t, "stopped")
	if err := p.command.Wait(); err != nil {
		t.Errorf("it ended with %v, want exit code 0", err)
	}
}

func TestAConnectionThatIsKeptAliveIsTakenLeaveOfAtTheEnd(t *testing.T) {
	p := start(t)
	connection, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	reader := bufio.NewReader(connection)
	ask := func() *http.Response {
		fmt.Fprint(connection, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if answer := ask(); answer.Close {
		t.Error("it ends a connection while it serves")
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.await(t, "stopping")
	// It says so and then means it: an answer or two may come in between.
	for answer := ask(); !answer.Close; answer = ask() {
	}
	p.await(t, "stopped")
}

func TestARequestThatDoesNotEndIsCutOffAfterTheTimeout(t *testing.T) {
	p := start(t, "SHUTDOWN_TIMEOUT=1s")
	begin(t, p.address)
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	record := p.await(t, "ended")
	if reason := fmt.Sprint(record["error"]); !strings.Contains(reason, "after 1s") {
		t.Errorf("the reason is %q", reason)
	}
	if err := p.command.Wait(); p.command.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v, want exit code 1", err)
	}
}

func TestProfilesAndCountersAreOnThePrivatePortOnly(t *testing.T) {
	p := start(t, "AUTH_TOKEN="+testToken)
	if _, _, err := net.SplitHostPort(p.pprof); err != nil || !strings.HasPrefix(p.pprof, "127.0.0.1:") {
		t.Errorf("the private address is %s", p.pprof)
	}
	if answer, err := http.Get("http://" + p.address + "/admin/config"); err != nil || answer.StatusCode != 401 {
		t.Errorf("got %v, %v", answer, err)
	}
	for _, row := range []struct {
		url    string
		status int
		want   string
	}{
		{"http://" + p.pprof + "/debug/stats", 200, `"refused":1`},
		{"http://" + p.pprof + "/debug/pprof/goroutine?debug=1", 200, "goroutine profile: total"},
		{"http://" + p.address + "/debug/stats", 404, ""},
		{"http://" + p.address + "/debug/pprof/", 404, ""},
	} {
		answer, err := http.Get(row.url)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != row.status || !strings.Contains(string(body), row.want) {
			t.Errorf("%s: got %d %q, want %d %q", row.url, answer.StatusCode, body, row.status, row.want)
		}
	}
	var stats struct{ Goroutines int }
	answer, err := http.Get("http://" + p.pprof + "/debug/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil || stats.Goroutines < 2 {
		t.Errorf("got %d goroutines, %v", stats.Goroutines, err)
	}
}

func TestATakenPortStopsTheStartAndIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	cfg := config{Host: "127.0.0.1", PprofPort: port, Mode: "test", ShutdownTimeout: time.Second}
	err = run(context.Background(), cfg, newLogger(io.Discard))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("PPROF_PORT=%d", port)) {
		t.Errorf("got %v", err)
	}
}

func TestAWrongConfigurationEndsTheProgramWithItsReasons(t *testing.T) {
	command := exec.Command(os.Args[0])
	command.Dir = t.TempDir()
	if err := os.WriteFile(command.Dir+"/.env", []byte("GIN_MODE=fast\nSHUTDOWN_TIMEOUT=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command.Env = []string{"GIN_APP_MAIN=1", "PORT=zero"}
	out, err := command.CombinedOutput()
	if command.ProcessState.ExitCode() != 2 {
		t.Errorf("it ended with %v, want exit code 2", err)
	}
	for _, want := range []string{"PORT=zero", "GIN_MODE=fast", "SHUTDOWN_TIMEOUT=1"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in %q", want, out)
		}
	}
}
