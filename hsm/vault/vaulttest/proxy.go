package vaulttest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Cable is a TCP connection between client and server that can be cut.
type Cable struct {
	// Address is https://127.0.0.1:PORT, for the client.
	Address string

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	cut   bool              // guarded by mu
	conns map[net.Conn]bool // guarded by mu
}

// NewCable lays a cable to the server; it ends with the test.
func NewCable(tb testing.TB, s *Server) *Cable {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("lay a cable: %v", err)
	}
	c := &Cable{Address: "https://" + ln.Addr().String(), target: strings.TrimPrefix(s.Address, "https://"), listener: ln, conns: map[net.Conn]bool{}}
	c.running.Go(c.accept)
	tb.Cleanup(func() {
		ln.Close()
		c.Cut()
		c.running.Wait()
	})
	return c
}

// Cut breaks all connections and lets none through until Mend.
func (c *Cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for conn := range c.conns {
		conn.Close()
	}
}

// Mend lets connections through again.
func (c *Cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

func (c *Cable) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.target)
		if err != nil || !c.hold(conn, server) {
			conn.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		c.running.Go(func() { c.copy(conn, server) })
		c.running.Go(func() { c.copy(server, conn) })
	}
}

// hold keeps both ends, unless the cable is cut.
func (c *Cable) hold(ends ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return false
	}
	for _, end := range ends {
		c.conns[end] = true
	}
	return true
}

// copy moves bytes until one end closes.
func (c *Cable) copy(from, to net.Conn) {
	_, _ = io.Copy(to, from) // any end means the same
	from.Close()
	to.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, from)
	delete(c.conns, to)
}
