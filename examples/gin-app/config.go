package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

type config struct {
	Host            string // "" is every address of the machine
	Port            int    // 0 is any free port
	PprofPort       int    // on the loopback address only; 0 is any free port
	Mode            string
	Greeting        string
	AuthToken       string // "" leaves the protected routes out
	AssetsDir       string // "" serves what is embedded in the program
	TrustedProxies  []string
	ShutdownTimeout time.Duration
}

// Tokens shorter than this are guessed sooner or later.
const authTokenMin = 16

// settings looks names up in the environment first, then in the .env file, and collects every
// mistake, so that a person sees all of them at the first start.
type settings struct {
	environment func(string) (string, bool)
	dotenv      map[string]string
	mistakes    []error
}

func loadConfig(environment func(string) (string, bool), dotenv map[string]string) (config, error) {
	s := &settings{environment: environment, dotenv: dotenv}
	cfg := config{
		Host:            s.address("HOST", ""),
		Port:            s.port("PORT", 8080),
		PprofPort:       s.port("PPROF_PORT", 6060),
		Mode:            s.choice("GIN_MODE", gin.DebugMode, gin.ReleaseMode, gin.TestMode),
		Greeting:        s.text("GREETING", "Hello"),
		AuthToken:       s.text("AUTH_TOKEN", ""),
		AssetsDir:       s.text("ASSETS_DIR", defaultAssetsDir),
		TrustedProxies:  s.networks("TRUSTED_PROXIES", "127.0.0.1,::1"),
		ShutdownTimeout: s.duration("SHUTDOWN_TIMEOUT", 10*time.Second, time.Second, time.Minute),
	}
	if cfg.Port != 0 && cfg.Port == cfg.PprofPort {
		s.mistake("PPROF_PORT", strconv.Itoa(cfg.PprofPort), "a port other than PORT")
	}
	if n := len(cfg.AuthToken); n > 0 && n < authTokenMin {
		// The value is a secret: not even a wrong one is printed.
		s.mistake("AUTH_TOKEN", "…", fmt.Sprintf("at least %d characters", authTokenMin))
	}
	if _, given := s.lookup("ASSETS_DIR"); given && cfg.AssetsDir != "" {
		if info, err := os.Stat(cfg.AssetsDir); err != nil || !info.IsDir() {
			s.mistake("ASSETS_DIR", cfg.AssetsDir, "a directory, or nothing for the embedded files")
		}
	}
	return cfg, errors.Join(s.mistakes...)
}

func (s *settings) mistake(name, value, want string) {
	s.mistakes = append(s.mistakes, fmt.Errorf("  %s=%s: want %s", name, value, want))
}

func (s *settings) lookup(name string) (string, bool) {
	if value, found := s.environment(name); found {
		return value, true
	}
	value, found := s.dotenv[name]
	return value, found
}

func (s *settings) text(name, fallback string) string {
	if value, found := s.lookup(name); found {
		return value
	}
	return fallback
}

func (s *settings) port(name string, fallback int) int {
	value, found := s.lookup(name)
	if !found {
		return fallback
	}
	port, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		s.mistake(name, value, "a port from 1 to 65535, or 0 for any free one")
	}
	return int(port)
}

func (s *settings) address(name, fallback string) string {
	value := s.text(name, fallback)
	if _, err := netip.ParseAddr(value); err != nil && value != "" {
		s.mistake(name, value, "an IP address, or nothing for all addresses")
	}
	return value
}

func (s *settings) choice(name string, choices ...string) string {
	value := s.text(name, choices[0])
	for _, choice := range choices {
		if value == choice {
			return value
		}
	}
	s.mistake(name, value, "one of "+strings.Join(choices, ", "))
	return choices[0]
}

func (s *settings) duration(name string, fallback, least, most time.Duration) time.Duration {
	value, found := s.lookup(name)
	if !found {
		return fallback
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < least || d > most {
		s.mistake(name, value, fmt.Sprintf("a duration from %v to %v, such as 15s", least, most))
	}
	return d
}

func (s *settings) networks(name, fallback string) []string {
	value := s.text(name, fallback)
	var networks []string
	for _, item := range strings.Split(value, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		_, addrErr := netip.ParseAddr(item)
		_, netErr := netip.ParsePrefix(item)
		if addrErr != nil && netErr != nil {
			s.mistake(name, value, "IP addresses or networks, separated by commas")
			return nil
		}
		networks = append(networks, item)
	}
	return networks
}
