// Command gin-app is a small Gin service that is run the way a service should be: configured from
// its environment, observable, and able to end without losing a request.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/joho/godotenv"
)

func main() {
	log := newLogger(os.Stdout)
	dotenv, err := godotenv.Read(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "gin-app: .env: %v\n", err)
		os.Exit(2)
	}
	cfg, err := loadConfig(os.LookupEnv, dotenv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "gin-app: wrong configuration:\n%v\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, cfg, log); err != nil {
		log.Error("ended", slog.Any("error", err))
		os.Exit(1)
	}
}
