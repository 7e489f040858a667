package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// endingTime is how long a bridge has for its orderly end before a further signal cuts it short. It
// needs about half of that at most.
const endingTime = 10 * time.Second

// endInOrder keeps a second SIGINT or SIGTERM from ending the process at once, as process managers
// send more than one without meaning that. A second Ctrl-C at a terminal does end it, as does what
// comes after endingTime. It holds until the process has ended.
func endInOrder(terminal bool) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals // which ends the context of main, too
		s := secondSignal(signals, terminal)
		signal.Stop(signals)
		self, _ := os.FindProcess(os.Getpid())
		self.Signal(s)
	}()
}

// secondSignal returns the signal that is to end the process at once.
func secondSignal(signals <-chan os.Signal, terminal bool) os.Signal {
	begun := time.Now()
	for {
		s := <-signals
		if terminal && s == os.Interrupt || time.Since(begun) >= endingTime {
			return s
		}
	}
}
