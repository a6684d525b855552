package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func load(environment, dotenv map[string]string) (config, error) {
	return loadConfig(func(name string) (string, bool) {
		value, found := environment[name]
		return value, found
	}, dotenv)
}

func TestNothingSetGivesTheDefaults(t *testing.T) {
	got, err := load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		Port: 8080, PprofPort: 6060, Mode: "debug", Greeting: "Hello",
		TrustedProxies: []string{"127.0.0.1", "::1"}, ShutdownTimeout: 10 * time.Second,
		AssetsDir: defaultAssetsDir,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTheEnvironmentIsStrongerThanTheDotenvFile(t *testing.T) {
	cfg, err := load(map[string]string{"PORT": "9001"}, map[string]string{"PORT": "9002", "GREETING": "Ahoy"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Port != 9001 || cfg.Greeting != "Ahoy" {
		t.Errorf("got %+v", cfg)
	}
}

func TestAWrongValueIsNamedWithWhatWouldBeRight(t *testing.T) {
	for _, row := range []struct{ name, value, want string }{
		{"PORT", "http", "PORT=http: want a port"},
		{"PORT", "70000", "PORT=70000: want a port"},
		{"PORT", "-1", "PORT=-1: want a port"},
		{"PORT", "", "PORT=: want a port"},
		{"PORT", "6060", "PPROF_PORT=6060: want a port other than PORT"},
		{"HOST", "localhost:80", "HOST=localhost:80: want an IP address"},
		{"GIN_MODE", "fast", "GIN_MODE=fast: want one of debug, release, test"},
		{"AUTH_TOKEN", "short", "AUTH_TOKEN=…: want at least 16"},
		{"ASSETS_DIR", "/nonexistent", "ASSETS_DIR=/nonexistent: want a directory"},
		{"TRUSTED_PROXIES", "10.0.0.0/8,nginx", "want IP addresses or networks"},
		{"SHUTDOWN_TIMEOUT", "30", "SHUTDOWN_TIMEOUT=30: want a duration from 1s to 1m0s"},
		{"SHUTDOWN_TIMEOUT", "2h", "SHUTDOWN_TIMEOUT=2h: want a duration"},
	} {
		_, err := load(map[string]string{row.name: row.value}, nil)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s=%s: got %v, want %q in it", row.name, row.value, err, row.want)
		}
	}
}

func TestEveryMistakeIsReportedAtOnceAndNoSecretWithIt(t *testing.T) {
	_, err := load(map[string]string{"PORT": "x", "GIN_MODE": "y", "AUTH_TOKEN": "hunter2"}, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"PORT", "GIN_MODE", "AUTH_TOKEN"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the secret is in %v", err)
	}
}
